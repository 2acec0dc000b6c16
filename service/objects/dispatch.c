/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One dispatcher makes all checks: that the object can exist, that it has the member, that the arguments have
 * the member's signature, that the caller is within its limits. After that there is a Call, and only then is
 * anything done. Nothing here asks libvirt. */

#include "objects/dispatch.h"

#include "base/closer.h"
#include "base/error.h"
#include "base/thread.h"
#include "bus/autoptr.h"
#include "bus/codec.h"
#include "bus/path.h"
#include "call/call.h"
#include "objects/introspect.h"
#include "objects/native_interfaces.h"
#include "objects/object.h"
#include "objects/request.h"

#include <string.h>

/* Values in the arguments of what only tells something: ten times what any of it has a use for. They are read
 * as they come, before it is their caller's turn, and a hundred thousand take 25 ms. What changes something
 * may have many, and its caller the right to do worse. */
#define FEW_VALUES 64

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

/* The arguments, owned. Descriptors go to @fds; a caller of this that takes none passes NULL, and what comes
 * hidden in a variant is closed. */
static GVariant *read_arguments(sd_bus_message *message, const char *expected, unsigned most,
                                GUnixFDList **fds, GError **error)
{
        CLOSED_ELSEWHERE GUnixFDList *unwanted = NULL;
        GVariant *arguments;

        if (!check_signature(message, expected, error))
                return NULL;

        arguments = codec_read_few(message, expected, most, fds ? fds : &unwanted, error);
        return arguments ? g_variant_ref_sink(arguments) : NULL;
}

/* Where a call to the object is counted; NULL for the root. */
static Tally *tally_of(const Object *object)
{
        return object->connection ? connection_tally(object->connection) : NULL;
}

/* What never became a call has an outcome, too. */
static void count_refused(const Object *object)
{
        Tally *tally = tally_of(object);

        if (tally)
                tally->refused++;
}

/* Makes the call, which takes the object over, and charges the peer for it. */
static Call *make_call(const Dispatcher *dispatcher, Request *request, CallType type,
                       const Interface *interface, const Member *member, GVariant *arguments, GError **error)
{
        const char *path = sd_bus_message_get_path(request->message);
        size_t bytes = (arguments ? g_variant_get_size(arguments) : 0) + path_cost(path);
        Call *call;

        call = call_new(request->peer, request->message, type, path, bytes, error);
        if (!call)
                return NULL;

        call->bus = dispatcher->bus;
        call->interface = interface;
        call->member = member;
        call->args = arguments ? g_variant_ref(arguments) : NULL;
        call->object = request->object;
        request->object.key = NULL;
        call->reader = request->reader;
        call->stopping = &dispatcher->stopping;
        call->connections = request->connections;
        call->turns = dispatcher->turns;
        call_open(call, tally_of(&request->object));
        return call;
}

/* What becomes of a request. */
typedef enum Outcome {
        OUTCOME_TAKEN,   /* it goes on; in the end it is a call */
        OUTCOME_REFUSED, /* with an error */
        OUTCOME_LATER,   /* its peer's right is not known yet: it is dispatched again when it is */
} Outcome;

/* Hands the call to what answers it: memory for the service's own interfaces, libvirt for all others. NULL
 * is one that could not be made. */
static Outcome submit(Call *call)
{
        if (!call)
                return OUTCOME_REFUSED;

        if (call->interface->native)
                native_submit(call);
        else
                connection_submit(call->object.connection, call);

        return OUTCOME_TAKEN;
}

static Outcome ask(const Dispatcher *dispatcher, Request *request, Access access, GError **error)
{
        char uuid[VIR_UUID_STRING_BUFLEN];
        Question question;

        request_describe(request, access, uuid, &question);
        switch (authority_ask(dispatcher->authority, request->peer, request->message, &question, error)) {
        case AUTHORITY_YES:
                request->reader = FALSE;
                return OUTCOME_TAKEN;
        case AUTHORITY_MONITOR:
                request->reader = TRUE;
                return OUTCOME_TAKEN;
        case AUTHORITY_LATER:
                return OUTCOME_LATER;
        case AUTHORITY_NO:
                break;
        }

        return OUTCOME_REFUSED;
}

/* Flags can ask for what only a manager may see, as a description with its passwords. A caller that is none
 * is served over a read-only connection, where libvirt itself refuses that, in its own words: so this refuses
 * nothing. */
