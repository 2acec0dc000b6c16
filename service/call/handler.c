/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The worker's side of a call: its handler is run, and leaves a checked result. */

#include "call/handler.h"

#include "base/error.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "call/call.h"
#include "virt/object_path.h"
#include "virt/xml_document.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

GVariant *call_args(const Call *call)
{
        ASSERT_WORKER();
        return call->args;
}

GUnixFDList *call_fds(const Call *call)
{
        ASSERT_WORKER();
        return call->fds;
}

virConnectPtr call_connect(const Call *call)
{
        ASSERT_WORKER();
        return call->conn;
}

static gboolean has_handles(const Call *call)
{
        return call->object.kind == &kind_domain && call->object.key && call->domain_cache;
}

void *call_object(Call *call)
{
        ASSERT_WORKER();
        if (!call->handle && has_handles(call)) {
                call->handle = domain_cache_find(call->domain_cache, call->conn, call->object.key);
                call->remembered = call->handle != NULL;
        }

        return call->handle ? call->handle : call_object_now(call);
}

void *call_object_now(Call *call)
{
        ASSERT_WORKER();
        if (call->remembered)
                g_clear_pointer(&call->handle, virDomainFree);
        call->remembered = FALSE;

        if (call->handle)
                return call->handle;

        if (has_handles(call))
                call->handle = domain_cache_look_up(call->domain_cache, call->conn, call->object.key);
        else
                call->handle = call->object.key ? call->object.kind->lookup(call->conn, call->object.key,
                                                                            &call->domain)
                                                : call->conn;

        return call->handle;
}

GVariant *call_done(void)
{
        return g_variant_new_tuple(NULL, 0);
}

GVariant *call_failed(GError **error)
{
        error_take_libvirt(error);
        return NULL;
}

GVariant *call_invalid(GError **error, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        g_propagate_error(error,
                          g_error_new_valist(GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS, format, arguments));
        va_end(arguments);
        return NULL;
}

int call_add_fd(Call *call, int fd, GError **error)
{
        int handle;

        ASSERT_WORKER();
        if (!call->result_fds)
                call->result_fds = g_unix_fd_list_new();

        /* The list keeps a duplicate. */
        handle = g_unix_fd_list_append(call->result_fds, fd, error);
        close(fd);
        return handle;
}

Pump *call_open_pump(Call *call, unsigned argument, CallerFileUse use, gboolean sparse, GError **error)
{
        gint32 handle;
        int fd;

        ASSERT_WORKER();
        g_variant_get_child(call->args, argument, "h", &handle);
        fd = g_unix_fd_list_get(call->fds, handle, error);
        return fd >= 0 ? pump_new(call->link, fd, use, sparse, error) : NULL;
}

Pump *call_open_interactive_pump(Call *call, GVariant **reply, GError **error)
{
        int ends[2], handle;

        ASSERT_WORKER();
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED, "no more sockets: %s",
                            g_strerror(errno));
                return NULL;
        }

        handle = call_add_fd(call, ends[1], error);
        if (handle < 0) {
                close(ends[0]);
                return NULL;
        }

        *reply = g_variant_ref_sink(g_variant_new_handle(handle));
        return pump_new(call->link, ends[0], CALLER_FILE_BOTH, FALSE, error);
}

void *call_object_of_pump(Call *call, const Pump *pump)
{
        ASSERT_WORKER();
        return call->object.kind->lookup(pump_connection(pump), call->object.key, &call->domain);
}

void call_take_pump(Call *call, Pump *pump)
{
        ASSERT_WORKER();
        call->pump = pump;
}

GVariant *call_reply_borrowed_text(const char *text, GError **error)
{
        return text ? utf8_variant(text) : call_failed(error);
}

GVariant *call_reply_owned_text(char *text, GError **error)
{
        g_autofree char *owned = text;

        return owned ? utf8_variant(owned) : call_failed(error);
}

