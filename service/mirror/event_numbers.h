/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The numbers of events, over all starts of the service: those of a start are above all of any earlier one.
 * Main thread. */

typedef struct EventNumbers EventNumbers;

/* Microseconds since 1970. */
typedef gint64 NumbersClock(void);

/* What the numbers of a stream belong to. Both must outlive it. */
typedef struct Epoch {
        const char *name;      /* unlike all others, ever */
        EventNumbers *numbers; /* NULL: they begin with 1 */
} Epoch;

/* Numbers above all that @directory remembers as used, and above what @clock says. Waits so many milliseconds
 * at most for the disk, on the main loop, and says in the log where it cannot remember. */
EventNumbers *event_numbers_new(const char *directory, NumbersClock *clock, unsigned wait_ms);

/* When no jobs are running any more. NULL is fine. */
void event_numbers_free(EventNumbers *numbers);

/* The number that the first event of another stream follows. It is one above all that are used: a listener of
 * an earlier stream sees that something is missing. 0 for NULL. */
guint64 event_numbers_begin(EventNumbers *numbers);

/* @number is used; a job remembers that long before it must. NULL is fine. */
void event_numbers_use(EventNumbers *numbers, guint64 number);
