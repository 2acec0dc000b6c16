/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The worker's side of a call. */

#include "call/handler.h"

#include "base/error.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "call/call.h"
#include "virt/object_path.h"

#include <stdarg.h>
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
        return call->kind == &kind_domain && call->key && call->domain_cache;
}

void *call_object(Call *call)
{
        ASSERT_WORKER();
        if (!call->object && has_handles(call)) {
                call->object = domain_cache_find(call->domain_cache, call->conn, call->key);
                call->remembered = call->object != NULL;
        }

        return call->object ? call->object : call_object_now(call);
}

void *call_object_now(Call *call)
{
        ASSERT_WORKER();
        if (call->remembered)
                g_clear_pointer(&call->object, virDomainFree);
        call->remembered = FALSE;

        if (call->object)
                return call->object;

        if (has_handles(call))
                call->object = domain_cache_look_up(call->domain_cache, call->conn, call->key);
        else
                call->object =
                        call->key ? call->kind->lookup(call->conn, call->key, &call->domain) : call->conn;

        return call->object;
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

GVariant *call_reply_borrowed_text(const char *text, GError **error)
{
        return text ? utf8_variant(text) : call_failed(error);
}

GVariant *call_reply_owned_text(char *text, GError **error)
{
        g_autofree char *owned = text;

        return owned ? utf8_variant(owned) : call_failed(error);
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
