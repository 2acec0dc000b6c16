/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the numbers of a start begin: above all that were used before, by what is remembered or by the clock.
 */

#include "base/background.h"
#include "base/main_queue.h"
#include "base/number_file.h"
#include "mirror/event_numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000
#define NOW     G_GINT64_CONSTANT(1800000000000000)

static gint64 now = NOW;
static char *directory, *file;
static unsigned warnings, messages;

static gint64 clock_now(void)
{
        return now;
}

static GLogWriterOutput count_lines(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
        warnings += level == G_LOG_LEVEL_WARNING;
        messages += level == G_LOG_LEVEL_MESSAGE;
        return level > G_LOG_LEVEL_CRITICAL ? G_LOG_WRITER_HANDLED
                                            : g_log_writer_default(level, fields, n, data);
}

static void finish_jobs(void)
{
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
}

static void forget(void)
{
        g_autofree char *half = g_strconcat(file, ".new", NULL);

        g_unlink(file);
        g_unlink(half);
        g_rmdir(directory);
        now = NOW;
        warnings = messages = 0;
}

static void write_file(const char *text)
{
        g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
        g_assert_true(g_file_set_contents(file, text, -1, NULL));
}

static guint64 remembered(void)
{
        g_autofree char *text = NULL;

        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        g_assert_true(g_str_has_suffix(text, "\n"));
        return g_ascii_strtoull(text, NULL, 10);
}

static EventNumbers *start(void)
{
        return event_numbers_new(directory, clock_now, WAIT_MS);
}

static void stop(EventNumbers *numbers)
{
        finish_jobs();
        event_numbers_free(numbers);
}

/* A start, some numbers, and its end. Returns the last. */
static guint64 run(guint64 uses)
{
        EventNumbers *numbers = start();
        guint64 last = event_numbers_begin(numbers);

        for (guint64 i = 0; i < uses; i++)
                event_numbers_use(numbers, ++last);
        stop(numbers);
        return last;
}

static void test_by_the_clock(void)
{
        forget();
        g_assert_cmpuint(run(0), ==, NOW + 1);
        g_assert_cmpuint(remembered(), >, NOW);
        now += G_TIME_SPAN_DAY;
        g_assert_cmpuint(run(0), ==, NOW + G_TIME_SPAN_DAY + 1);
        g_assert_cmpuint(warnings, ==, 0);
}

static void test_the_clock_goes_back(void)
{
        guint64 last;

        forget();
        last = run(10);
        for (gint64 back = G_TIME_SPAN_SECOND; back < NOW; back *= 10) {
                EventNumbers *numbers;

                now = NOW - back;
                numbers = start();
                g_assert_cmpuint(event_numbers_begin(numbers), >, last);
                stop(numbers);
                last = run(10);
        }
        now = -1;
        g_assert_cmpuint(run(0), >, last);
}

/* A process that does nothing but use numbers: it says, on its output, up to which it has gone. */
static int use_numbers(const char *where, const char *when)
{
        EventNumbers *numbers;
        guint64 last;

        directory = g_strdup(where);
        now = g_ascii_strtoll(when, NULL, 10);
        main_queue_init();
        numbers = start();
        for (last = event_numbers_begin(numbers); write(STDOUT_FILENO, &last, sizeof last) > 0;) {
                for (unsigned n = 0; n < 1000; n++)
                        event_numbers_use(numbers, ++last);
                finish_jobs();
        }

        return 1;
}

/* The last that such a process told before it was killed. */
static guint64 run_and_kill(unsigned turns)
{
        g_autofree char *when = g_strdup_printf("%" G_GINT64_FORMAT, now);
        const char *const argv[] = {"/proc/self/exe", "use", directory, when, NULL};
        guint64 last = 0;
        int output, status;
        GPid child;

        g_assert_true(g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
                                               NULL, &child, NULL, &output, NULL, NULL));
        for (unsigned n = 0; n < turns; n++)
                g_assert_cmpint(read(output, &last, sizeof last), ==, sizeof last);
        g_assert_cmpint(kill(child, SIGKILL), ==, 0);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        while (read(output, &last, sizeof last) == sizeof last)
                ;
        close(output);
        return last;
}

static void test_killed(void)
{
        forget();
        for (unsigned i = 0; i < 5; i++) {
                guint64 last = run_and_kill(100 + 17 * i);

                now -= G_TIME_SPAN_DAY;
                g_assert_cmpuint(run(0), >, last);
        }
}

/* Long before numbers are used up more of them are remembered. */
static void test_ahead(void)
{
        EventNumbers *numbers;
        guint64 last;

        forget();
        numbers = start();
        last = event_numbers_begin(numbers);
        for (unsigned i = 0; i < 1000; i++) {
                for (unsigned n = 0; n < 1000; n++)
                        event_numbers_use(numbers, ++last);
                if (i % 20 == 0)
                        finish_jobs();
                g_assert_cmpuint(remembered(), >=, last);
        }
        stop(numbers);
        g_assert_cmpuint(warnings, ==, 0);
}

/* Killed and started again all the time, it does not get ahead of the clock. */
static void test_many_starts(void)
{
        forget();
        for (unsigned i = 0; i < 100; i++) {
                guint64 first = run(0);

                g_assert_cmpuint(first, ==, now + 1);
                now += G_TIME_SPAN_SECOND / 10;
        }
}

static void test_damaged(void)
{
        static const char *const texts[] = {
                "",
                "\n",
                "x",
                "1800000000000001",
                "1800000000000001\n\n",
                "-1\n",
                " 5\n",
                "99999999999999999999999999\n",
                "9007199254740992\n",
                "18446744073709551615\n",
                "1800000000000001 \n",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                forget();
                write_file(texts[i]);
                g_assert_cmpuint(run(0), ==, NOW + 1);
                g_assert_cmpuint(warnings, ==, 1);
                g_assert_cmpuint(remembered(), >, NOW);
                g_assert_cmpuint(run(0), >, NOW);
                g_assert_cmpuint(warnings, ==, 1);
        }
}

