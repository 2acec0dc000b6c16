/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Closing descriptors on threads that have nothing else to do. */

#include "base/closer.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/thread.h"

#include <time.h>
#include <unistd.h>

/* From so many messages on whose descriptors wait to be closed, each time that they have doubled is logged.
 */
#define WAITING_NOTED 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t closed = PTHREAD_COND_INITIALIZER;
static unsigned taken; /* under lock: messages whose descriptors are not all closed */

static void note_taken(void)
{
        HOLD(&lock);

        taken++;
}

static void note_closed(void)
{
        HOLD(&lock);

        ASSERT(taken > 0);
        if (--taken == 0)
                pthread_cond_signal(&closed);
}

static void close_all(void *data, void *user_data)
{
        g_autofree int *fds = data;

        taken_over(fds);
        for (const int *fd = fds; *fd >= 0; fd++)
                close(*fd);
        note_closed();
}

/* What waits is bounded by the limit of descriptors alone: there is nothing else to do with them. */
static void note_waiting(GThreadPool *pool)
{
        static unsigned noted = WAITING_NOTED;
        unsigned waiting = g_thread_pool_unprocessed(pool);

        if (waiting < noted)
                return;

        noted = waiting * 2;
        g_warning("the descriptors of %u messages wait to be closed: those before them do not close",
                  waiting);
}

void closer_take(int *fds)
{
        static GThreadPool *pool;

        ASSERT_MAIN();
        if (fds[0] < 0) {
                g_free(fds);
                return;
        }

        if (!pool)
                pool = g_thread_pool_new(close_all, NULL, CLOSERS, FALSE, NULL);

        note_taken();
        handing_over(fds);
        g_thread_pool_push(pool, fds, NULL);
        note_waiting(pool);
}

void closer_wait(unsigned timeout_ms)
{
        struct timespec until;
        HOLD(&lock);

        ASSERT_MAIN();
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)timeout_ms * 1000 * 1000;
        until.tv_sec += until.tv_nsec / (1000 * 1000 * 1000);
        until.tv_nsec %= 1000 * 1000 * 1000;

        while (taken > 0 && pthread_cond_clockwait(&closed, &lock, CLOCK_MONOTONIC, &until) == 0)
                ;
}

void closer_take_list(GUnixFDList **list)
{
        g_autoptr(GUnixFDList) fds = g_steal_pointer(list);

        ASSERT_MAIN();
        if (fds)
                closer_take(g_unix_fd_list_steal_fds(fds, NULL));
}
