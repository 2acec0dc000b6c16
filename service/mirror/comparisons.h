/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Comparisons of all that libvirt has with what was told, from the first answer of each until all that it
 * came upon is told. They end in the order in which they began, and one may begin before another is over.
 * Main thread. */

/* Why everything is compared. */
typedef enum ComparisonCause {
        COMPARISON_FIRST,
        COMPARISON_AFTER_OUTAGE,
        COMPARISON_AFTER_DRIVER, /* an outage of the daemon of some kinds */
        COMPARISON_AGAIN,
        COMPARISON_POLL, /* in the place of events, where libvirt sends none */
} ComparisonCause;

/* What a comparison found. */
typedef struct Differences {
        guint32 added, changed, removed;
} Differences;

/* One comparison; the members are read outside of this unit, and @found is counted there. */
typedef struct Comparison {
        ComparisonCause cause;
        guint64 number;     /* in their order */
        gboolean answered;  /* there are no more answers of it */
        gint64 answered_at; /* monotonic */
        unsigned awaited;   /* objects that it came upon and that are not told yet */
        Differences found;
} Comparison;

/* A comparison is over. */
typedef void ComparedFunc(ComparisonCause cause, const Differences *found, void *data);

typedef struct Comparisons Comparisons;

/* @compared is called with @data at the end of each. */
Comparisons *comparisons_new(ComparedFunc *compared, void *data);

/* NULL is fine. */
void comparisons_free(Comparisons *comparisons);

/* The answers of a comparison follow; and they are over. */
void comparisons_begin(Comparisons *comparisons, ComparisonCause cause);
void comparisons_answered(Comparisons *comparisons);

/* The one whose answers are taken now; NULL for none. */
Comparison *comparisons_current(const Comparisons *comparisons);

/* The first that still waits for what is heard of @now (monotonic): for so long, and no longer, objects that
 * are new put off its end. NULL for none. */
Comparison *comparisons_waiting(const Comparisons *comparisons, gint64 now);

gboolean comparisons_are_open(const Comparisons *comparisons);

/* Whether the one whose answers are taken now has that cause. */
gboolean comparisons_are_at(const Comparisons *comparisons, ComparisonCause cause);

/* One more object has to be told before @comparison is over, in the place of @other where that is not NULL,
 * which began later; one less, which may end it. */
void comparison_await(Comparison *comparison, Comparison *other);
void comparisons_release(Comparisons *comparisons, Comparison *comparison);

/* What was compared is not known any more: none is over before the answers of another one are. */
void comparisons_hold(Comparisons *comparisons);
gboolean comparisons_are_held(const Comparisons *comparisons);

/* Ends those whose answers are over, and forgets the others. Nothing must be awaited any more. */
void comparisons_forget(Comparisons *comparisons);