static Outcome check_secrets(const Dispatcher *dispatcher, Request *request, GVariant *arguments)
{
        const Member *member = request->member;
        g_autoptr(GVariant) flags = NULL;

        if (!request->reader || member->secure_flags == 0)
                return OUTCOME_TAKEN;

        flags = g_variant_get_child_value(arguments, member->secure_argument);
        if ((g_variant_get_uint32(flags) & member->secure_flags) != 0 &&
            ask(dispatcher, request, ACCESS_MANAGE, NULL) == OUTCOME_LATER)
                return OUTCOME_LATER;

        return OUTCOME_TAKEN;
}

/* Large requests are for managers: libvirt takes as much from them. */
static Outcome check_size(const Dispatcher *dispatcher, Request *request, GVariant *arguments, GError **error)
{
        const Limits *limits = dispatcher->limits;
        unsigned most = MIN(limits->monitor_request_bytes, limits->request_bytes);
        Outcome outcome;

        if (!request->reader || g_variant_get_size(arguments) <= most)
                return OUTCOME_TAKEN;

        outcome = ask(dispatcher, request, ACCESS_MANAGE, NULL);
        if (outcome == OUTCOME_REFUSED)
                g_set_error(
                        error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                        "at most %u bytes of arguments in one call are accepted from a caller that may only "
                        "monitor",
                        most);
        return outcome;
}

static unsigned values_of(const Member *member)
{
        return member->access == ACCESS_MONITOR ? FEW_VALUES : CODEC_VALUES_MAX;
}

static Outcome dispatch_method(const Dispatcher *dispatcher, Request *request, GError **error)
{
        const Member *member = request->member;
        CLOSED_ELSEWHERE GUnixFDList *fds = NULL;
        g_autoptr(GVariant) arguments = NULL;
        Outcome outcome;
        Call *call;

        if (!member) {
                g_propagate_error(error, g_steal_pointer(&request->problem));
                return OUTCOME_REFUSED;
        }

        arguments = read_arguments(request->message, member->in_signature, values_of(member), &fds, error);
        if (!arguments)
                return OUTCOME_REFUSED;

        outcome = check_secrets(dispatcher, request, arguments);
        if (outcome == OUTCOME_TAKEN)
                outcome = check_size(dispatcher, request, arguments, error);
        if (outcome != OUTCOME_TAKEN)
                return outcome;

        call = make_call(dispatcher, request, CALL_METHOD, request->interface, member, arguments, error);
        if (call)
                call->fds = g_steal_pointer(&fds);

        return submit(call);
}

static Outcome dispatch_get(const Dispatcher *dispatcher, Request *request, GError **error)
{
        const Interface *interface;
        const Member *member;
        const char *names[2]; /* the interface's, the property's */

        if (!check_signature(request->message, "ss", error) ||
            !codec_read_strings(request->message, names, 2, error))
                return OUTCOME_REFUSED;

        member = object_find_member(&request->object, names[0], MEMBER_PROPERTY, names[1], &interface, error);

        return member ? submit(make_call(dispatcher, request, CALL_GET, interface, member, NULL, error))
                      : OUTCOME_REFUSED;
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

static Outcome dispatch_set(const Dispatcher *dispatcher, Request *request, GError **error)
{
        g_autoptr(GVariant) arguments =
                read_arguments(request->message, "ssv", CODEC_VALUES_MAX, NULL, error);
        g_autoptr(GVariant) value = NULL, tuple = NULL;
        const char *wanted, *name;
        const Interface *interface;
        const Member *member;

        if (!arguments)
                return OUTCOME_REFUSED;

        g_variant_get(arguments, "(&s&sv)", &wanted, &name, &value);
        member = object_find_member(&request->object, wanted, MEMBER_PROPERTY, name, &interface, error);
        if (member)
                tuple = new_value(member, value, error);

        return tuple ? submit(make_call(dispatcher, request, CALL_SET, interface, member, tuple, error))
                     : OUTCOME_REFUSED;
}

static Outcome dispatch_get_all(const Dispatcher *dispatcher, Request *request, GError **error)
{
        const Interface *interface;
        const char *name;
        Call *call;

        if (!check_signature(request->message, "s", error) ||
            !codec_read_strings(request->message, &name, 1, error))
                return OUTCOME_REFUSED;

        interface = object_find_interface(&request->object, name, MEMBER_PROPERTY, error);
        if (!interface)
                return OUTCOME_REFUSED;

        call = make_call(dispatcher, request, CALL_GET_ALL, interface, NULL, NULL, error);
        if (call && interface->n_members == 0) {
                call->result = g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
                call_answer(call);
                return OUTCOME_TAKEN;
        }

        return submit(call);
}

/* The mirror has answered, or libvirt in the mirror's place, or neither could be asked. */
static gboolean conclude_introspect(Call *call)
{
        g_autoptr(GVariant) children = g_steal_pointer(&call->result);
        g_autoptr(GError) cause = g_steal_pointer(&call->error);
        const Object *object = &call->object;

        /* A collection is there even where it is not known what is in it. Of a leaf, that libvirt could not
         * be asked does not mean that it is gone. */
        if (object->level != OBJECT_LEAF || !cause)
                call->result = g_variant_ref_sink(
                        g_variant_new_take_string(introspect(object, call->connections, children)));
        else if (g_error_matches(cause, GUESTBUS_ERROR, GUESTBUS_ERROR_NO_OBJECT))
                g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_OBJECT,
                            "there is no object at %s: %s", call->path, cause->message);
        else
                call->error = g_steal_pointer(&cause);

        return TRUE;
}

