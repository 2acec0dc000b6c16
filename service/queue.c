/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lanes.
 *
 * The calls of one caller to one object form a lane and run in the order in which they were sent; a client
 * that sets a property and reads it back without waiting finds what it wrote. A lane that has calls is one
 * task of the pool. A worker runs its first call and, when other lanes wait for a thread, puts the lane back
 * at the end: a long lane delays nobody, and the main thread is not needed between two calls. */

#include "queue.h"

#include "post.h"

#include <string.h>

struct Queue {
        GThreadPool *pool; /* of Lane */
        GMutex lock;
        GHashTable *lanes; /* under lock; a set of the lanes that have calls waiting or running */
        unsigned length;   /* under lock */
};

typedef struct Lane {
        const char *caller; /* both belong to the first part of the key, below */
        const char *path;
        GQueue calls; /* under lock: those not begun */
        char key[];   /* "caller\0path\0" */
} Lane;

static guint lane_hash(gconstpointer key)
{
        const Lane *lane = key;

        return g_str_hash(lane->caller) * 33 ^ g_str_hash(lane->path);
}

static gboolean lane_equal(gconstpointer a, gconstpointer b)
{
        const Lane *x = a, *y = b;

        return strcmp(x->path, y->path) == 0 && strcmp(x->caller, y->caller) == 0;
}

static Lane *lane_new(const char *caller, const char *path)
{
        size_t caller_size = strlen(caller) + 1, path_size = strlen(path) + 1;
        Lane *lane = g_malloc(sizeof *lane + caller_size + path_size);

        lane->caller = memcpy(lane->key, caller, caller_size);
        lane->path = memcpy(lane->key + caller_size, path, path_size);
        g_queue_init(&lane->calls);
        return lane;
}

/* Ends the turn of @call and says which call to run now: the lane's next, unless another lane waits for a
 * thread. NULL when the lane is done with, or back in the pool. */
static Call *next_in_lane(Queue *queue, Lane *lane, Call *call)
{
        g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&queue->lock);

        if (call) {
                queue->length--;
                /* Posted under the lock: the lane's next call must not be completed first. */
                post(call->completed, call);

                if (!g_queue_is_empty(&lane->calls) && g_thread_pool_unprocessed(queue->pool) > 0) {
                        g_thread_pool_push(queue->pool, lane, NULL);
                        return NULL;
                }
        }

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
        Call *call = NULL;

        while ((call = next_in_lane(queue, lane, call)))
                call_run(call);
}

Queue *queue_new(unsigned workers)
{
        Queue *queue = g_new0(Queue, 1);

        g_mutex_init(&queue->lock);
        queue->lanes = g_hash_table_new(lane_hash, lane_equal);
        queue->pool = g_thread_pool_new(run_lane, queue, (int)workers, FALSE, NULL);
        return queue;
}

void queue_free(Queue *queue)
{
        if (!queue)
                return;

        g_thread_pool_free(queue->pool, FALSE, TRUE);
        g_hash_table_unref(queue->lanes);
        g_mutex_clear(&queue->lock);
        g_free(queue);
}

void queue_push(Queue *queue, Call *call)
{
        const Lane key = {.caller = caller_name(call->caller), .path = call->path};
        Lane *lane;

        g_mutex_lock(&queue->lock);
        queue->length++;
        lane = g_hash_table_lookup(queue->lanes, &key);
        if (!lane) {
                lane = lane_new(key.caller, key.path);
                g_hash_table_add(queue->lanes, lane);
                g_thread_pool_push(queue->pool, lane, NULL);
        }
        g_queue_push_tail(&lane->calls, call);
        g_mutex_unlock(&queue->lock);
}

GList *queue_withdraw(Queue *queue, const char *name)
{
        GHashTableIter iter;
        GList *calls = NULL;
        gpointer lane;

        g_mutex_lock(&queue->lock);
        g_hash_table_iter_init(&iter, queue->lanes);
        while (g_hash_table_iter_next(&iter, &lane, NULL)) {
                Lane *each = lane;

                /* The lane itself stays: a worker has it, or the pool, and finds it empty. */
                if (!name || strcmp(each->caller, name) == 0) {
                        queue->length -= g_queue_get_length(&each->calls);
                        calls = g_list_concat(calls, g_steal_pointer(&each->calls.head));
                        g_queue_init(&each->calls);
                }
        }
        g_mutex_unlock(&queue->lock);

        return calls;
}

unsigned queue_length(Queue *queue)
{
        unsigned length;

        g_mutex_lock(&queue->lock);
        length = queue->length;
        g_mutex_unlock(&queue->lock);

        return length;
}
