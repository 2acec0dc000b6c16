/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What listeners are told of objects, by libvirt's events and answers in whatever order. Nothing is asked,
 * and nothing is sent: the test answers, and keeps what is told as words, with a * where it is not libvirt's
 * own. */

#include "announce.h"
#include "details.h"
#include "members.h"

#include <string.h>

#define UUID "00000000-1111-2222-3333-444444444444"
#define ONE  "/org/libvirt/Test/domain/_00000000_1111_2222_3333_444444444444"

static Mirror *mirror;
static Announcer *announcer;
static GString *told;
static guint64 rounds;  /* that are over */
static gboolean asking; /* a round is under way */
static guint64 number;
static gint64 now = G_TIME_SPAN_HOUR;
static GSourceFunc timer; /* and when, with what */
static gint64 timer_at;
static gpointer timer_data;
static Aspects asked;
static unsigned times_asked, times_compared, times_shown, times_disturbed;

/* In the place of GLib's clock, and of its one timer here. */
gint64 g_get_monotonic_time(void)
{
        return now;
}

guint g_timeout_add(guint interval, GSourceFunc func, gpointer data)
{
        g_assert_null(timer);
        timer = func;
        timer_data = data;
        timer_at = now + interval * G_TIME_SPAN_MILLISECOND;
        return 1;
}

gboolean g_source_remove(guint tag)
{
        g_assert_cmpuint(tag, ==, 1);
        timer = NULL;
        return TRUE;
}

static void let_pass(gint64 time)
{
        const gint64 end = now + time;

        while (timer && timer_at <= end) {
                GSourceFunc func = timer;

                now = timer_at;
                timer = NULL;
                g_assert_false(func(timer_data));
        }

        now = end;
}

/* In the place of what asks libvirt. */
void refresh_one(Refresh *refresh, const Kind *kind, const char *uuid, Aspects aspects, gboolean urgent)
{
        asked |= aspects;
        times_asked++;
}

void refresh_add_facts(Refresh *refresh, const char *uuid)
{
}

gboolean refresh_is_busy(const Refresh *refresh)
{
        return asking;
}

guint64 refresh_rounds(const Refresh *refresh)
{
        return rounds;
}

/* In the place of those that listen. */
sd_bus_message *bus_new_signal(Bus *bus, const char *path, const char *interface, const char *name)
{
        return NULL;
}

int bus_send(Bus *bus, sd_bus_message *message, size_t size, int r)
{
        return 0;
}

void bus_signal(Bus *bus, const char *path, const char *interface, const char *name, GVariant *arguments)
{
        g_variant_unref(g_variant_ref_sink(arguments));
}

void waits_check(Waits *waits, const char *leaf)
{
}

void waits_disturb(Waits *waits, const char *leaf)
{
        times_disturbed++;
}

unsigned waits_size(const Waits *waits)
{
        return 0;
}

guint64 stream_add(Stream *stream, const Kind *kind, const char *path, const char *word, const char *name,
                   GVariant *details, gboolean synthetic)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(details);
        const char *event = word;

        g_variant_lookup(owned, "event", "&s", &event);
        g_string_append_printf(told, "%s%s%s", told->len > 0 ? " " : "", event, synthetic ? "*" : "");
        return ++number;
}

static void on_compared(void *data)
{
        times_compared++;
}

static void on_shown(gboolean is_told, void *data)
{
        times_shown++;
}

static void set_up(void)
{
        AnnouncerConfig config = {.compared = on_compared};

        rounds = number = times_asked = times_compared = times_shown = times_disturbed = 0;
        asking = FALSE;
        asked = 0;
        told = g_string_new(NULL);
        config.mirror = mirror = mirror_new("/org/libvirt/Test");
        announcer = announcer_new(&config);
}

static void tear_down(void)
{
        announcer_give_up(announcer);
        announcer_free(announcer);
        mirror_free(mirror);
        g_string_free(told, TRUE);
}

static void check_told(const char *words)
{
        g_assert_cmpstr(told->str, ==, words);
        g_string_truncate(told, 0);
}

static const Item *find(void)
{
        return mirror_find_uuid(mirror, &kind_domain, UUID);
}

static const char *shown_state(void)
{
        return item_string(find(), DOMAIN1_STATE);
}

static void begin_round(void)
{
        asking = TRUE;
}

static void end_round(void)
{
        asking = FALSE;
        rounds++;
        announcer_settle(announcer, rounds);
}

static void set(Answer *answer, unsigned slot, GVariant *value)
{
        answer->values[slot] = g_variant_ref_sink(value);
}

static void give(Answer *answer)
{
        announcer_answer(announcer, answer);
        for (size_t i = 0; i < G_N_ELEMENTS(answer->values); i++)
                g_clear_pointer(&answer->values[i], g_variant_unref);
}