static Outcome dispatch_introspect(const Dispatcher *dispatcher, Request *request, GError **error)
{
        const Object *object = &request->object;
        Call *call;

        if (!check_signature(request->message, "", error))
                return OUTCOME_REFUSED;

        call = make_call(dispatcher, request, CALL_INTROSPECT, NULL, NULL, NULL, error);
        if (!call)
                return OUTCOME_REFUSED;

        object = &call->object;
        call->conclude = conclude_introspect;
        if (object->level < OBJECT_COLLECTION || object_item(object))
                call_answer(call);
        else if (object->level == OBJECT_COLLECTION && kind_is_mirrored(object->kind))
                connection_submit_listed(object->connection, call);
        else
                connection_submit(object->connection, call);

        return OUTCOME_TAKEN;
}

static Outcome dispatch_allowed(const Dispatcher *dispatcher, Request *request, GError **error)
{
        switch (request->type) {
        case REQUEST_METHOD:
                return dispatch_method(dispatcher, request, error);
        case REQUEST_GET:
                return dispatch_get(dispatcher, request, error);
        case REQUEST_GET_ALL:
                return dispatch_get_all(dispatcher, request, error);
        case REQUEST_SET:
                return dispatch_set(dispatcher, request, error);
        case REQUEST_INTROSPECT:
                return dispatch_introspect(dispatcher, request, error);
        case REQUEST_UNKNOWN:
                break;
        }

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_METHOD, "there is no method %s in %s",
                    sd_bus_message_get_member(request->message),
                    sd_bus_message_get_interface(request->message));
        return OUTCOME_REFUSED;
}

/* Has the peer see what libvirt shows that caller, where it is asked to; a peer that is served like all
 * others sees what @request has already. */
static gboolean take_view(const Dispatcher *dispatcher, Request *request, GError **error)
{
        Object *object = &request->object;

        /* What is on the root concerns all connections. */
        if (!dispatcher->views || (object->connection && !connection_is_forwarded(object->connection)))
                return TRUE;

        request->connections = caller_connections_enter(dispatcher->views, request->peer, error);
        if (!request->connections)
                return FALSE;

        /* It has one of the same name. */
        if (object->connection)
                object->connection =
                        g_hash_table_lookup(request->connections, connection_name(object->connection));
        return TRUE;
}

static Outcome dispatch_checked(const Dispatcher *dispatcher, Request *request, GError **error)
{
        Outcome outcome;
        Access access;

        if (dispatcher->stopping) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "the service is stopping");
                return OUTCOME_REFUSED;
        }

        if (!request->possible) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_OBJECT, "there is no object at %s",
                            sd_bus_message_get_path(request->message));
                return OUTCOME_REFUSED;
        }

        /* Before the arguments are read: they may be large. */
        if (request_access(request, &access)) {
                outcome = ask(dispatcher, request, access, error);
                if (outcome != OUTCOME_TAKEN)
                        return outcome;
                if (!take_view(dispatcher, request, error))
                        return OUTCOME_REFUSED;
        }

        return dispatch_allowed(dispatcher, request, error);
}

