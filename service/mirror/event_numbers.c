/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A listener that was away, or deaf for a moment, takes an event with a smaller number for one that it knows.
 * So a start begins above all that was used before, in whatever way that ended.
 *
 * Two things see to that, and one is enough. What the state directory remembers: a block of numbers is
 * written down as used before the first of them is, and the next one when half of it is gone, so that no
 * event waits for a disk. And the clock: a start begins at its microseconds at least, and nothing has an
 * event in each of them. Only where the directory is lost and the clock was set back as well do numbers begin
 * below those of before; listeners still see another epoch. */

#include "mirror/event_numbers.h"

#include "base/background.h"
#include "base/number_file.h"
#include "base/thread.h"

/* The first block of a start is smaller than what the clock gains until the next one, even where the service
 * is killed and started ten times a second: the clock stays ahead. The next ones grow, for where so many
 * events come that a slow disk must not be behind. */
#define BLOCK_FIRST (1 << 16)
#define BLOCK_MOST  (1 << 24)

/* A clock may say anything, and what it said once is remembered for good. This is the year 2112. */
#define CLOCK_MOST (G_GINT64_CONSTANT(1) << 52)

typedef struct Work {
        Reservation reservation;
        EventNumbers *numbers;
} Work;

struct EventNumbers {
        char *directory;
        guint64 highest;    /* is used, or was before */
        guint64 remembered; /* as used: no higher one may be, where that can be helped */
        guint64 again;      /* from here on there is more to remember */
        guint64 block;
        gboolean begun;
        gboolean busy;    /* remembering */
        gboolean failing; /* and the log says so */
};

static void complain(EventNumbers *numbers, const char *why)
{
        if (numbers->failing)
                return;

        numbers->failing = TRUE;
        g_warning(
                "the numbers of events cannot be remembered in %s: %s; the next start numbers by the clock, "
                "which must not be set back",
                numbers->directory, why);
}

static void on_reserved(void *data)
{
        Work *work = data;
        const Reservation *got = &work->reservation;
        EventNumbers *numbers = work->numbers;

        numbers->busy = FALSE;
        if (!numbers->begun)
                numbers->highest = got->start;
        if (got->doubt)
                g_warning("what %s remembered of the numbers of events is damaged; going on by the clock",
                          numbers->directory);

        if (got->error) {
                complain(numbers, got->error->message);
                numbers->again = numbers->highest + got->size / 2;
        } else {
                if (numbers->failing)
                        g_message("the numbers of events are remembered in %s again", numbers->directory);
                numbers->failing = FALSE;
                numbers->remembered = got->start + got->size;
                numbers->again = numbers->remembered - got->size / 2;
        }

        numbers->block = MIN(2 * got->size, BLOCK_MOST);
        g_clear_error(&work->reservation.error);
        g_free(work);
}

static void reserve_work(void *data)
{
        number_file_reserve(&((Work *)data)->reservation);
}

static void reserve(EventNumbers *numbers)
{
        Work *work = g_new0(Work, 1);

        work->numbers = numbers;
        work->reservation.directory = numbers->directory;
        work->reservation.least = numbers->highest;
        work->reservation.size = numbers->block;
        numbers->busy = TRUE;
        background_run(reserve_work, on_reserved, work);
}

static gboolean on_late(gpointer user_data)
{
        *(gboolean *)user_data = TRUE;
        return G_SOURCE_REMOVE;
}

static void await_first(EventNumbers *numbers, unsigned wait_ms)
{
        gboolean late = FALSE;
        unsigned timer = g_timeout_add(wait_ms, on_late, &late);

        while (numbers->busy && !late)
                g_main_context_iteration(NULL, TRUE);

        numbers->begun = TRUE;
        if (late)
                complain(numbers, "the disk does not answer");
        else
                g_source_remove(timer);
}

EventNumbers *event_numbers_new(const char *directory, NumbersClock *clock, unsigned wait_ms)
{
        EventNumbers *numbers = g_new0(EventNumbers, 1);

        ASSERT_MAIN();
        numbers->directory = g_strdup(directory);
        numbers->block = BLOCK_FIRST;
        numbers->highest = (guint64)CLAMP(clock(), 0, CLOCK_MOST);
        reserve(numbers);
        await_first(numbers, wait_ms);
        return numbers;
}

void event_numbers_free(EventNumbers *numbers)
{
        ASSERT_MAIN();
        if (!numbers)
                return;

        g_free(numbers->directory);
        g_free(numbers);
}

void event_numbers_use(EventNumbers *numbers, guint64 number)
{
        ASSERT_MAIN();
        if (!numbers)
                return;

        numbers->highest = MAX(numbers->highest, number);
        if (numbers->highest > numbers->remembered)
                complain(numbers, "events come faster than the disk takes their numbers");
        if (!numbers->busy && numbers->highest >= numbers->again)
                reserve(numbers);
}

guint64 event_numbers_begin(EventNumbers *numbers)
{
        ASSERT_MAIN();
        if (!numbers)
                return 0;

        event_numbers_use(numbers, numbers->highest + 1);
        return numbers->highest;
}