GVariant *call_reply_strings(char **strings, int n, GError **error)
{
        GVariantBuilder builder;

        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        for (int i = 0; i < n; i++) {
                g_variant_builder_add_value(&builder, utf8_variant(strings[i]));
                free(strings[i]);
        }
        free(strings);

        return g_variant_builder_end(&builder);
}

GVariant *call_reply_boolean(int value, GError **error)
{
        return value >= 0 ? g_variant_new_boolean(value > 0) : call_failed(error);
}

GVariant *call_reply_int32(int value, GError **error)
{
        return value >= 0 ? g_variant_new_int32(value) : call_failed(error);
}

GVariant *call_reply_uint32(int value, GError **error)
{
        return value >= 0 ? g_variant_new_uint32((guint32)value) : call_failed(error);
}

GVariant *call_reply_object(Call *call, const Kind *kind, void *object, GError **error)
{
        g_autofree char *path = NULL;

        ASSERT_WORKER();
        if (!object)
                return call_failed(error);

        if (kind->uuid && kind->uuid(object, call->touched) == 0)
                call->touched_kind = kind;
        path = object_path_of(call->connection_path, kind, object, error);
        kind->free(object);
        return path ? g_variant_new_object_path(path) : NULL;
}

/* All methods that return lists take libvirt's flags last. */
static unsigned list_flags(const Call *call)
{
        g_autoptr(GVariant) flags =
                g_variant_get_child_value(call->args, g_variant_n_children(call->args) - 1);

        return g_variant_get_uint32(flags);
}

GVariant *call_reply_list(Call *call, const Kind *kind, void **list, int n, GError **error)
{
        g_auto(GStrv) paths = NULL;

        ASSERT_WORKER();
        if (n < 0)
                return call_failed(error);

        paths = object_paths_of_list(call->connection_path, kind, list_flags(call), list, n);
        return g_variant_new_objv((const char *const *)paths, -1);
}

/* What the row promises is what goes out: anything else is a fault of the handler and must not reach the bus.
 */
static GVariant *check_type(const char *name, const char *type, GVariant *value, GError **error)
{
        if (!value || g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
                return value;

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "%s made a reply of type %s instead of %s",
                    name, g_variant_get_type_string(value), type);
        g_variant_unref(g_variant_ref_sink(value));
        return NULL;
}

static GVariant *get_property(Call *call, const Member *member, GError **error)
{
        return check_type(member->name, member->out_type, member->handler(call, error), error);
}

/* The same in a GetAll: what is known need not be asked for. NULL without an error where it is known that
 * nothing is to be had. */
static GVariant *get_one_of_all(Call *call, const Member *member, GError **error)
{
        GVariant *known = call->known ? g_variant_lookup_value(call->known, member->name, NULL) : NULL;

        if (!known)
                return get_property(call, member, error);

        if (g_variant_is_of_type(known, G_VARIANT_TYPE(member->out_type)))
                return known;

        g_variant_unref(known);
        return NULL;
}

/* A property that cannot be read is left out. When none can be, the object itself is at fault, and an empty
 * success would hide that. */
static GVariant *get_all(Call *call, GError **error)
{
        const Interface *interface = call->interface;
        GVariantBuilder builder;
        g_autoptr(GError) first = NULL;
        unsigned found = 0;

        /* Anew, and for all properties at once: some of them are what the handle itself knows. */
        if (!call_object_now(call))
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < interface->n_members; i++) {
                const Member *member = &interface->members[i];
                g_autoptr(GError) problem = NULL;
                g_autoptr(GVariant) value = NULL;

                if (member->kind != MEMBER_PROPERTY)
                        continue;

                value = get_one_of_all(call, member, &problem);
                if (!value) {
                        if (!first)
                                first = g_steal_pointer(&problem);
                        continue;
                }

                g_variant_take_ref(value);
                g_variant_builder_add(&builder, "{sv}", member->name,
                                      interface->wraps_twice ? g_variant_new_variant(value) : value);
                found++;
        }

        if (found == 0 && first) {
                g_variant_builder_clear(&builder);
                g_propagate_error(error, g_steal_pointer(&first));
                return NULL;
        }

        return g_variant_builder_end(&builder);
}

