/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Comparisons soon after an opening, and then from time to time; often, where libvirt tells of no changes. */

#include "mirror/comparison_schedule.h"

#include "base/thread.h"

/* This many seconds after an opening, and then after the comparison before, everything is compared again. A
 * libvirtd that was started anew takes over its guests while it serves already, and sends no event for one
 * that it gives up: the first is for that, and only after an outage. And a connection can be deaf from its
 * beginning, which only a comparison shows. */
static const unsigned again_after[] = {1, 3, 12, 44};

struct ComparisonSchedule {
        unsigned interval, poll_interval;
        ComparisonScheduleFunc *func, *poll;
        void *data;
        unsigned timer, poll_timer;
        unsigned again_timer, again; /* which of again_after is next */
};

ComparisonSchedule *comparison_schedule_new(unsigned interval, ComparisonScheduleFunc *func,
                                            unsigned poll_interval, ComparisonScheduleFunc *poll, void *data)
{
        ComparisonSchedule *schedule = g_new0(ComparisonSchedule, 1);

        ASSERT_MAIN();
        schedule->interval = interval;
        schedule->func = func;
        schedule->poll_interval = poll_interval;
        schedule->poll = poll;
        schedule->data = data;
        return schedule;
}

void comparison_schedule_free(ComparisonSchedule *schedule)
{
        ASSERT_MAIN();
        if (!schedule)
                return;

        comparison_schedule_end(schedule);
        g_free(schedule);
}

static gboolean on_timer(gpointer user_data)
{
        const ComparisonSchedule *schedule = user_data;

        schedule->func(schedule->data);
        return G_SOURCE_CONTINUE;
}

static gboolean on_poll(gpointer user_data)
{
        const ComparisonSchedule *schedule = user_data;

        schedule->poll(schedule->data);
        return G_SOURCE_CONTINUE;
}

static void call_later(ComparisonSchedule *schedule);

static gboolean on_again(gpointer user_data)
{
        ComparisonSchedule *schedule = user_data;

        schedule->again_timer = 0;
        call_later(schedule);
        schedule->func(schedule->data);
        return G_SOURCE_REMOVE;
}

static void call_later(ComparisonSchedule *schedule)
{
        if (schedule->again < G_N_ELEMENTS(again_after))
                schedule->again_timer =
                        g_timeout_add_seconds(again_after[schedule->again++], on_again, schedule);
}

void comparison_schedule_begin(ComparisonSchedule *schedule, gboolean again, gboolean polls)
{
        ASSERT_MAIN();
        comparison_schedule_end(schedule);
        if (schedule->interval > 0)
                schedule->timer = g_timeout_add_seconds(schedule->interval, on_timer, schedule);
        comparison_schedule_set_polls(schedule, polls);
        schedule->again = again ? 0 : 1;
        if (again || (schedule->interval > 0 && !polls))
                call_later(schedule);
}

void comparison_schedule_set_polls(ComparisonSchedule *schedule, gboolean polls)
{
        ASSERT_MAIN();
        if (!polls)
                g_clear_handle_id(&schedule->poll_timer, g_source_remove);
        else if (!schedule->poll_timer && schedule->poll_interval > 0)
                schedule->poll_timer = g_timeout_add_seconds(schedule->poll_interval, on_poll, schedule);
}

void comparison_schedule_end(ComparisonSchedule *schedule)
{
        ASSERT_MAIN();
        g_clear_handle_id(&schedule->timer, g_source_remove);
        g_clear_handle_id(&schedule->poll_timer, g_source_remove);
        g_clear_handle_id(&schedule->again_timer, g_source_remove);
}
