/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When a comparison is over, and what is stale. */

#include "announce-toy.h"

static void other_happens(int event, int detail)
{
        happens_to(OTHER, OTHER_UUID, event, detail, 0);
}

/* Another comparison may begin before all is told that one has found. Each ends when what it found is told.
 */
static void test_comparisons_overlap(void)
{
        begin_with("running", 7);
        g_assert_false(compare(COMPARISON_AGAIN, "paused", 7));
        let_pass(200 * G_TIME_SPAN_MILLISECOND);
        g_assert_false(compare(COMPARISON_AGAIN, "paused", 7));
        let_pass(200 * G_TIME_SPAN_MILLISECOND);
        g_assert_false(compare(COMPARISON_AGAIN, "paused", 7));
        g_assert_cmpstr(shown_state(), ==, "running");
        let_time_pass();
        g_assert_cmpuint(times_compared, ==, 3);
        g_assert_cmpstr(shown_state(), ==, "paused");
        tear_down();
}

/* libvirt does not answer any more before all is told that a comparison has found: another one has to be
 * answered, or the connection lost. */
static void test_held_comparison(void)
{
        begin_with("running", 7);
        g_assert_false(compare(COMPARISON_AGAIN, "paused", 7));
        announcer_hold_comparisons(announcer);
        let_time_pass();
        g_assert_cmpstr(shown_state(), ==, "paused");
        g_assert_cmpuint(times_compared, ==, 0);
        g_assert_true(compare(COMPARISON_AGAIN, "paused", 7));
        g_assert_cmpuint(times_compared, ==, 2);

        g_assert_false(compare(COMPARISON_AGAIN, "running", 7));
        announcer_hold_comparisons(announcer);
        announcer_give_up(announcer);
        g_assert_cmpuint(times_compared, ==, 3);
        tear_down();
}

/* An object that is announced while a comparison waits is not stale any more at its end. */
static void test_stale_at_the_end(void)
{
        /* It was there when the list was made. */
        begin_with("running", 7);
        begin_round();
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        g_assert_false(take_comparison(COMPARISON_AFTER_OUTAGE, "running", "unknown", 7));
        let_time_pass();
        check_told("other-added other-defined");
        g_assert_cmpuint(times_compared, ==, 0);
        round_other(TRUE);
        g_assert_cmpuint(times_compared, ==, 1);
        tear_down();

        /* It came later, while the comparison waits for the end of a start. */
        begin_with("shutoff", 0);
        begin_round();
        g_assert_false(take_comparison(COMPARISON_AGAIN, "paused", "starting-up", 7));
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        let_time_pass();
        check_told("other-added other-defined");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        round_all("running", "booted", 7);
        check_told("resumed started changed");
        g_assert_cmpuint(times_compared, ==, 0);
        round_other(TRUE);
        g_assert_cmpuint(times_compared, ==, 1);
        tear_down();
}

/* The same where a second comparison has begun, in whose list the new object is not yet. */
static void test_stale_in_the_second(void)
{
        begin_with("shutoff", 0);
        g_assert_true(compare(COMPARISON_AGAIN, "shutoff", 0));
        begin_round();
        g_assert_false(take_comparison(COMPARISON_AGAIN, "paused", "starting-up", 7));
        begin_round();
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        g_assert_false(take_comparison(COMPARISON_AGAIN, "paused", "starting-up", 7));
        let_time_pass();
        check_told("other-added other-defined");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        round_all("running", "booted", 7);
        g_assert_cmpuint(times_compared, ==, 1);
        round_other(TRUE);
        g_assert_cmpuint(times_compared, ==, 3);
        tear_down();
}

static void on_stale(const Item *item, void *data)
{
}

/* What libvirt said before its silence is shown, and stale. */
static void test_stale_in_silence(void)
{
        begin_with("shutoff", 0);
        begin_round();
        g_assert_false(take_comparison(COMPARISON_AGAIN, "paused", "starting-up", 7));
        let_pass(10 * G_TIME_SPAN_SECOND);
        announcer_hold_comparisons(announcer);
        mirror_set_stale(mirror, &kind_domain, TRUE, on_stale, NULL);
        let_pass(2 * G_TIME_SPAN_SECOND);
        g_assert_cmpstr(shown_state(), ==, "paused");
        g_assert_true(item_boolean(find(), DOMAIN1_STALE));
        g_assert_cmpuint(times_compared, ==, 0);
        tear_down();
}

/* A list has less than an answer that waits, and an event came between the two: the comparison waits for the
 * answer that is complete. */
static void test_incomplete(void)
{
        Answer answer = {.kind = &kind_domain, .uuid = UUID, .present = TRUE};

        begin_with("running", 7);
        begin_round();
        set(&answer, DOMAIN1_NAME, g_variant_new_string("one"));
        set(&answer, DOMAIN1_STATE, g_variant_new_string("paused"));
        set(&answer, DOMAIN1_STATE_REASON, g_variant_new_string("user"));
        set(&answer, DOMAIN1_ACTIVE, g_variant_new_boolean(TRUE));
        set(&answer, DOMAIN1_ID, g_variant_new_uint32(7));
        set(&answer, DOMAIN1_PERSISTENT, g_variant_new_boolean(TRUE));
        set(&answer, DOMAIN1_OS_TYPE, g_variant_new_string("hvm"));
        give(&answer);
        end_round();
        happens_otherwise();
        g_assert_false(compare(COMPARISON_AGAIN, "paused", 7));
        let_pass(11 * G_TIME_SPAN_SECOND);
        g_assert_cmpuint(times_compared, ==, 1);
        tear_down();
}

/* Ever new objects, of which libvirt is not asked in time, put off the end of a comparison for a while only.
 */
static void test_no_end_of_new_ones(void)
{
        begin_with("shutoff", 0);
        begin_round();
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        g_assert_false(take_comparison(COMPARISON_AGAIN, "shutoff", "unknown", 0));
        may_be_stale = TRUE;
        for (unsigned i = 0; i < 60; i++) {
                begin_round();
                let_pass(400 * G_TIME_SPAN_MILLISECOND);
                other_happens(i % 2 == 0 ? VIR_DOMAIN_EVENT_UNDEFINED : VIR_DOMAIN_EVENT_DEFINED, 0);
                end_round();
        }
        g_assert_cmpuint(times_compared, ==, 1);
        tear_down();
}

/* libvirt tells of an object before it is told that the connection is open, which may take its time. */
static void test_before_it_is_open(void)
{
        begin_with("running", 7);
        announcer_give_up(announcer);
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        let_pass(3 * G_TIME_SPAN_SECOND);
        check_told("");
        announcer_opened(announcer);
        let_time_pass();
        check_told("other-added other-defined");
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/comparison/overlap", test_comparisons_overlap);
        g_test_add_func("/comparison/held", test_held_comparison);
        g_test_add_func("/comparison/stale-at-the-end", test_stale_at_the_end);
        g_test_add_func("/comparison/stale-in-the-second", test_stale_in_the_second);
        g_test_add_func("/comparison/stale-in-silence", test_stale_in_silence);
        g_test_add_func("/comparison/incomplete", test_incomplete);
        g_test_add_func("/comparison/no-end-of-new-ones", test_no_end_of_new_ones);
        g_test_add_func("/comparison/before-it-is-open", test_before_it_is_open);
        return g_test_run();
}
