/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's timeouts: a GSource each. There are few (keep-alive and the telling of events, for each
 * connection), and their ready times can be set from any thread. */

#include "virt/event_loop.h"

#include "virt/event_loop_private.h"

typedef struct Timeout {
        Entry entry; /* first, a Timeout is an Entry */
        virEventTimeoutCallback callback;
        int frequency; /* ms; negative: disabled */
        gint64 dirty;  /* monotonic time; negative: never. The source may be ready before, and then finds out
                        */
        GSource *source;
} Timeout;

static GHashTable *timeouts; /* id to Timeout; under the lock */
static int last_id;          /* the same */

/* See timeouts_hold(). */
static __thread gboolean holding;

/* Makes the source ready at the time that the timeout is due. */
static void timeout_arm(Timeout *timeout)
{
        g_source_set_ready_time(timeout->source, timeout->dirty);
}

/* The same where the source would be ready too late, or for nothing now. libvirt postpones its keep-alive
 * with each message, from whichever thread. Changing the time would wake the main loop, for nothing: it is
 * early enough to find out when the earlier time comes. */
static void timeout_rearm(Timeout *timeout)
{
        gint64 armed = g_source_get_ready_time(timeout->source);

        if (timeout->dirty < armed || armed <= g_get_monotonic_time())
                timeout_arm(timeout);
}

static void timeout_plan(Timeout *timeout)
{
        int frequency = timeout->frequency;

        timeout->dirty =
                frequency > 0 ? g_get_monotonic_time() + frequency * (gint64)1000 : MAX(frequency, -1);
}

/* The timeout, referenced and planned anew, or NULL when another thread has removed, disabled or postponed it
 * since GLib found it due. */
static Timeout *timeout_claim(int id, gint64 now)
{
        LOCKED;
        Timeout *timeout = table_lookup(timeouts, id);
        gboolean dirty;

        if (!timeout)
                return NULL;

        dirty = timeout->dirty >= 0 && timeout->dirty <= now;
        if (dirty)
                timeout_plan(timeout); /* before the callback, whose own change then stands */
        if (!holding)
                timeout_arm(timeout);
        if (!dirty)
                return NULL;

        timeout->entry.refs++;
        return timeout;
}

static void timeout_run(int id, gint64 now)
{
        Timeout *timeout = timeout_claim(id, now);

        if (!timeout)
                return;

        timeout->callback(timeout->entry.id, timeout->entry.opaque);
        entry_release(&timeout->entry);
}

static gboolean timeout_dispatch(GSource *source, GSourceFunc callback, gpointer id)
{
        timeout_run(GPOINTER_TO_INT(id), g_source_get_time(source));
        return G_SOURCE_CONTINUE;
}

static GArray *due_ids(gint64 now)
{
        LOCKED;
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(int));
        GHashTableIter iter;
        gpointer each;

        g_hash_table_iter_init(&iter, timeouts);
        while (g_hash_table_iter_next(&iter, NULL, &each)) {
                const Timeout *timeout = each;

                if (timeout->dirty >= 0 && timeout->dirty <= now)
                        g_array_append_val(ids, timeout->entry.id);
        }

        return ids;
}

static void rearm_all(void)
{
        LOCKED;
        GHashTableIter iter;
        gpointer timeout;

        g_hash_table_iter_init(&iter, timeouts);
        while (g_hash_table_iter_next(&iter, NULL, &timeout))
                timeout_rearm(timeout);
}

void timeouts_hold(void)
{
        holding = TRUE;
}

void timeouts_release(void)
{
        gint64 now = g_get_monotonic_time();
        g_autoptr(GArray) ids = due_ids(now);

        for (guint i = 0; i < ids->len; i++)
                timeout_run(g_array_index(ids, int, i), now);

        holding = FALSE;
        rearm_all();
}

void event_loop_catch_up(void)
{
        timeouts_hold();
        timeouts_release();
}

int timeout_add(int frequency, virEventTimeoutCallback callback, void *opaque, virFreeCallback ff)
{
        static GSourceFuncs funcs = {.dispatch = timeout_dispatch};
        LOCKED;
        Timeout *timeout;
        int id = next_id(&last_id);

        if (id < 0)
                return -1;

        timeout = g_new(Timeout, 1);
        *timeout = (Timeout){
                .entry = {.id = id, .refs = 1, .opaque = opaque, .free = ff},
                .callback = callback,
                .frequency = frequency,
                .source = g_source_new(&funcs, sizeof(GSource)),
        };
        g_hash_table_insert(timeouts, GINT_TO_POINTER(id), timeout);

        g_source_set_static_name(timeout->source, "libvirt timeout");
        g_source_set_callback(timeout->source, NULL, GINT_TO_POINTER(id), NULL);
        timeout_plan(timeout);
        timeout_arm(timeout);
        g_source_attach(timeout->source, NULL);
        return id;
}

void timeout_update(int id, int frequency)
{
        LOCKED;
        Timeout *timeout = table_lookup(timeouts, id);

        if (!timeout)
                return;

        timeout->frequency = frequency;
        timeout_plan(timeout);
        if (!holding)
                timeout_rearm(timeout);
}

int timeout_remove(int id)
{
        LOCKED;
        Timeout *timeout = table_steal(timeouts, id);

        if (!timeout)
                return -1;

        g_source_destroy(timeout->source);
        g_source_unref(timeout->source);
        entry_unref(&timeout->entry);
        return 0;
}

void timeouts_init(void)
{
        timeouts = g_hash_table_new(NULL, NULL);
}
