/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One dispatcher makes all checks: that the object can exist, that it has the member, that the arguments have
 * the member's signature, that the caller is within its limits. After that there is a Call, and only then is
 * anything done. Nothing here asks libvirt. */

#include "dispatch.h"

#include "call.h"
#include "codec.h"
#include "error.h"
#include "introspect.h"
#include "object.h"

#include <string.h>

#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"

/* A request on its way to become a Call. */
typedef struct Request {
        const Dispatcher *dispatcher;
        sd_bus_message *message;
        const Object *object;
} Request;

static gboolean check_signature(sd_bus_message *message, const char *expected, GError **error)
{
        const char *signature = sd_bus_message_get_signature(message, 1);

        if (signature && strcmp(signature, expected) == 0)
                return TRUE;

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                    "%s takes arguments of signature \"%s\", not \"%s\"", sd_bus_message_get_member(message),
                    expected, signature ? signature : "");
        return FALSE;
}

/* The arguments, owned. Descriptors go to @fds; who takes none passes NULL, and what comes hidden in a
 * variant is closed. */
static GVariant *read_arguments(sd_bus_message *message, const char *expected, GUnixFDList **fds,
                                GError **error)
{
        g_autoptr(GUnixFDList) unwanted = NULL;
        GVariant *arguments;

        if (!check_signature(message, expected, error))
                return NULL;

        arguments = codec_read(message, expected, fds ? fds : &unwanted, error);
        return arguments ? g_variant_ref_sink(arguments) : NULL;
}

/* Makes the call and enters it in the caller's account. */
static Call *make_call(const Request *request, CallType type, const Interface *interface,
                       const Member *member, GVariant *arguments, GError **error)
{
        const Dispatcher *dispatcher = request->dispatcher;
        const char *sender = sd_bus_message_get_sender(request->message);
        size_t bytes = arguments ? g_variant_get_size(arguments) : 0;
        Caller *caller = caller_enter(dispatcher->callers, sender ? sender : "", bytes, error);
        Call *call;

        if (!caller)
                return NULL;

        call = call_new(request->message, type, sd_bus_message_get_path(request->message),
                        dispatcher->limits);
        call->caller = caller;
        call->bytes = bytes;
        call->interface = interface;
        call->member = member;
        call->args = arguments ? g_variant_ref(arguments) : NULL;
        call->kind = request->object->kind;
        call->key = g_strdup(request->object->key);
        return call;
}

static gboolean submit(const Request *request, Call *call)
{
        if (call)
                connection_submit(request->object->connection, call);

        return call != NULL;
}

static gboolean dispatch_method(const Request *request, GError **error)
{
        const Interface *interface;
        const Member *member =
                object_find_member(request->object, sd_bus_message_get_interface(request->message),
                                   MEMBER_METHOD, sd_bus_message_get_member(request->message), &interface,
                                   error);
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) arguments = NULL;
        Call *call;

        if (!member)
                return FALSE;

        arguments = read_arguments(request->message, member->in_signature, &fds, error);
        if (!arguments)
                return FALSE;

        call = make_call(request, CALL_METHOD, interface, member, arguments, error);
        if (call)
                call->fds = g_steal_pointer(&fds);

        return submit(request, call);
}

static gboolean dispatch_get(const Request *request, GError **error)
{
        g_autoptr(GVariant) arguments = read_arguments(request->message, "ss", NULL, error);
        const char *interface_name, *name;
        const Interface *interface;
        const Member *member;

        if (!arguments)
                return FALSE;

        g_variant_get(arguments, "(&s&s)", &interface_name, &name);
        member =
                object_find_member(request->object, interface_name, MEMBER_PROPERTY, name, &interface, error);

        return member && submit(request, make_call(request, CALL_GET, interface, member, NULL, error));
}

/* The new value in a tuple, as a setter gets it; NULL when it may not be written or has another type. */
static GVariant *new_value(const Member *member, GVariant *value, GError **error)
{
        if (!member->setter) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                            "property %s cannot be written", member->name);
                return NULL;
        }

        if (!g_variant_is_of_type(value, G_VARIANT_TYPE(member->out_type))) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                            "property %s has the type \"%s\", not \"%s\"", member->name, member->out_type,
                            g_variant_get_type_string(value));
                return NULL;
        }

        return g_variant_ref_sink(g_variant_new_tuple(&value, 1));
}

static gboolean dispatch_set(const Request *request, GError **error)
{
        g_autoptr(GVariant) arguments = read_arguments(request->message, "ssv", NULL, error);
        g_autoptr(GVariant) value = NULL, tuple = NULL;
        const char *interface_name, *name;
        const Interface *interface;
        const Member *member;

        if (!arguments)
                return FALSE;

        g_variant_get(arguments, "(&s&sv)", &interface_name, &name, &value);
        member =
                object_find_member(request->object, interface_name, MEMBER_PROPERTY, name, &interface, error);
        if (member)
                tuple = new_value(member, value, error);

        return tuple && submit(request, make_call(request, CALL_SET, interface, member, tuple, error));
}

