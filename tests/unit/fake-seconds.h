/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

/* A clock of the test's own, second by second, in the place of GLib's timers of seconds. */

#include <glib.h>

static struct {
        unsigned due, every; /* every 0: free */
        GSourceFunc func;
        void *data;
} timers[8];
static unsigned now;

guint g_timeout_add_seconds(guint interval, GSourceFunc func, gpointer data)
{
        for (guint i = 0; i < G_N_ELEMENTS(timers); i++)
                if (timers[i].every == 0) {
                        timers[i].due = now + interval;
                        timers[i].every = interval;
                        timers[i].func = func;
                        timers[i].data = data;
                        return i + 1;
                }
        g_assert_not_reached();
}

gboolean g_source_remove(guint tag)
{
        g_assert_cmpuint(timers[tag - 1].every, >, 0);
        timers[tag - 1].every = 0;
        return TRUE;
}

static inline void let_pass(unsigned seconds)
{
        while (seconds-- > 0) {
                now++;
                for (gsize i = 0; i < G_N_ELEMENTS(timers); i++) {
                        if (timers[i].every == 0 || timers[i].due > now)
                                continue;
                        timers[i].due += timers[i].every;
                        if (!timers[i].func(timers[i].data))
                                timers[i].every = 0;
                }
        }
}

static inline gboolean is_any_timer_left(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(timers); i++)
                if (timers[i].every > 0)
                        return TRUE;

        return FALSE;
}