/* libvirt says all that it has to say of a domain. */
static void answer_all(const char *state, const char *reason, guint32 id)
{
        Answer answer = {.kind = &kind_domain, .uuid = UUID, .present = TRUE};

        set(&answer, DOMAIN1_NAME, g_variant_new_string("one"));
        set(&answer, DOMAIN1_STATE, g_variant_new_string(state));
        set(&answer, DOMAIN1_STATE_REASON, g_variant_new_string(reason));
        set(&answer, DOMAIN1_ACTIVE, g_variant_new_boolean(id > 0));
        set(&answer, DOMAIN1_ID, g_variant_new_uint32(id));
        set(&answer, DOMAIN1_PERSISTENT, g_variant_new_boolean(TRUE));
        give(&answer);
}

/* It says its state alone. */
static void answer_state(const char *state)
{
        Answer answer = {.kind = &kind_domain, .uuid = UUID, .present = TRUE};

        set(&answer, DOMAIN1_STATE, g_variant_new_string(state));
        set(&answer, DOMAIN1_STATE_REASON, g_variant_new_string("user"));
        give(&answer);
}

static void round_all(const char *state, const char *reason, guint32 id)
{
        begin_round();
        answer_all(state, reason, id);
        end_round();
}

static void round_state(const char *state)
{
        begin_round();
        answer_state(state);
        end_round();
}

/* libvirt says in a list of all that it is so, or with NULL that it is not there. */
static gboolean compare(Comparison comparison, const char *state, guint32 id)
{
        g_autoptr(GHashTable) leaves = g_hash_table_new(g_str_hash, g_str_equal);
        gboolean over;

        begin_round();
        announcer_begin_comparison(announcer, comparison);
        if (state)
                g_hash_table_add(leaves, strrchr(ONE, '/') + 1);
        announcer_absent(announcer, &kind_domain, leaves);
        if (state)
                answer_all(state, "unknown", id);
        over = announcer_end_comparison(announcer);
        end_round();
        return over;
}

static void happens(int event, int detail, guint32 id)
{
        g_autoptr(GVariant) details =
                g_variant_ref_sink(details_of_lifecycle(&kind_domain, event, detail, TRUE));
        const Event one = {.kind = &kind_domain,
                           .path = ONE,
                           .uuid = UUID,
                           .name = "one",
                           .word = "lifecycle",
                           .details = details,
                           .lifecycle = event,
                           .detail = detail,
                           .id = id,
                           .may_change = TRUE};

        announcer_event(announcer, &one);
}

/* Until what waits has waited long enough. */
static void let_time_pass(void)
{
        let_pass(700 * G_TIME_SPAN_MILLISECOND);
}

static void begin_with(const char *state, guint32 id)
{
        set_up();
        g_assert_true(compare(COMPARISON_FIRST, state, id));
        g_string_truncate(told, 0);
}

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

/* A guest may take long to start: of a start that was told, its completion is told, not another one. */
static void test_slow_start(void)
{
        begin_with("shutoff", 0);
        round_all("paused", "starting-up", 7);
        let_time_pass();
        check_told("started* suspended* changed");
        let_pass(60 * G_TIME_SPAN_SECOND);
        round_all("paused", "starting-up", 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        check_told("resumed*");
        g_assert_cmpstr(shown_state(), ==, "running");
        tear_down();

        begin_with(NULL, 0);
        round_all("paused", "starting-up", 7);
        let_time_pass();
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
        let_time_pass();
        check_told("started* suspended* changed");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 8);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 8);
        check_told("stopped* resumed started");
        tear_down();
}

/* What becomes of a guest while it starts does not have its start told twice. */
static void test_resumed_start(void)
{
        begin_with("shutoff", 0);
        round_all("paused", "starting-up", 7);
        let_time_pass();
        check_told("started* suspended* changed");
        round_all("running", "booted", 7);
        let_time_pass();
        check_told("resumed* changed");
        happens(VIR_DOMAIN_EVENT_RESUMED, 0, 7);
        happens(VIR_DOMAIN_EVENT_STARTED, 0, 7);
        check_told("");
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

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/announce/smaller-answer", test_smaller_answer);
        g_test_add_func("/announce/old-answer", test_old_answer);
        g_test_add_func("/announce/state-alone", test_state_alone);
        g_test_add_func("/announce/another-life", test_another_life);
        g_test_add_func("/announce/slow-start", test_slow_start);
        g_test_add_func("/announce/failed-start", test_failed_start);
        g_test_add_func("/announce/resumed-start", test_resumed_start);
        g_test_add_func("/announce/found-restart", test_found_restart);
        g_test_add_func("/announce/giving-up", test_giving_up);
        return g_test_run();
}
