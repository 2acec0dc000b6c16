/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <limits.h>
#include <pthread.h>

/* What the two halves of the loop share: handles and timeouts. Any thread. */

/* What a handle and a timeout share. Referenced by its table and by a running callback. */
typedef struct Entry {
        int id;
        unsigned refs;
        void *opaque;
        virFreeCallback free;
} Entry;

/* Takes the lock of both halves' tables and entries, and returns it. */
pthread_mutex_t *event_loop_lock(void);

static inline void event_loop_unlock(pthread_mutex_t **locked)
{
        pthread_mutex_unlock(*locked);
}

/* Holds the lock to the end of the block. */
#define LOCKED __attribute__((cleanup(event_loop_unlock), unused)) pthread_mutex_t *locked = event_loop_lock()

static inline void *table_lookup(GHashTable *table, int key)
{
        return g_hash_table_lookup(table, GINT_TO_POINTER(key));
}

static inline void *table_steal(GHashTable *table, int key)
{
        void *value = NULL;

        g_hash_table_steal_extended(table, GINT_TO_POINTER(key), NULL, &value);
        return value;
}

/* A new id after *@last, or -1 when all have been used: none is used again, so that a late event cannot meet
 * what is new. */
static inline int next_id(int *last)
{
        return *last < INT_MAX ? ++*last : -1;
}

/* Drops a reference, with the lock held; the last has the main loop call the free callback. */
void entry_unref(Entry *entry);

/* The same, without the lock. */
void entry_release(Entry *entry);

/* Timeouts, as virEventRegisterImpl() wants them. */
void timeouts_init(void);
int timeout_add(int frequency, virEventTimeoutCallback callback, void *opaque, virFreeCallback ff);
void timeout_update(int id, int frequency);
int timeout_remove(int id);

/* Main thread: from the first to the second, the sources of timeouts that this thread changes stay as they
 * are. The second runs what is due, and sees to the sources. To change a source's time wakes the main loop,
 * even where it is the main loop that changes it; and libvirt has an event told by a timeout of 0. */
void timeouts_hold(void);
void timeouts_release(void);
