/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a call: made on the main thread, run on a worker, answered on the main thread. */

#include "call/call.h"

#include "base/closer.h"
#include "base/error.h"
#include "base/thread.h"
#include "bus/autoptr.h"
#include "bus/codec.h"
#include "call/handler.h"
#include "virt/object_path.h"
#include "virt/xml_document.h"

#include <errno.h>
#include <string.h>

Call *call_new(sd_bus_message *message, CallType type, const char *path, const Limits *limits)
{
        Call *call = g_new0(Call, 1);

        ASSERT_MAIN();
        call->type = type;
        call->message = sd_bus_message_ref(message);
        call->path = g_strdup(path);
        call->limits = limits;
        call->place.data = call;
        return call;
}

void call_free(Call *call)
{
        ASSERT_MAIN();
        if (!call)
                return;

        if (call->peer)
                peer_end_call(call->peer, call->bytes);
        sd_bus_message_unref(call->message);
        g_clear_pointer(&call->args, g_variant_unref);
        g_clear_pointer(&call->known, g_variant_unref);
        closer_take_list(&call->fds);
        g_clear_pointer(&call->result, g_variant_unref);
        g_clear_object(&call->result_fds);
        g_clear_error(&call->error);
        g_free(call->own_source);
        g_free(call->path);
        g_free(call->key);
        g_free(call);
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
        const Kind *kind = call->kind;
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

/* Whether libvirt can be given the document that is one of the arguments. */
static gboolean has_good_document(const Call *call, GError **error)
{
        const char *text;

        if (call->member->document == 0)
                return TRUE;

        g_variant_get_child(call->args, call->member->document - 1, "&s", &text);
        return xml_document_check(text, error);
}

static GVariant *serve(Call *call, GError **error)
{
        const Member *member = call->member;

        switch (call->type) {
        case CALL_METHOD:
                if (!has_good_document(call, error))
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
                if (call->key)
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
 * nobody came to ask it. */
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

        /* Its event, which would say so, comes when it comes. */
        if (call->member && call->member->changes && call->key && call->domain_cache)
                domain_cache_forget(call->domain_cache, call->key);

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

        /* Here and not on the main thread: the last reference to a connection may have to talk to libvirt. */
        if (call->object && call->key)
                call->kind->free(g_steal_pointer(&call->object));
        g_clear_pointer(&call->domain, virDomainFree);
        g_clear_pointer(&call->conn, virConnectClose);
}

static int append_result(const Call *call, sd_bus_message *reply)
{
        switch (call->type) {
        case CALL_GET: {
                g_autoptr(GVariant) variant = g_variant_ref_sink(g_variant_new_variant(call->result));

                return codec_append(reply, variant, call->result_fds);
        }
        case CALL_SET:
                return 0;
        case CALL_METHOD:
                if (call->member->tuple)
                        return codec_append_children(reply, call->result, call->result_fds);
                return codec_append(reply, call->result, call->result_fds);
        case CALL_GET_ALL:
        case CALL_INTROSPECT:
                return codec_append(reply, call->result, call->result_fds);
        }

        g_return_val_if_reached(-EINVAL);
}

static void reply_error(Call *call)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        error_to_bus(call->error, call->limits->error_bytes, &error);
        sd_bus_reply_method_error(call->message, &error);
        bus_sent(call->bus, error.message ? strlen(error.message) : 0);
        if (g_error_matches(call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED))
                bus_refused(call->bus);
}

/* What is shorter is sent however much waits: an error would hardly be shorter, and might hide that something
 * was done. There are no more of these than calls in flight. */
#define SHORT_REPLY 4096

/* A bus that does not read leaves its replies here. */
static gboolean has_room(Call *call, size_t size)
{
        if (size <= SHORT_REPLY || bus_has_room(call->bus, size))
                return TRUE;

        g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                    "the bus has not read the replies before this one, and at most %u bytes are kept for it",
                    call->limits->output_bytes);
        return FALSE;
}

static void send_reply(Call *call)
{
        size_t size = call->write ? call->written : call->result ? g_variant_get_size(call->result) : 0;
        g_autoptr(sd_bus_message) reply = NULL;
        int r;

        if (call->unheard || !sd_bus_message_get_expect_reply(call->message))
                return;

        if (call->error || !has_room(call, size)) {
                reply_error(call);
                return;
        }

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = call->write ? call->write(call, reply) : append_result(call, reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);

        if (r >= 0) {
                bus_sent(call->bus, size);
        } else {
                g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED,
                            "failed to send the reply: %s", g_strerror(-r));
                reply_error(call);
        }
}

/* Not before the reply is made: what looks like a failure may have become a result until then, and the other
 * way round. */
static void count(const Call *call)
{
        if (!call->tally)
                return;

        if (call->error)
                call->tally->failed++;
        else
                call->tally->ok++;
}

void call_conclude(Call *call)
{
        ASSERT_MAIN();
        if (call->conclude && !call->conclude(call))
                return;

        send_reply(call);
        count(call);
        call_free(call);
}

void call_reply_abandoned(Call *call, const char *why)
{
        ASSERT_MAIN();
        if (sd_bus_message_get_expect_reply(call->message))
                sd_bus_reply_method_errorf(call->message, SD_BUS_ERROR_FAILED, "%s", why);
}

void call_take_turn(Call *call, TurnFunc *run)
{
        ASSERT_MAIN();
        turns_take(call->turns, &call->turn, &call->peer->line, peer_turns_key(call->peer), run, call);
}

void call_follow(Call *call, TurnFunc *run)
{
        ASSERT_MAIN();
        turns_follow(call->turns, &call->turn, &call->peer->line, peer_turns_key(call->peer), run, call);
}

gboolean call_is_run(const Call *call)
{
        ASSERT_MAIN();
        return call->result || call->error;
}

void call_drop(Call *call)
{
        ASSERT_MAIN();
        if (call_is_run(call))
                count(call);
        else if (call->tally)
                call->tally->dropped++;
        call_free(call);
}

GList *calls_withdraw(GQueue *queue, const Peer *peer, GList *calls)
{
        ASSERT_MAIN();
        for (GList *each = queue->head, *next; each; each = next) {
                Call *call = each->data;

                next = each->next;
                if (call->peer != peer)
                        continue;

                calls = g_list_prepend(calls, call);
                g_queue_delete_link(queue, each);
        }

        return calls;
}
