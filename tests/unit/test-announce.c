/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What listeners are told of objects where libvirt's events and answers come in an odd order. */

#include "announce-toy.h"

/* An answer that waits for libvirt's word is not made poorer by one to a smaller question. */
static void test_smaller_answer(void)
{
        begin_with(NULL, 0);
        announcer_touch(announcer, &kind_domain, UUID);
        round_all("shutoff", "unknown", 0);
        check_told("");
        g_assert_true(announcer_wait(announcer, &kind_domain, UUID, on_shown, NULL));
        round_state("shutoff");
        check_told("");
        happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED, 0);
        round_state("shutoff");
        check_told("");
        round_all("shutoff", "unknown", 0);
        check_told("added defined");
        g_assert_cmpstr(item_string(find(), DOMAIN1_NAME), ==, "one");
        g_assert_true(item_boolean(find(), DOMAIN1_PERSISTENT));
        g_assert_cmpuint(times_shown, ==, 1);
        tear_down();
}

/* An event while a large question is under way does not make it a small one. */
static void test_old_answer(void)
{
        begin_with("running", 7);
        begin_round();
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        asked = 0;
        answer_all("running", "booted", 7);
        g_assert_true(asked & ASPECT_DEFINITION);
        end_round();
        tear_down();

        /* Nor does it make a question about a life one about a state. */
        begin_with("running", 7);
        begin_round();
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        asked = 0;
        answer_life("running", 8);
        g_assert_cmpuint(asked, ==, ASPECT_LIFE);
        end_round();
        tear_down();

        /* What was gone then may be another one by now. */
        begin_with("running", 7);
        begin_round();
        happens(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, 0);
        asked = 0;
        answer_gone();
        g_assert_true(asked & ASPECT_DEFINITION);
        end_round();
        tear_down();
}

/* An answer that waits is outdated, and the smaller question that follows gets none: what it was about is
 * asked anew. */
static void test_outdated_answer(void)
{
        begin_with("shutoff", 0);
        announcer_touch(announcer, &kind_domain, UUID);
        round_all("running", "booted", 7);
        g_assert_true(announcer_wait(announcer, &kind_domain, UUID, on_shown, NULL));
        announcer_touch(announcer, &kind_domain, UUID);
        let_time_pass();
        asked = 0;
        let_time_pass();
        g_assert_cmpuint(times_shown, ==, 1);
        g_assert_true(asked & ASPECT_DEFINITION);
        tear_down();
}

/* What an answer to a smaller question shows is asked about in full where it is the beginning or the end of a
 * life. */
static void test_state_alone(void)
{
        begin_with("running", 7);
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        asked = 0;
        round_state("shutoff");
        g_assert_true(asked & ASPECT_LIFE);
        round_all("shutoff", "destroyed", 0);
        let_time_pass();
        check_told("resumed stopped* changed");
        g_assert_cmpstr(shown_state(), ==, "shutoff");
        g_assert_false(item_boolean(find(), DOMAIN1_ACTIVE));
        tear_down();
}

/* What comes alone and says all is told with the properties at once, and confirmed later. What follows
 * shortly waits for the answer that all share. */
static void test_alone(void)
{
        begin_with("running", 7);
        let_pass(50 * G_TIME_SPAN_MILLISECOND);
        times_asked = times_confirmed = 0;
        happens(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, 7);
        check_told("suspended changed");
        g_assert_cmpstr(shown_state(), ==, "paused");
        g_assert_cmpuint(times_confirmed, ==, 1);
        g_assert_cmpuint(times_asked, ==, 0);

        happens(VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, 7);
        check_told("resumed");
        g_assert_cmpuint(times_confirmed, ==, 1);
        g_assert_cmpuint(times_asked, ==, 1);
        round_all("running", "unpaused", 7);
        check_told("changed");

        /* libvirt may say something else. */
        let_pass(50 * G_TIME_SPAN_MILLISECOND);
        happens(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, 7);
        check_told("suspended changed");
        round_all("running", "unpaused", 7);
        let_time_pass();
        check_told("resumed* changed");
        g_assert_cmpstr(shown_state(), ==, "running");
        tear_down();
}

