/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lanes.
 *
 * The calls of one caller to one object form a lane and run in the order in which they were sent; a client
 * that sets a property and reads it back without waiting finds what it wrote. A lane that has calls is one
 * task of the pool. A worker runs its first call and, when other lanes wait for a thread, puts the lane back
 * at the end: a long lane delays nobody, and the main thread is not needed between two calls. */

#include "call/queue.h"

#include "base/lock.h"
#include "base/main_queue.h"
#include "base/thread.h"
#include "call/handler.h"

#include <string.h>

struct Queue {
        GThreadPool *pool; /* of Lane */
        pthread_mutex_t lock;
        GHashTable *lanes; /* under lock; a set of the lanes that have calls waiting or running */
};

typedef struct Lane {
        const Peer *peer; /* only compared */
        const char *path; /* below */
        GQueue calls;     /* under lock: those not begun */
        char key[];
} Lane;

static guint lane_hash(gconstpointer key)
{
        const Lane *lane = key;

        return g_direct_hash(lane->peer) * 33 ^ g_str_hash(lane->path);
}

static gboolean lane_equal(gconstpointer a, gconstpointer b)
{
        const Lane *x = a, *y = b;

        return x->peer == y->peer && strcmp(x->path, y->path) == 0;
}

static Lane *lane_new(const Peer *peer, const char *path)
{
        size_t path_size = strlen(path) + 1;
        Lane *lane = g_malloc(sizeof *lane + path_size);

        lane->peer = peer;
        lane->path = memcpy(lane->key, path, path_size);
        g_queue_init(&lane->calls);
        return lane;
}

/* Whether the lane has to make way: others wait for a thread, so it goes to the end. */
static gboolean gives_way(Queue *queue, Lane *lane)
{
        if (g_queue_is_empty(&lane->calls) || g_thread_pool_unprocessed(queue->pool) == 0)
                return FALSE;

        g_thread_pool_push(queue->pool, lane, NULL);
        return TRUE;
}

/* The call to run now, after @first or another one. NULL when the lane is done with, or back in the pool. */
static Call *next_in_lane(Queue *queue, Lane *lane, gboolean first)
{
        HOLD(&queue->lock);
        Call *call;

        if (!first && gives_way(queue, lane))
                return NULL;

        call = g_queue_pop_head(&lane->calls);
        if (!call) {
                g_hash_table_remove(queue->lanes, lane);
                g_free(lane);
        }

        return call;
}

/* Worker thread. */
static void run_lane(void *data, void *user_data)
{
        Lane *lane = data;
        Queue *queue = user_data;
        Call *call;

        taken_over(queue);
        for (gboolean first = TRUE; (call = next_in_lane(queue, lane, first)); first = FALSE) {
                call_run(call);
                /* Before anybody can have the lane's next call, so that this one is completed first. */
                main_queue_post(call->completed, call);
        }
        handing_over(queue);
}

Queue *queue_new(unsigned workers)
{
        Queue *queue = g_new0(Queue, 1);

        ASSERT_MAIN();
        pthread_mutex_init(&queue->lock, NULL);
        queue->lanes = g_hash_table_new(lane_hash, lane_equal);
        queue->pool = g_thread_pool_new(run_lane, queue, (int)workers, FALSE, NULL);
        handing_over(queue);
        return queue;
}

void queue_free(Queue *queue)
{
        ASSERT_MAIN();
        if (!queue)
                return;

        g_thread_pool_free(queue->pool, FALSE, TRUE);
        taken_over(queue);
        g_hash_table_unref(queue->lanes);
        pthread_mutex_destroy(&queue->lock);
        g_free(queue);
}

/* Returns the lane where it is a new one. */
static Lane *append(Queue *queue, Call *call)
{
        const Lane key = {.peer = call->peer, .path = call->path};
        Lane *lane, *made = NULL;
        HOLD(&queue->lock);

        lane = g_hash_table_lookup(queue->lanes, &key);
        if (!lane) {
                lane = made = lane_new(key.peer, key.path);
                g_hash_table_add(queue->lanes, lane);
        }
        g_queue_push_tail(&lane->calls, call);
        return made;
}

void queue_push(Queue *queue, Call *call)
{
        Lane *made;

        ASSERT_MAIN();
        made = append(queue, call);
        /* Without the lock, which the worker that wakes up for this takes first. */
        if (made)
                g_thread_pool_push(queue->pool, made, NULL);
}

GList *queue_withdraw(Queue *queue, const Peer *peer)
{
        GHashTableIter iter;
        GList *calls = NULL;
        gpointer lane;
        HOLD(&queue->lock);

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, queue->lanes);
        while (g_hash_table_iter_next(&iter, &lane, NULL)) {
                Lane *each = lane;

                /* The lane itself stays: a worker has it, or the pool, and finds it empty. */
                if (!peer || each->peer == peer) {
                        calls = g_list_concat(calls, g_steal_pointer(&each->calls.head));
                        g_queue_init(&each->calls);
                }
        }

        return calls;
}
