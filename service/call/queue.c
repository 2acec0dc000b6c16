/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lanes.
 *
 * The calls of one peer to one object form a lane and run in the order in which they were sent; a client
 * that sets a property and reads it back without waiting finds what it wrote. A lane that has run a call goes
 * to the end: a long lane delays no other. (The part of a lane that is used here is described in lane.h.)
 *
 *      READY ──take──→ RUNNING ──end──→ READY, or nowhere when it has no more calls
 *        └──take──→ CAPPED ──the end of another──→ READY
 *
 * A guest that hangs, or a disk or an agent of it, holds up all calls to it. So at most two calls of one
 * object run at once, of all callers; further lanes wait, capped, and take no link from other objects.
 *
 * And so many short calls run at once as the host has use for. Two sorts of calls do not count for that, and
 * others run beside them: those that take long by their nature, as to save or to migrate a guest; and those
 * that have taken longer than short ones do, as all about a guest that hangs. */

#include "call/queue.h"

#include "base/assert.h"

#include <string.h>

/* Calls of one object that run at once. Not one alone: beside a call that takes long, as a migration, its
 * caller asks how far it is, or has it end. */
#define RUNNING_OF_OBJECT 2

/* A short call that runs for so long is held up. One that is not takes 0.1 to 20 ms; a person notices more
 * than this. */
#define HELD_US (QUEUE_HELD_MS * G_TIME_SPAN_MILLISECOND)

/* Calls that take long: so many that a few guests can be moved or saved at once, and not so many that none
 * are left for the others. */
#define LONG_MOST 10

struct Queue {
        unsigned most_short;
        GQueue ready[2][2]; /* of Lane, by the first call: for readers or not, long or not */
        GQueue running;     /* of Lane; a few */
        GQueue capped;      /* of Lane: those that wait for the end of a call of the same object */
};

static void lane_move(Lane *lane, GQueue *to)
{
        if (lane->in)
                g_queue_unlink(lane->in, &lane->place);
        lane->in = to;
        if (to)
                g_queue_push_tail_link(to, &lane->place);
}

static gboolean is_long(const Call *call)
{
        return call->member && call->member->takes_long && call->type == CALL_METHOD;
}

static GQueue *ready_for(Queue *queue, const Call *call)
{
        return &queue->ready[call->reader][is_long(call)];
}

/* To where its first call may be taken from; nowhere without any. */
static void lane_go_on(Queue *queue, Lane *lane)
{
        const Call *first = g_queue_peek_head(&lane->queued);

        if (!first) {
                lane_move(lane, NULL);
                return;
        }

        /* What a whole hypervisor is asked has nothing in common but the hypervisor: the lists of its pools
         * may hang for one of them, while those of its domains do not. */
        lane->about = first->object.key ? NULL : first->member;
        lane->reader = first->reader;
        lane->is_long = is_long(first);
        lane_move(lane, ready_for(queue, first));
}

static gboolean same_object(const Lane *a, const Lane *b)
{
        return a->about == b->about && strcmp(a->path, b->path) == 0;
}

/* Has it wait for the end of a call of the same object, where enough of these run. */
static gboolean cap(Queue *queue, Lane *lane)
{
        unsigned n = 0;

        for (const GList *each = queue->running.head; each; each = each->next)
                n += same_object(each->data, lane);
        if (n < RUNNING_OF_OBJECT)
                return FALSE;

        for (const GList *each = queue->running.head; each; each = each->next)
                if (same_object(each->data, lane))
                        ((Lane *)each->data)->awaited_end = TRUE;
        lane_move(lane, &queue->capped);
        return TRUE;
}

/* One of those that waited for the end of a call of the lane's object may run. */
static void let_one_go_on(Queue *queue, Lane *lane)
{
        if (!lane->awaited_end)
                return;

        lane->awaited_end = FALSE;
        for (const GList *each = queue->capped.head; each; each = each->next) {
                Lane *next = each->data;

                if (same_object(next, lane)) {
                        /* By those behind it. */
                        next->awaited_end = TRUE;
                        lane_go_on(queue, next);
                        return;
                }
        }
}

Queue *queue_new(unsigned most_short)
{
        Queue *queue = g_new0(Queue, 1);

        queue->most_short = most_short;
        return queue;
}

void queue_free(Queue *queue)
{
        if (!queue)
                return;

        ASSERT(queue_ready(queue, FALSE) + queue_ready(queue, TRUE) == 0);
        ASSERT(queue->running.length + queue->capped.length == 0);
        g_free(queue);
}

