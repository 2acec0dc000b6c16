/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The main thread's side of a call: it is made there, and answered there when a worker has run it. */

#include "call/call.h"

#include "base/closer.h"
#include "base/error.h"
#include "base/thread.h"
#include "bus/autoptr.h"
#include "bus/codec.h"

#include <errno.h>
#include <string.h>

Call *call_new(Peer *peer, sd_bus_message *message, CallType type, const char *path, size_t bytes,
               GError **error)
{
        Call *call;

        ASSERT_MAIN();
        if (!peer_charge(peer, QUOTA_CALLS, bytes, error))
                return NULL;

        call = g_new0(Call, 1);
        call->peer = peer;
        call->bytes = bytes;
        call->type = type;
        call->message = sd_bus_message_ref(message);
        call->path = path;
        call->limits = peer->peers->limits;
        call->place.data = call->step.data = call;
        g_queue_push_tail_link(&peer->calls, &call->place);
        return call;
}

void call_free(Call *call)
{
        ASSERT_MAIN();
        if (!call)
                return;

        if (call->tally) {
                call->tally->open--;
                call->tally->changing -= call_may_change(call);
        }
        if (call->lane)
                lane_leave(call->lane);
        if (call->peer) {
                g_queue_unlink(&call->peer->calls, &call->place);
                if (call->holds_stream)
                        peer_discharge_stream(call->peer);
                peer_discharge(call->peer, QUOTA_CALLS, call->bytes);
        }
        sd_bus_message_unref(call->message);
        g_clear_pointer(&call->args, g_variant_unref);
        g_clear_pointer(&call->known, g_variant_unref);
        closer_take_list(&call->fds);
        g_clear_pointer(&call->result, g_variant_unref);
        g_clear_object(&call->result_fds);
        g_clear_error(&call->error);
        g_free(call->own_source);
        g_free(call->object.key);
        g_free(call);
}

gboolean call_may_change(const Call *call)
{
        return call->member && call->member->changes && call->type != CALL_GET;
}

void call_open(Call *call, Tally *tally)
{
        ASSERT_MAIN();
        call->tally = tally;
        if (!tally)
                return;

        tally->open++;
        tally->most = MAX(tally->most, tally->open);
        tally->changing += call_may_change(call);
}

static int append_result(const Call *call, sd_bus_message *reply)
{
        switch (call->type) {
        case CALL_GET:
                return codec_append_in_variant(reply, call->result, call->result_fds);
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

void call_refuse(Bus *bus, sd_bus_message *message, const GError *error, const Limits *limits)
{
        g_auto(sd_bus_error) reply = SD_BUS_ERROR_NULL;

        ASSERT_MAIN();
        error_to_bus(error, limits->error_bytes, &reply);
        sd_bus_reply_method_error(message, &reply);
        bus_sent(bus, reply.message ? strlen(reply.message) : 0);
        if (g_error_matches(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED))
                bus_refused(bus);
}

static void reply_error(const Call *call)
{
        call_refuse(call->bus, call->message, call->error, call->limits);
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

        if (call->peer->gone || !sd_bus_message_get_expect_reply(call->message))
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

void call_set_stopping(Call *call)
{
        ASSERT_MAIN();
        call->conclude = NULL;
        g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "the service is stopping");
}

/* Whether something has come of it yet. */
static gboolean is_run(const Call *call)
{
        return call->result || call->error;
}

/* Its peer has left, and gets no reply. */
static void drop(Call *call)
{
        if (is_run(call))
                count(call);
        else if (call->tally)
                call->tally->dropped++;
        call_free(call);
}

static void conclude_answer(void *data)
{
        Call *call = data;

        /* Its reply would not be sent, and what it waits for next, nothing could take it back from. */
        if (call->peer->gone && call->conclude) {
                drop(call);
                return;
        }

        if (*call->stopping && !is_run(call))
                call_set_stopping(call);
        call_conclude(call);
}

void call_answer(Call *call)
{
        ASSERT_MAIN();
        call->withdraw = NULL;
        turns_take(call->turns, &call->turn, &call->peer->line, peer_turns_key(call->peer), conclude_answer,
                   call);
}

void call_withdraw(Call *call)
{
        ASSERT_MAIN();
        if (!turns_withdraw(call->turns, &call->turn) && !(call->withdraw && call->withdraw(call)))
                return;

        drop(call);
}