static void test_exact_for_javascript(void)
{
        forget();
        now = G_MAXINT64;
        g_assert_cmpuint(run(100000), <, G_GUINT64_CONSTANT(1) << 53);
        write_file("9000000000000000\n");
        g_assert_cmpuint(run(100000), <, G_GUINT64_CONSTANT(1) << 53);
}

/* A file where the directory should be: for root, too, that is no place to write to. */
static void test_no_place(void)
{
        EventNumbers *numbers;
        guint64 last;

        forget();
        g_assert_true(g_file_set_contents(directory, "", 0, NULL));
        numbers = start();
        last = event_numbers_begin(numbers);
        g_assert_cmpuint(last, ==, NOW + 1);
        g_assert_cmpuint(warnings, ==, 1);
        for (unsigned n = 0; n < 200000; n++)
                event_numbers_use(numbers, ++last);
        finish_jobs();
        event_numbers_use(numbers, ++last);
        finish_jobs();
        /* Once is enough. */
        g_assert_cmpuint(warnings, ==, 1);

        g_assert_cmpint(g_unlink(directory), ==, 0);
        for (unsigned n = 0; n < 200000; n++)
                event_numbers_use(numbers, ++last);
        finish_jobs();
        g_assert_cmpuint(messages, ==, 1);
        g_assert_cmpuint(remembered(), >=, last);
        stop(numbers);
}

/* While the service runs. */
static void test_lost(void)
{
        EventNumbers *numbers;
        guint64 last;

        forget();
        numbers = start();
        last = event_numbers_begin(numbers);
        g_assert_cmpint(g_unlink(file), ==, 0);
        g_assert_cmpint(g_rmdir(directory), ==, 0);
        for (unsigned n = 0; n < 40000; n++)
                event_numbers_use(numbers, ++last);
        finish_jobs();
        g_assert_cmpuint(remembered(), >, last);
        stop(numbers);
        now = 0;
        g_assert_cmpuint(run(0), >, last);
}

/* Two at once in one directory: each start is above the numbers of both. */
static void test_two(void)
{
        EventNumbers *one, *two;
        guint64 first, second;

        forget();
        one = start();
        first = event_numbers_begin(one);
        event_numbers_use(one, ++first);
        two = start();
        second = event_numbers_begin(two);
        g_assert_cmpuint(second, >, first);
        for (unsigned n = 0; n < 300000; n++) {
                event_numbers_use(one, ++first);
                event_numbers_use(two, ++second);
                if (n % 10000 == 0)
                        finish_jobs();
        }
        stop(one);
        stop(two);
        now = 0;
        g_assert_cmpuint(run(0), >, MAX(first, second));
        g_assert_cmpuint(warnings, ==, 0);
}

/* A disk that does not answer, which a lock that another holds is like. */
static void test_a_disk_that_hangs(void)
{
        EventNumbers *numbers;
        guint64 last;
        int other;

        forget();
        g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
        other = open(directory, O_RDONLY | O_DIRECTORY);
        g_assert_cmpint(flock(other, LOCK_EX), ==, 0);
        numbers = event_numbers_new(directory, clock_now, 100);
        g_assert_cmpuint(warnings, ==, 1);
        last = event_numbers_begin(numbers);
        g_assert_cmpuint(last, ==, NOW + 1);
        for (unsigned n = 0; n < 100000; n++)
                event_numbers_use(numbers, ++last);
        g_assert_cmpuint(event_numbers_begin(numbers), ==, ++last);
        g_assert_cmpuint(warnings, ==, 1);

        close(other);
        finish_jobs();
        event_numbers_use(numbers, ++last);
        finish_jobs();
        g_assert_cmpuint(remembered(), >, last);
        stop(numbers);
}

static void test_none(void)
{
        g_assert_cmpuint(event_numbers_begin(NULL), ==, 0);
        event_numbers_use(NULL, 1);
        event_numbers_free(NULL);
}

int main(int argc, char **argv)
{
        g_autofree char *parent = NULL;
        int r;

        if (argc == 4 && strcmp(argv[1], "use") == 0)
                return use_numbers(argv[2], argv[3]);

        g_test_init(&argc, &argv, NULL);
        main_queue_init();
        g_log_set_writer_func(count_lines, NULL, NULL);
        parent = g_dir_make_tmp("guestbus-numbers-XXXXXX", NULL);
        directory = g_build_filename(parent, "state", NULL);
        file = g_build_filename(directory, "last-number", NULL);

        g_test_add_func("/numbers/by-the-clock", test_by_the_clock);
        g_test_add_func("/numbers/the-clock-goes-back", test_the_clock_goes_back);
        g_test_add_func("/numbers/killed", test_killed);
        g_test_add_func("/numbers/ahead", test_ahead);
        g_test_add_func("/numbers/many-starts", test_many_starts);
        g_test_add_func("/numbers/damaged", test_damaged);
        g_test_add_func("/numbers/exact-for-javascript", test_exact_for_javascript);
        g_test_add_func("/numbers/no-place", test_no_place);
        g_test_add_func("/numbers/lost", test_lost);
        g_test_add_func("/numbers/two", test_two);
        g_test_add_func("/numbers/a-disk-that-hangs", test_a_disk_that_hangs);
        g_test_add_func("/numbers/none", test_none);
        r = g_test_run();

        forget();
        g_rmdir(parent);
        g_free(directory);
        g_free(file);
        return r;
}