void queue_push(Queue *queue, Call *call)
{
        Lane *lane = call->lane;

        g_queue_push_tail_link(&lane->queued, &call->step);
        if (!lane->in)
                lane_go_on(queue, lane);
}

/* How many of that sort run, but for what is held up. */
static unsigned count_running(const Queue *queue, gboolean reader, gboolean is_long, gint64 now)
{
        unsigned n = 0;

        for (const GList *each = queue->running.head; each; each = each->next) {
                const Lane *lane = each->data;

                n += lane->is_long == is_long &&
                     (is_long || (lane->reader == reader && now - lane->since < HELD_US));
        }

        return n;
}

/* How many of the lanes of that sort that are ready may run a call. */
static unsigned count_startable(const Queue *queue, gboolean reader, gboolean is_long, gint64 now)
{
        unsigned ready = queue->ready[reader][is_long].length, most, same;

        if (ready == 0 || queue->running.length >= QUEUE_RUNNING_MOST)
                return 0;

        most = is_long ? LONG_MOST : queue->most_short;
        same = count_running(queue, reader, is_long, now);
        return same < most ? MIN(ready, most - same) : 0;
}

static Lane *take_ready(Queue *queue, GQueue *ready)
{
        Lane *lane;

        while ((lane = g_queue_peek_head(ready)) && cap(queue, lane))
                continue;
        return lane;
}

static Call *take_first(Lane *lane)
{
        return g_queue_pop_head_link(&lane->queued)->data;
}

Call *queue_take(Queue *queue, gboolean reader, gint64 now)
{
        Lane *lane = NULL;
        Call *call;

        /* Long ones come first: they have room of their own. */
        for (int is_long = TRUE; !lane && is_long >= FALSE; is_long--)
                if (count_startable(queue, reader, is_long, now) > 0)
                        lane = take_ready(queue, &queue->ready[reader][is_long]);

        if (!lane)
                return NULL;

        lane_move(lane, &queue->running);
        lane->since = now;
        call = take_first(lane);
        call->begun = TRUE;
        return call;
}

void queue_end(Queue *queue, Call *call)
{
        lane_move(call->lane, NULL);
        let_one_go_on(queue, call->lane);
        lane_go_on(queue, call->lane);
}

unsigned queue_ready(const Queue *queue, gboolean reader)
{
        return queue->ready[reader][FALSE].length + queue->ready[reader][TRUE].length;
}

unsigned queue_startable(const Queue *queue, gboolean reader, gint64 now)
{
        unsigned n = count_startable(queue, reader, FALSE, now) + count_startable(queue, reader, TRUE, now);

        return MIN(n, QUEUE_RUNNING_MOST - queue->running.length);
}

/* Those that all these waited for may never run: whether they still have to wait is found when they are
 * taken.
 */
static void lift_caps(Queue *queue)
{
        Lane *lane;

        while ((lane = g_queue_peek_head(&queue->capped)))
                lane_go_on(queue, lane);
}

gboolean queue_withdraw(Queue *queue, Call *call)
{
        Lane *lane = call->lane;

        if (call->begun)
                return FALSE;

        lift_caps(queue);
        g_queue_unlink(&lane->queued, &call->step);
        if (lane->in != &queue->running)
                lane_go_on(queue, lane);
        return TRUE;
}

static GList *take_all(Lane *lane, GList *calls)
{
        while (lane->queued.length > 0)
                calls = g_list_prepend(calls, take_first(lane));
        return calls;
}

GList *queue_withdraw_all(Queue *queue)
{
        GList *calls = NULL;

        lift_caps(queue);
        for (unsigned sort = 0; sort < 4; sort++) {
                Lane *lane;

                while ((lane = g_queue_peek_head(&queue->ready[sort / 2][sort % 2]))) {
                        calls = take_all(lane, calls);
                        lane_move(lane, NULL);
                }
        }

        for (GList *each = queue->running.head; each; each = each->next)
                calls = take_all(each->data, calls);
        return calls;
}

static GList *refuse_all(Queue *queue, GQueue *ready, GList *calls)
{
        Lane *lane;

        while ((lane = g_queue_peek_head(ready))) {
                Call *call;

                while ((call = g_queue_peek_head(&lane->queued)) && ready_for(queue, call) == ready)
                        calls = g_list_prepend(calls, take_first(lane));
                lane_go_on(queue, lane);
        }

        return calls;
}

GList *queue_refuse(Queue *queue, gboolean reader)
{
        GList *calls;

        lift_caps(queue);
        calls = refuse_all(queue, &queue->ready[reader][FALSE], NULL);
        return g_list_reverse(refuse_all(queue, &queue->ready[reader][TRUE], calls));
}