/* The same, and counts what is refused. */
static Outcome dispatch_request(const Dispatcher *dispatcher, Request *request, GError **error)
{
        Outcome outcome = dispatch_checked(dispatcher, request, error);

        if (outcome == OUTCOME_REFUSED)
                count_refused(&request->object);
        return outcome;
}

/* Keeps it until its peer's rights are known. */
static gboolean keep_request(const Dispatcher *dispatcher, const Request *request, GError **error)
{
        char uuid[VIR_UUID_STRING_BUFLEN];
        Question question;
        Access access;
        gboolean asks = request->possible && request_access(request, &access);

        if (asks)
                request_describe(request, access, uuid, &question);
        if (authority_keep(dispatcher->authority, request->peer, request->message, asks ? &question : NULL,
                           error))
                return TRUE;

        count_refused(&request->object);
        return FALSE;
}

static gboolean dispatch_again(Peer *peer, sd_bus_message *message, void *data)
{
        const Dispatcher *dispatcher = data;
        g_autoptr(GError) error = NULL;
        g_auto(Request) request = {};
        Outcome outcome;

        /* Its arguments may have been read, and with them the flags that took another right. */
        sd_bus_message_rewind(message, TRUE);
        request_init(&request, message, dispatcher->connections);
        request.peer = peer;
        outcome = dispatch_request(dispatcher, &request, &error);
        if (outcome == OUTCOME_REFUSED)
                call_refuse(dispatcher->bus, message, error, dispatcher->limits);

        return outcome != OUTCOME_LATER;
}

/* libvirt asks the same polkit about those that it is asked for. */
static void rules_changed(void *data)
{
        caller_connections_compare(((const Dispatcher *)data)->views);
}

const AuthorityOwner dispatch_authority_owner = {.retry = dispatch_again, .changed = rules_changed};

/* Something is asked, and the answer is not wanted. */
static gboolean is_vain(const Request *request)
{
        Tally *tally;

        if (sd_bus_message_get_expect_reply(request->message) || !request->possible ||
            !request_only_tells(request))
                return FALSE;

        tally = tally_of(&request->object);
        if (tally)
                tally->dropped++;
        return TRUE;
}

int dispatch(const Dispatcher *dispatcher, sd_bus_message *message)
{
        g_autoptr(GError) error = NULL;
        g_auto(Request) request = {};
        Outcome outcome = OUTCOME_LATER;

        ASSERT_MAIN();
        if (!sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;

        request_init(&request, message, dispatcher->connections);
        if (is_vain(&request))
                return 1;

        request.peer = peers_get(dispatcher->peers, bus_sender(message));
        /* While an earlier request for the same object is kept, this one has to wait, too. */
        if (!lane_has_unread(request.peer, sd_bus_message_get_path(message)))
                outcome = dispatch_request(dispatcher, &request, &error);
        if (outcome == OUTCOME_LATER && keep_request(dispatcher, &request, &error))
                outcome = OUTCOME_TAKEN;

        if (outcome != OUTCOME_TAKEN)
                call_refuse(dispatcher->bus, message, error, dispatcher->limits);
        return 1;
}

void dispatch_peer_gone(const Dispatcher *dispatcher, const char *name)
{
        Peer *peer = peers_find(dispatcher->peers, name);

        ASSERT_MAIN();
        if (!peer)
                return;

        peer_ref(peer);
        peer_leave(peer);
        /* What has begun goes on; but nothing is replied to a peer that is gone. */
        for (GList *each = peer->calls.head, *next; each; each = next) {
                next = each->next;
                call_withdraw(each->data);
        }
        authority_forget(dispatcher->authority, peer);
        caller_connections_drop_peer(peer);
        peer_unref(peer);
}

void dispatch_abandon(const Dispatcher *dispatcher)
{
        GHashTableIter iter;
        gpointer peer;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, dispatcher->peers->by_name);
        while (g_hash_table_iter_next(&iter, NULL, &peer))
                for (GList *each = ((Peer *)peer)->calls.head; each; each = each->next)
                        call_reply_abandoned(each->data, "the service stopped before this was answered");
}
