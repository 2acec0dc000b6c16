/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <pthread.h>

/* Locks between threads. They are pthread's: thread sanitizers cannot see into GLib's. */

static inline pthread_mutex_t *lock_take(pthread_mutex_t *lock)
{
        int error = pthread_mutex_lock(lock);

        if (G_UNLIKELY(error != 0))
                g_error("a lock cannot be taken: %s", g_strerror(error));

        return lock;
}

static inline void lock_leave(pthread_mutex_t **held)
{
        pthread_mutex_unlock(*held);
}

/* Holds @lock, a pointer to a pthread_mutex_t, to the end of the block. */
#define HOLD(lock) __attribute__((cleanup(lock_leave), unused)) pthread_mutex_t *held = lock_take(lock)

/* Nor can they see into its pool of threads. These say what a pool does: everything before handing_over(x) on
 * one thread happens before everything after taken_over(x) on another. Nothing in other builds. */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define handing_over(address) __tsan_release(address)
#define taken_over(address)   __tsan_acquire(address)
#else
#define handing_over(address) ((void)(address))
#define taken_over(address)   ((void)(address))
#endif
