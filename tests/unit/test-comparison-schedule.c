/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When everything is compared with libvirt. */

#include "fake-seconds.h"
#include "mirror/comparison_schedule.h"

#include <string.h>

static GString *called;

static void compare(void *data)
{
        g_string_append_printf(called, "%u ", now);
}

static void poll_all(void *data)
{
        g_string_append_printf(called, "p%u ", now);
}

static const struct {
        unsigned interval, poll;
        gboolean again, polls;
        const char *called; /* within 70 seconds */
} rows[] = {
        {0, 0, FALSE, FALSE, ""},
        {0, 0, FALSE, TRUE, ""},
        /* 3, 12 and 44 seconds after the one before. */
        {99, 0, FALSE, FALSE, "3 15 59 "},
        {25, 10, FALSE, FALSE, "3 15 25 50 59 "},
        {0, 25, FALSE, TRUE, "p25 p50 "},
        {40, 25, FALSE, TRUE, "p25 40 p50 "},

        /* After an outage: 1, 3, 12 and 44 seconds. */
        {0, 0, TRUE, FALSE, "1 4 16 60 "},
        {30, 0, TRUE, FALSE, "1 4 16 30 60 60 "},
};

static void test_rows(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                ComparisonSchedule *schedule =
                        comparison_schedule_new(rows[i].interval, compare, rows[i].poll, poll_all, NULL);

                now = 0;
                g_string_truncate(called, 0);
                let_pass(70);
                g_assert_cmpstr(called->str, ==, "");

                now = 0;
                comparison_schedule_begin(schedule, rows[i].again, rows[i].polls);
                let_pass(70);
                g_assert_cmpstr(called->str, ==, rows[i].called);

                /* Lost: nothing is called, and nothing is left. */
                comparison_schedule_end(schedule);
                let_pass(70);
                g_assert_cmpstr(called->str, ==, rows[i].called);
                comparison_schedule_begin(schedule, TRUE, TRUE);
                comparison_schedule_free(schedule);
                let_pass(70);
                g_assert_cmpstr(called->str, ==, rows[i].called);
        }
}

/* An outage in the middle begins anew. */
static void test_again(void)
{
        ComparisonSchedule *schedule = comparison_schedule_new(0, compare, 0, poll_all, NULL);

        now = 0;
        g_string_truncate(called, 0);
        comparison_schedule_begin(schedule, TRUE, FALSE);
        let_pass(2);
        comparison_schedule_begin(schedule, TRUE, FALSE);
        let_pass(70);
        g_assert_cmpstr(called->str, ==, "1 3 6 18 62 ");
        comparison_schedule_free(schedule);
        comparison_schedule_free(NULL);
}

/* Objects that the driver tells nothing of come and go. */
static void test_polls(void)
{
        ComparisonSchedule *schedule = comparison_schedule_new(0, compare, 10, poll_all, NULL);

        now = 0;
        g_string_truncate(called, 0);
        comparison_schedule_begin(schedule, FALSE, FALSE);
        let_pass(15);
        comparison_schedule_set_polls(schedule, TRUE);
        let_pass(5);
        comparison_schedule_set_polls(schedule, TRUE);
        let_pass(15);
        comparison_schedule_set_polls(schedule, FALSE);
        let_pass(30);
        comparison_schedule_set_polls(schedule, TRUE);
        comparison_schedule_end(schedule);
        let_pass(30);
        g_assert_cmpstr(called->str, ==, "p25 p35 ");
        comparison_schedule_free(schedule);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        called = g_string_new(NULL);
        g_test_add_func("/comparison-schedule/rows", test_rows);
        g_test_add_func("/comparison-schedule/again", test_again);
        g_test_add_func("/comparison-schedule/polls", test_polls);
        result = g_test_run();
        g_string_free(called, TRUE);

        return result;
}