/* What says less is asked about as ever. */
static void test_alone_with_doubt(void)
{
        static const struct {
                const char *state;
                int event, detail;
        } rows[] = {
                {"running", VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED},
                {"running", VIR_DOMAIN_EVENT_SUSPENDED, 1000},
                {"running", VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED},
                {"running", VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED},
                {"paused", VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                begin_with(rows[i].state, 7);
                let_pass(50 * G_TIME_SPAN_MILLISECOND);
                times_asked = times_confirmed = 0;
                happens(rows[i].event, rows[i].detail, 7);
                g_assert_cmpuint(times_confirmed, ==, 0);
                g_assert_cmpuint(times_asked, ==, 1);
                tear_down();
        }
}

/* A guest that has another life by now than the one that was told to have ended does as it is told. */
static void test_another_life(void)
{
        begin_with("running", 7);
        g_assert_true(compare(COMPARISON_AFTER_OUTAGE, "running", 8));
        check_told("stopped* started* changed*");
        happens(VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, 8);
        check_told("suspended");
        g_assert_cmpstr(shown_state(), ==, "paused");
        tear_down();

        /* But the end of the one that was told is known. */
        begin_with("running", 7);
        g_assert_true(compare(COMPARISON_AFTER_OUTAGE, "running", 8));
        check_told("stopped* started* changed*");
        happens(VIR_DOMAIN_EVENT_SHUTDOWN, 0, 7);
        happens(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, 7);
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 8);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 8);
        check_told("resumed");
        tear_down();

        /* A start begins with that, too. */
        begin_with("running", 7);
        g_assert_true(compare(COMPARISON_AFTER_OUTAGE, "shutoff", 0));
        check_told("stopped* changed*");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 8);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 8);
        check_told("resumed started");
        tear_down();
}

/* What libvirt has not told in time is counted as missed, but for what nothing is to be heard of. */
static void test_missed(void)
{
        begin_with("running", 7);
        g_assert_true(compare(COMPARISON_AFTER_OUTAGE, "shutoff", 0));
        check_told("stopped* changed*");
        g_assert_cmpuint(times_missed, ==, 0);

        g_assert_false(compare(COMPARISON_AGAIN, "running", 8));
        let_time_pass();
        check_told("started* changed*");
        g_assert_cmpuint(times_missed, ==, 1);

        /* That of a call comes without a comparison. */
        announcer_touch(announcer, &kind_domain, UUID);
        round_all("shutoff", "destroyed", 0);
        g_assert_cmpuint(times_missed, ==, 1);
        let_time_pass();
        check_told("stopped* changed");
        g_assert_cmpuint(times_missed, ==, 2);

        announcer_set_silent(announcer, &kind_domain, TRUE);
        round_all("running", "booted", 9);
        check_told("started* changed");
        g_assert_cmpuint(times_missed, ==, 2);
        tear_down();
}

/* Until the end of a start has been waited for long enough. */
static void let_start_pass(void)
{
        let_pass(11 * G_TIME_SPAN_SECOND);
}

/* libvirt tells of a start when it is complete: what an answer shows of it before is not told, nor is a
 * pause. */
static void test_start(void)
{
        begin_with("shutoff", 0);
        round_all("paused", "starting-up", 7);
        let_pass(9 * G_TIME_SPAN_SECOND);
        check_told("");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        check_told("resumed started");
        round_all("running", "booted", 7);
        let_start_pass();
        check_told("changed");
        tear_down();

        /* Also when what was seen of it was overtaken by the end of the life before, and that took its time.
         */
        begin_with("running", 6);
        round_all("paused", "starting-up", 7);
        happens(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, 6);
        let_time_pass();
        round_all("paused", "starting-up", 7);
        let_time_pass();
        check_told("stopped changed");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        check_told("resumed started");
        tear_down();
}

/* A guest may take long to start: of a start that was told, its completion is told, not another one. */
static void test_slow_start(void)
{
        begin_with("shutoff", 0);
        round_all("paused", "starting-up", 7);
        let_start_pass();
        check_told("started* suspended* changed");
        let_pass(60 * G_TIME_SPAN_SECOND);
        round_all("paused", "starting-up", 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        check_told("resumed*");
        g_assert_cmpstr(shown_state(), ==, "running");
        tear_down();

        begin_with(NULL, 0);
        round_all("paused", "starting-up", 7);
        let_start_pass();
        check_told("added defined* started* suspended*");
        let_pass(60 * G_TIME_SPAN_SECOND);
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        check_told("resumed");
        tear_down();
}

/* libvirt does not tell that a start has failed. When another one follows, the end of the first is told. */
static void test_failed_start(void)
{
        begin_with("shutoff", 0);
        round_all("paused", "starting-up", 7);
        let_start_pass();
        check_told("started* suspended* changed");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 8);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 8);
        check_told("stopped* started* resumed");
        tear_down();
}

/* What becomes of a guest while it starts does not have its start told twice. */
static void test_resumed_start(void)
{
        begin_with("shutoff", 0);
        round_all("paused", "starting-up", 7);
        let_start_pass();
        check_told("started* suspended* changed");
        round_all("running", "booted", 7);
        let_time_pass();
        check_told("resumed* changed");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        check_told("");
        tear_down();
}

