/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Turns: who is served when, on a clock of the test's own. What is run moves it. */

#include "access/turns.h"

#include <string.h>

#define MS G_TIME_SPAN_MILLISECOND

/* One that takes a turn, under a letter. */
typedef struct Job {
        Turn turn;
        char name;
        gint64 takes;
        struct Job *then; /* one that is ended by this one */
        gboolean again;   /* it asks for a turn while it has one */
} Job;

static gint64 clock_us;
static gboolean held;
static GString *done;
static Turns *turns;

/* The line of the caller of that name, which is a letter or "" for another. */
static TurnLine *line(const char *caller)
{
        static TurnLine lines[G_MAXUINT8 + 1];

        return &lines[(guint8)*caller];
}

static gint64 now(void)
{
        return clock_us;
}

static gboolean is_held(void *data)
{
        return held;
}

static const TurnsOwner owner = {.now = now, .held = is_held};

static void set_up(void)
{
        clock_us = 1000 * MS;
        held = FALSE;
        done = g_string_new(NULL);
        turns = turns_new(&owner);
}

static void tear_down(void)
{
        turns_free(turns);
        g_string_free(done, TRUE);
}

static void run(void *data)
{
        Job *job = data;

        g_string_append_c(done, job->name);
        clock_us += job->takes;
        if (job->then)
                turns_take(turns, &job->then->turn, line("o"), "other", run, job->then);
        if (job->again) {
                job->again = FALSE;
                turns_take(turns, &job->turn, line(""), "", run, job);
        }
}

/* Of the user and the caller of these names. */
static Job *take(Job *job, const char *user, const char *caller)
{
        turns_take(turns, &job->turn, line(caller), user, run, job);
        return job;
}

/* One turn of the loop. */
static void turn_loop(void)
{
        g_main_context_iteration(NULL, FALSE);
}

static void finish(void)
{
        while (turns_waiting(turns) > 0)
                turn_loop();
}

/* Uses up what this turn of the loop has. */
static void use_up(void)
{
        Job long_one = {.name = '-', .takes = 6 * MS};

        take(&long_one, "", "");
        g_assert_cmpuint(turns_waiting(turns), ==, 0);
        g_string_truncate(done, 0);
}

static void test_at_once(void)
{
        Job jobs[] = {{.name = 'A', .takes = MS / 2},
                      {.name = 'B', .takes = MS / 4},
                      {.name = 'C', .takes = MS / 4},
                      {.name = 'D'},
                      {.name = 'E'}};

        set_up();
        /* As long as there is time, and nothing waits. */
        for (unsigned i = 0; i < 4; i++)
                take(&jobs[i], "one", "a");
        g_assert_cmpstr(done->str, ==, "ABC");
        g_assert_cmpuint(turns_waiting(turns), ==, 1);
        take(&jobs[4], "two", "b");
        g_assert_cmpuint(turns_waiting(turns), ==, 2);
        turn_loop();
        g_assert_cmpstr(done->str, ==, "ABCDE");
        /* The next turn has time again. */
        turn_loop();
        g_string_truncate(done, 0);
        take(&jobs[0], "one", "a");
        g_assert_cmpstr(done->str, ==, "A");
        tear_down();
}

static void test_order_of_a_caller(void)
{
        Job jobs[20] = {};

        set_up();
        use_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(jobs); i++) {
                jobs[i].name = (char)('A' + i);
                jobs[i].takes = MS / 2;
                take(&jobs[i], "one", "a");
        }
        finish();
        g_assert_cmpstr(done->str, ==, "ABCDEFGHIJKLMNOPQRST");
        tear_down();
}

/* A turn of the loop ends when its time is over, and there is always one more. */
static void test_budget(void)
{
        Job jobs[12] = {};

        set_up();
        use_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(jobs); i++) {
                jobs[i].name = 'x';
                jobs[i].takes = i < 10 ? MS : 50 * MS;
                take(&jobs[i], "one", "a");
        }
        for (unsigned left = 10; left >= 2; left -= 2) {
                turn_loop();
                g_assert_cmpuint(turns_waiting(turns), ==, left);
        }
        turn_loop();
        g_assert_cmpuint(turns_waiting(turns), ==, 1);
        turn_loop();
        g_assert_cmpuint(turns_waiting(turns), ==, 0);
        tear_down();
}

/* However many callers it has and however much they sent, a user has every other turn of two. */
static void test_users(void)
{
        Job many[40] = {}, few[4] = {};

        set_up();
        use_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(many); i++) {
                g_autofree char *caller = g_strdup_printf("%u", i % 10);

                many[i].name = 'm';
                many[i].takes = 3 * MS;
                take(&many[i], "many", caller);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(few); i++) {
                few[i].name = 'F';
                few[i].takes = 3 * MS;
                take(&few[i], "few", "f");
        }
        finish();
        g_assert_true(g_str_has_prefix(done->str, "mFmFmFmFmm"));
        tear_down();
}

/* Time counts, not calls: what is small is done many at a time. */
static void test_small_and_large(void)
{
        Job large[3] = {}, small[30] = {};

        set_up();
        use_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(large); i++) {
                large[i].name = 'L';
                large[i].takes = 20 * MS;
                take(&large[i], "large", "l");
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(small); i++) {
                small[i].name = 's';
                small[i].takes = MS / 10;
                take(&small[i], "small", "s");
        }
        finish();
        g_assert_cmpstr(done->str, ==, "LssssssssssLssssssssssLssssssssss");
        tear_down();
}

