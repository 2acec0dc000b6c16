/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A call that moves bytes is run in its lane as all others, and leaves it when the stream is open:
 *
 *      charged ──► run: pump opened ──► taken ──► pump runs ──► answered
 *                                          └────► withdrawn: pump stopped ──► ends
 *
 * One in both directions is answered when it is open, with its other end, and lasts until either is closed.
 *
 * What the call is charged goes over to the stream then, which is over when its thread is. */

#include "call/streams.h"

#include "access/peer.h"
#include "base/background.h"
#include "base/thread.h"
#include "virt/pump.h"

typedef struct Stream {
        Streams *streams;
        GList place; /* among those */
        Peer *peer;  /* that is charged */
        Call *call;  /* that waits for its end; NULL for none */
        Pump *pump;
        GError *reason; /* why it was stopped; NULL where it was not */
} Stream;

gboolean streams_charge(Call *call)
{
        ASSERT_MAIN();
        call->holds_stream = peer_charge_stream(call->peer, &call->error);
        return call->holds_stream;
}

/* Worker thread. */
static void run(void *data)
{
        const Stream *stream = data;

        pump_run(stream->pump);
}

static void answer(Stream *stream)
{
        Call *call = stream->call;
        const GError *error = pump_error(stream->pump);

        call->stream = NULL;
        if (error)
                call->error = g_error_copy(stream->reason ? stream->reason : error);
        call_answer(call);
}

static void done(void *data)
{
        Stream *stream = data;

        g_queue_unlink(&stream->streams->running, &stream->place);
        if (stream->call)
                answer(stream);
        peer_discharge_stream(stream->peer);
        pump_free(stream->pump);
        g_clear_error(&stream->reason);
        g_free(stream);
}

/* The pump's thread lets go when it can; the call need not wait for that. */
static gboolean withdraw(Call *call)
{
        Stream *stream = g_steal_pointer(&call->stream);

        stream->call = NULL;
        pump_stop(stream->pump);
        return TRUE;
}

void streams_take(Streams *streams, Call *call)
{
        Stream *stream = g_new0(Stream, 1);

        ASSERT_MAIN();
        stream->streams = streams;
        stream->place.data = stream;
        stream->peer = call->peer;
        call->holds_stream = FALSE;
        stream->pump = g_steal_pointer(&call->pump);
        g_queue_push_tail_link(&streams->running, &stream->place);
        background_run(run, done, stream);
        if (pump_is_interactive(stream->pump)) {
                call_answer(call);
                return;
        }

        stream->call = call;
        call->stream = stream;
        call->withdraw = withdraw;
        if (call->peer->gone)
                call_withdraw(call);
}

void streams_stop(Streams *streams, const GError *error)
{
        ASSERT_MAIN();
        for (GList *each = streams->running.head; each; each = each->next) {
                Stream *stream = each->data;

                if (!stream->reason)
                        stream->reason = g_error_copy(error);
                pump_stop(stream->pump);
        }
}

gboolean streams_are_running(const Streams *streams)
{
        ASSERT_MAIN();
        return streams->running.length > 0;
}
