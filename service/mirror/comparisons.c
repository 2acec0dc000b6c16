/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Comparisons that are not over. */

#include "mirror/comparisons.h"

#include "base/assert.h"
#include "base/thread.h"

/* As long as an object is waited for that is not told although libvirt tells ever more of it. */
#define JOIN_US (10 * G_TIME_SPAN_SECOND)

struct Comparisons {
        ComparedFunc *compared;
        void *data;
        GQueue open;   /* of Comparison, in order */
        gboolean held; /* until the answers of another one are over */
        guint64 begun;
};

Comparisons *comparisons_new(ComparedFunc *compared, void *data)
{
        Comparisons *comparisons = g_new0(Comparisons, 1);

        ASSERT_MAIN();
        comparisons->compared = compared;
        comparisons->data = data;
        return comparisons;
}

void comparisons_free(Comparisons *comparisons)
{
        ASSERT_MAIN();
        if (!comparisons)
                return;

        g_queue_clear_full(&comparisons->open, g_free);
        g_free(comparisons);
}

void comparisons_begin(Comparisons *comparisons, ComparisonCause cause)
{
        Comparison *comparison = g_new0(Comparison, 1);

        ASSERT_MAIN();
        ASSERT(!comparisons_current(comparisons));
        comparison->cause = cause;
        comparison->number = ++comparisons->begun;
        g_queue_push_tail(&comparisons->open, comparison);
}

/* Ends those of which nothing is awaited any more. */
static void complete(Comparisons *comparisons)
{
        const Comparison *first;

        while (!comparisons->held && (first = g_queue_peek_head(&comparisons->open)) && first->answered &&
               first->awaited == 0) {
                g_autofree Comparison *over = g_queue_pop_head(&comparisons->open);

                comparisons->compared(over->cause, &over->found, comparisons->data);
        }
}

void comparisons_answered(Comparisons *comparisons)
{
        Comparison *current = comparisons_current(comparisons);

        ASSERT_MAIN();
        ASSERT(current);
        current->answered = TRUE;
        current->answered_at = g_get_monotonic_time();
        comparisons->held = FALSE;
        complete(comparisons);
}

Comparison *comparisons_current(const Comparisons *comparisons)
{
        Comparison *last = comparisons->open.tail ? comparisons->open.tail->data : NULL;

        ASSERT_MAIN();
        return last && !last->answered ? last : NULL;
}

Comparison *comparisons_waiting(const Comparisons *comparisons, gint64 now)
{
        ASSERT_MAIN();
        for (const GList *each = comparisons->open.head; each; each = each->next) {
                Comparison *comparison = each->data;

                if (!comparison->answered || now - comparison->answered_at < JOIN_US)
                        return comparison;
        }

        return NULL;
}

gboolean comparisons_are_open(const Comparisons *comparisons)
{
        ASSERT_MAIN();
        return comparisons->open.length > 0;
}

gboolean comparisons_are_at(const Comparisons *comparisons, ComparisonCause cause)
{
        const Comparison *current = comparisons_current(comparisons);

        ASSERT_MAIN();
        return current && current->cause == cause;
}

void comparison_await(Comparison *comparison, Comparison *other)
{
        ASSERT_MAIN();
        comparison->awaited++;
        if (other)
                other->awaited--;
}

void comparisons_release(Comparisons *comparisons, Comparison *comparison)
{
        ASSERT_MAIN();
        ASSERT(comparison->awaited > 0);
        comparison->awaited--;
        complete(comparisons);
}

void comparisons_hold(Comparisons *comparisons)
{
        ASSERT_MAIN();
        comparisons->held = TRUE;
}

gboolean comparisons_are_held(const Comparisons *comparisons)
{
        ASSERT_MAIN();
        return comparisons->held;
}

void comparisons_forget(Comparisons *comparisons)
{
        ASSERT_MAIN();
        comparisons->held = FALSE;
        complete(comparisons);
        g_queue_clear_full(&comparisons->open, g_free);
}