static void test_callers_of_a_user(void)
{
        Job first[6] = {}, second[3] = {}, third[2] = {};

        set_up();
        use_up();
        for (unsigned i = 0; i < G_N_ELEMENTS(first); i++)
                first[i] = (Job){.name = 'a', .takes = MS};
        for (unsigned i = 0; i < G_N_ELEMENTS(second); i++)
                second[i] = (Job){.name = 'b', .takes = MS};
        for (unsigned i = 0; i < G_N_ELEMENTS(third); i++)
                third[i] = (Job){.name = 'c', .takes = MS};
        for (unsigned i = 0; i < G_N_ELEMENTS(first); i++)
                take(&first[i], "one", "a");
        for (unsigned i = 0; i < G_N_ELEMENTS(second); i++)
                take(&second[i], "one", "b");
        for (unsigned i = 0; i < G_N_ELEMENTS(third); i++)
                take(&third[i], "one", "c");
        finish();
        g_assert_cmpstr(done->str, ==, "abcabcabaaa");
        tear_down();
}

static void test_withdraw(void)
{
        Job jobs[] = {{.name = 'A'}, {.name = 'B'}, {.name = 'C'}, {.name = 'D'}, {.name = 'E'}};

        set_up();
        g_assert_false(turns_withdraw(turns, &jobs[0].turn));
        use_up();
        take(&jobs[0], "one", "a");
        take(&jobs[1], "one", "b");
        take(&jobs[2], "one", "a");
        take(&jobs[3], "two", "c");
        g_assert_true(turns_withdraw(turns, &jobs[0].turn));
        g_assert_true(turns_withdraw(turns, &jobs[2].turn));
        g_assert_false(turns_withdraw(turns, &jobs[0].turn));
        g_assert_cmpuint(turns_waiting(turns), ==, 2);
        /* The caller may come back. */
        take(&jobs[4], "one", "a");
        finish();
        g_assert_cmpstr(done->str, ==, "BED");
        g_assert_false(turns_withdraw(turns, &jobs[1].turn));
        g_assert_false(turns_withdraw(NULL, &jobs[1].turn));
        tear_down();
}

static gboolean withdraw(gpointer data)
{
        g_assert_true(turns_withdraw(turns, data));
        return G_SOURCE_REMOVE;
}

/* A source before this one may tell of a caller's departure after the loop has asked who is ready. */
static void test_withdrawn_when_ready(void)
{
        Job job = {.name = 'A'};
        GSource *other = g_idle_source_new();

        set_up();
        use_up();
        /* Of those of one priority, the first that was attached is dispatched first: so this has to be made
         * anew. */
        turns_free(turns);
        g_source_set_priority(other, G_PRIORITY_DEFAULT);
        g_source_set_callback(other, withdraw, &job.turn, NULL);
        g_source_attach(other, NULL);
        turns = turns_new(&owner);
        use_up();
        take(&job, "one", "a");
        turn_loop();
        g_assert_cmpstr(done->str, ==, "");
        g_source_unref(other);
        tear_down();
}

/* What needs no time keeps its place behind its caller's, and waits for no other's. */
static void test_follow(void)
{
        Job jobs[] = {{.name = 'A'}, {.name = 'B'}, {.name = 'C'}};

        set_up();
        use_up();
        turns_follow(turns, &jobs[0].turn, line("a"), "one", run, &jobs[0]);
        g_assert_cmpstr(done->str, ==, "A");
        take(&jobs[1], "one", "a");
        turns_follow(turns, &jobs[0].turn, line("a"), "one", run, &jobs[0]);
        turns_follow(turns, &jobs[2].turn, line("c"), "one", run, &jobs[2]);
        g_assert_cmpstr(done->str, ==, "AC");
        finish();
        g_assert_cmpstr(done->str, ==, "ACBA");
        tear_down();
}

/* One that asks again while it has its turn is done with; what it ends of others waits for theirs. */
static void test_within_a_turn(void)
{
        Job other = {.name = 'O'}, one = {.name = 'A', .then = &other}, twice = {.name = 'T', .again = TRUE};

        set_up();
        take(&one, "one", "a");
        g_assert_cmpstr(done->str, ==, "A");
        finish();
        g_assert_cmpstr(done->str, ==, "AO");
        take(&twice, "one", "a");
        g_assert_cmpstr(done->str, ==, "AOTT");
        tear_down();
}

static void test_held(void)
{
        Job jobs[] = {{.name = 'A'}, {.name = 'B'}};

        set_up();
        held = TRUE;
        take(&jobs[0], "one", "a");
        take(&jobs[1], "two", "b");
        turn_loop();
        g_assert_cmpstr(done->str, ==, "");
        held = FALSE;
        finish();
        g_assert_cmpstr(done->str, ==, "AB");
        tear_down();
}

static void test_none(void)
{
        Job job = {.name = 'A'};

        set_up();
        use_up();
        turns_take(NULL, &job.turn, line("a"), "one", run, &job);
        turns_follow(NULL, &job.turn, line("a"), "one", run, &job);
        g_assert_cmpstr(done->str, ==, "AA");
        g_assert_cmpuint(turns_waiting(NULL), ==, 0);
        turns_free(NULL);
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/turns/at-once", test_at_once);
        g_test_add_func("/turns/order-of-a-caller", test_order_of_a_caller);
        g_test_add_func("/turns/budget", test_budget);
        g_test_add_func("/turns/users", test_users);
        g_test_add_func("/turns/small-and-large", test_small_and_large);
        g_test_add_func("/turns/callers-of-a-user", test_callers_of_a_user);
        g_test_add_func("/turns/withdraw", test_withdraw);
        g_test_add_func("/turns/withdrawn-when-ready", test_withdrawn_when_ready);
        g_test_add_func("/turns/follow", test_follow);
        g_test_add_func("/turns/within-a-turn", test_within_a_turn);
        g_test_add_func("/turns/held", test_held);
        g_test_add_func("/turns/none", test_none);
        return g_test_run();
}