/* A guest that has stopped does not shut down after that. */
static void test_after_the_end(void)
{
        begin_with("running", 7);
        happens(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, 7);
        happens(VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED, 7);
        happens(VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, 7);
        g_assert_cmpstr(shown_state(), ==, "shutoff");
        round_all("shutoff", "failed", 0);
        let_time_pass();
        check_told("stopped changed");
        /* Another life may tell of itself before its start is complete. */
        happens(VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, 8);
        happens(VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED, 8);
        round_all("running", "booted", 8);
        check_told("resumed started changed");
        tear_down();
}

/* A guest that was started again has not been running without a break, whichever word tells it. */
static void test_found_restart(void)
{
        begin_with("running", 7);
        g_assert_true(compare(COMPARISON_AFTER_OUTAGE, "running", 8));
        g_assert_cmpuint(times_disturbed, >, 0);
        tear_down();
}

/* A comparison that waits for libvirt's word ends when no word is waited for any more. */
static void test_giving_up(void)
{
        begin_with("running", 7);
        g_assert_false(compare(COMPARISON_AGAIN, "paused", 7));
        g_assert_cmpuint(times_compared, ==, 0);
        announcer_give_up(announcer);
        g_assert_cmpuint(times_compared, ==, 1);
        tear_down();
}

static void other_happens(int event, int detail)
{
        happens_to(OTHER, OTHER_UUID, event, detail, 0);
}

/* A name passes from one object to another, which is gone as well when libvirt is asked about it: the end of
 * the first is told before anything of the second. */
static void test_name_passes(void)
{
        begin_with("shutoff", 0);
        other_name = "one";
        happens(VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED, 0);
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        other_happens(VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED);
        round_other(FALSE);
        check_told("undefined removed other-added other-defined other-undefined other-removed");
        tear_down();

        /* The word on the first one comes late. */
        begin_with("shutoff", 0);
        other_name = "one";
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        other_happens(VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED);
        round_other(FALSE);
        let_pass(4 * G_TIME_SPAN_SECOND);
        check_told("");
        happens(VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED, 0);
        let_time_pass();
        check_told("undefined removed other-added other-defined other-undefined other-removed");
        tear_down();
}

static void is_renamed(const char *name)
{
        g_autoptr(PackedValue) details = event_details_of_lifecycle(&kind_domain, VIR_DOMAIN_EVENT_DEFINED,
                                                                    VIR_DOMAIN_EVENT_DEFINED_RENAMED, TRUE);
        const Event event = {.kind = &kind_domain,
                             .path = ONE,
                             .uuid = UUID,
                             .name = name,
                             .word = "lifecycle",
                             .details = details,
                             .lifecycle = VIR_DOMAIN_EVENT_DEFINED,
                             .detail = VIR_DOMAIN_EVENT_DEFINED_RENAMED,
                             .may_change = TRUE};

        announcer_event(announcer, &event);
}

/* A known object takes the name of one that lived shortly: all of that one is told before. */
static void test_name_is_taken(void)
{
        begin_with("shutoff", 0);
        begin_round();
        other_happens(VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
        other_happens(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED);
        is_renamed(other_name);
        end_round();
        check_told("other-added other-started other-stopped other-removed defined");
        round_other(FALSE);
        tear_down();
}

/* The connection is lost while an object waits for the end of the one that had its name. */
static void test_lost_between(void)
{
        begin_with("running", 7);
        other_name = "one";
        happens(VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED, 7);
        happens(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, 7);
        other_happens(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED);
        is_lost = TRUE;
        announcer_give_up(announcer);
        g_assert_nonnull(strstr(told->str, "removed other-added"));
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/announce/alone", test_alone);
        g_test_add_func("/announce/alone-with-doubt", test_alone_with_doubt);
        g_test_add_func("/announce/smaller-answer", test_smaller_answer);
        g_test_add_func("/announce/old-answer", test_old_answer);
        g_test_add_func("/announce/outdated-answer", test_outdated_answer);
        g_test_add_func("/announce/state-alone", test_state_alone);
        g_test_add_func("/announce/missed", test_missed);
        g_test_add_func("/announce/another-life", test_another_life);
        g_test_add_func("/announce/start", test_start);
        g_test_add_func("/announce/slow-start", test_slow_start);
        g_test_add_func("/announce/failed-start", test_failed_start);
        g_test_add_func("/announce/resumed-start", test_resumed_start);
        g_test_add_func("/announce/after-the-end", test_after_the_end);
        g_test_add_func("/announce/found-restart", test_found_restart);
        g_test_add_func("/announce/giving-up", test_giving_up);
        g_test_add_func("/announce/name-passes", test_name_passes);
        g_test_add_func("/announce/name-is-taken", test_name_is_taken);
        g_test_add_func("/announce/lost-between", test_lost_between);
        return g_test_run();
}