/* A call that needs nobody else's word. */
static gboolean answer_now(Call *call)
{
        if (call)
                call_conclude(call);

        return call != NULL;
}

static gboolean dispatch_get_all(const Request *request, GError **error)
{
        g_autoptr(GVariant) arguments = read_arguments(request->message, "s", NULL, error);
        const Interface *interface;
        const char *name;
        Call *call;

        if (!arguments)
                return FALSE;

        g_variant_get(arguments, "(&s)", &name);
        interface = object_find_interface(request->object, name, MEMBER_PROPERTY, error);
        if (!interface)
                return FALSE;

        call = make_call(request, CALL_GET_ALL, interface, NULL, NULL, error);
        if (call && interface->n_members == 0) {
                call->result = g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
                return answer_now(call);
        }

        return submit(request, call);
}

/* Whoever was asked has answered: the mirror itself, libvirt in the mirror's place, or nobody could be. */
static void conclude_introspect(Call *call)
{
        const Dispatcher *dispatcher = call->dispatcher;
        g_autoptr(GVariant) children = g_steal_pointer(&call->result);
        g_autoptr(GError) cause = g_steal_pointer(&call->error);
        g_auto(Object) object = {};

        object_resolve(dispatcher->connections, call->path, &object);
        /* A collection is there even where nobody can tell what is in it. Of a leaf, that nobody could be
         * asked does not mean that it is gone. */
        if (object.level != OBJECT_LEAF || !cause)
                call->result = g_variant_ref_sink(
                        g_variant_new_take_string(introspect(&object, dispatcher->connections, children)));
        else if (g_error_matches(cause, GUESTBUS_ERROR, GUESTBUS_ERROR_NO_OBJECT))
                g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_OBJECT,
                            "there is no object at %s: %s", call->path, cause->message);
        else
                call->error = g_steal_pointer(&cause);
}

static gboolean is_mirrored(const Object *object)
{
        return object->level == OBJECT_LEAF && object->kind == &kind_domain &&
               mirror_has(connection_mirror(object->connection), object->leaf);
}

static gboolean dispatch_introspect(const Request *request, GError **error)
{
        const Object *object = request->object;
        Call *call;

        if (!check_signature(request->message, "", error))
                return FALSE;

        call = make_call(request, CALL_INTROSPECT, NULL, NULL, NULL, error);
        if (!call)
                return FALSE;

        call->conclude = conclude_introspect;
        call->dispatcher = request->dispatcher;
        if (object->level < OBJECT_COLLECTION || is_mirrored(object))
                answer_now(call);
        else if (object->level == OBJECT_COLLECTION && object->kind == &kind_domain)
                connection_submit_listed(object->connection, call);
        else
                connection_submit(object->connection, call);

        return TRUE;
}

static gboolean dispatch_request(const Request *request, GError **error)
{
        const char *interface = sd_bus_message_get_interface(request->message);
        const char *member = sd_bus_message_get_member(request->message);

        if (g_strcmp0(interface, PROPERTIES) == 0) {
                if (strcmp(member, "Get") == 0)
                        return dispatch_get(request, error);
                if (strcmp(member, "GetAll") == 0)
                        return dispatch_get_all(request, error);
                if (strcmp(member, "Set") == 0)
                        return dispatch_set(request, error);
        } else if (g_strcmp0(interface, INTROSPECTABLE) == 0) {
                if (strcmp(member, "Introspect") == 0)
                        return dispatch_introspect(request, error);
        } else {
                return dispatch_method(request, error);
        }

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_METHOD, "there is no method %s in %s",
                    member, interface);
        return FALSE;
}

static gboolean dispatch_checked(const Dispatcher *dispatcher, sd_bus_message *message, GError **error)
{
        g_auto(Object) object = {};
        const Request request = {dispatcher, message, &object};

        if (dispatcher->stopping) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "the service is stopping");
                return FALSE;
        }

        if (!object_resolve(dispatcher->connections, sd_bus_message_get_path(message), &object)) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_OBJECT, "there is no object at %s",
                            sd_bus_message_get_path(message));
                return FALSE;
        }

        return dispatch_request(&request, error);
}

int dispatch(sd_bus_message *message, void *userdata, sd_bus_error *reply)
{
        const Dispatcher *dispatcher = userdata;
        g_autoptr(GError) error = NULL;

        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;

        if (!dispatch_checked(dispatcher, message, &error))
                return error_to_bus(error, dispatcher->limits->error_bytes, reply);

        return 1;
}