/* The last elements of the paths of all objects of the collection. */
static GVariant *list_children(Call *call, GError **error)
{
        const Kind *kind = call->object.kind;
        void **objects = NULL;
        g_auto(GStrv) paths = NULL;
        GVariantBuilder leaves;
        int n = kind->list(call->conn, 0, &objects);

        if (n < 0)
                return call_failed(error);

        paths = object_paths_of_list(call->connection_path, kind, 0, objects, n);
        g_variant_builder_init(&leaves, G_VARIANT_TYPE_STRING_ARRAY);
        for (char **path = paths; *path; path++)
                g_variant_builder_add(&leaves, "s", strrchr(*path, '/') + 1);

        return g_variant_builder_end(&leaves);
}

/* Whether libvirt can be given the documents that are among the arguments. */
static gboolean has_good_documents(const Call *call, GError **error)
{
        for (unsigned i = 0; call->member->documents >> i; i++) {
                const char *text;

                if (!(call->member->documents >> i & 1))
                        continue;

                g_variant_get_child(call->args, i, "&s", &text);
                if (!xml_document_check(text, error))
                        return FALSE;
        }

        return TRUE;
}

static GVariant *serve(Call *call, GError **error)
{
        const Member *member = call->member;

        switch (call->type) {
        case CALL_METHOD:
                if (!has_good_documents(call, error))
                        return NULL;

                return check_type(member->name, member->out_type, member->handler(call, error), error);
        case CALL_GET:
                return get_property(call, member, error);
        case CALL_SET:
                return check_type(member->name, "()", member->setter(call, error), error);
        case CALL_GET_ALL:
                return get_all(call, error);
        case CALL_INTROSPECT:
                /* Reached for what no mirror knows: is it there, or what is in there? */
                if (call->object.key)
                        return call_object_now(call) ? call_done() : call_failed(error);
                return list_children(call, error);
        }

        g_return_val_if_reached(NULL);
}

/* The wire format needs up to twice the bytes of a GVariant, which the limit allows for, but four times those
 * of a boolean. */
static gboolean fits(const Call *call, GVariant *value)
{
        size_t factor = strchr(g_variant_get_type_string(value), 'b') ? 4 : 1;

        return g_variant_get_size(value) <= call->limits->reply_bytes / factor;
}

/* Whether the request may have failed, without an effect, for want of the domain alone: libvirt says so, or
 * it was not asked. */
static gboolean may_be_gone(const GError *error)
{
        return g_error_matches(error, GUESTBUS_ERROR, GUESTBUS_ERROR_NO_OBJECT) ||
               g_error_matches(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS);
}

/* A request that failed on a remembered handle is answered as if the domain had been looked up for it. The
 * request is not run again. */
static void check_gone(Call *call)
{
        if (!call->remembered || !may_be_gone(call->error) || call_object_now(call))
                return;

        g_clear_error(&call->error);
        error_take_libvirt(&call->error);
}

void call_run(Call *call)
{
        GVariant *result = NULL;

        ASSERT_WORKER();
        call->conn = link_acquire(call->link, &call->error);
        if (call->conn)
                result = serve(call, &call->error);

        if (result) {
                call->result = g_variant_ref_sink(result);
                if (!fits(call, call->result)) {
                        g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                                    "the reply would be larger than %u bytes", call->limits->reply_bytes);
                        g_clear_pointer(&call->result, g_variant_unref);
                }
        } else if (!call->error) {
                g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED,
                            "the request failed without an error");
        } else {
                check_gone(call);
        }

        call->cut = g_error_matches(call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_CUT) &&
                    virConnectIsAlive(call->conn) == 1;
        /* Here and not on the main thread: the last reference to a connection may have to talk to libvirt. */
        if (call->handle && call->object.key)
                call->object.kind->free(call->handle);
        call->handle = NULL;
        g_clear_pointer(&call->domain, virDomainFree);
        g_clear_pointer(&call->conn, virConnectClose);
}
