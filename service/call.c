/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a call: made on the main thread, run on a worker, answered on the main thread. */

#include "call.h"
#include "codec.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

Call *call_new(sd_bus_message *message, CallType type, const char *path, const Limits *limits)
{
        Call *call = g_new0(Call, 1);

        call->type = type;
        call->message = sd_bus_message_ref(message);
        call->path = g_strdup(path);
        call->limits = limits;
        call->place.data = call;
        return call;
}

void call_free(Call *call)
{
        if (!call)
                return;

        if (call->caller)
                caller_leave(call->caller, call->bytes);
        sd_bus_message_unref(call->message);
        g_clear_pointer(&call->args, g_variant_unref);
        g_clear_object(&call->fds);
        g_clear_pointer(&call->result, g_variant_unref);
        g_clear_object(&call->result_fds);
        g_clear_error(&call->error);
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

/* A property that cannot be read is left out. When none can be, the object itself is at fault, and an empty
 * success would hide that. */
static GVariant *get_all(Call *call, GError **error)
{
        const Interface *interface = call->interface;
        GVariantBuilder builder;
        g_autoptr(GError) first = NULL;
        unsigned found = 0;

        if (!call_object(call))
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < interface->n_members; i++) {
                const Member *member = &interface->members[i];
                g_autoptr(GError) problem = NULL;
                GVariant *value;

                if (member->kind != MEMBER_PROPERTY)
                        continue;

                value = get_property(call, member, &problem);

                if (!value) {
                        if (!first)
                                first = g_steal_pointer(&problem);
                        continue;
                }

                if (interface->wraps_twice)
                        value = g_variant_new_variant(value);
                g_variant_builder_add(&builder, "{sv}", member->name, value);
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
        GVariantBuilder leaves;
        int n = kind->list(call->conn, &objects);

        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&leaves, G_VARIANT_TYPE_STRING_ARRAY);
        for (int i = 0; i < n; i++) {
                g_autofree char *path = kind->path(call->connection_path, objects[i]);

                g_variant_builder_add(&leaves, "s", strrchr(path, '/') + 1);
                kind->free(objects[i]);
        }
        free(objects);

        return g_variant_builder_end(&leaves);
}

static GVariant *serve(Call *call, GError **error)
{
        const Member *member = call->member;

        switch (call->type) {
        case CALL_METHOD:
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
                        return call_object(call) ? call_done() : call_failed(error);
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

void call_run(Call *call)
{
        GVariant *result = NULL;

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
        }

        /* Here and not on the main thread: the last reference to a connection may have to talk to libvirt. */
        if (call->object && call->key)
                call->kind->free(g_steal_pointer(&call->object));
        if (call->domain)
                virDomainFree(g_steal_pointer(&call->domain));
        if (call->conn)
                virConnectClose(g_steal_pointer(&call->conn));
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
        sd_bus_error error = SD_BUS_ERROR_NULL;

        error_to_bus(call->error, call->limits->error_bytes, &error);
        sd_bus_reply_method_error(call->message, &error);
        sd_bus_error_free(&error);
}

static void send_reply(Call *call)
{
        sd_bus_message *reply = NULL;
        int r;

        if (!sd_bus_message_get_expect_reply(call->message))
                return;

        if (call->error) {
                reply_error(call);
                return;
        }

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = append_result(call, reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);

        if (r < 0) {
                g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED,
                            "failed to send the reply: %s", g_strerror(-r));
                reply_error(call);
        }

        sd_bus_message_unref(reply);
}

void call_conclude(Call *call)
{
        if (call->conclude)
                call->conclude(call);

        send_reply(call);
        call_free(call);
}

void call_reply_abandoned(Call *call, const char *why)
{
        if (sd_bus_message_get_expect_reply(call->message))
                sd_bus_reply_method_errorf(call->message, SD_BUS_ERROR_FAILED, "%s", why);
}
