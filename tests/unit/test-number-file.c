/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is remembered of the last number, whatever was found, and what cannot be. */

#include "base/number_file.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *base, *directory, *file;

static Reservation reserve(guint64 least, guint64 size)
{
        Reservation reservation = {.directory = directory, .least = least, .size = size};

        number_file_reserve(&reservation);
        return reservation;
}

static void check_text(const char *expected)
{
        g_autofree char *text = NULL;

        g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
        g_assert_cmpstr(text, ==, expected);
}

static const struct {
        const char *text;
        guint64 start; /* with 5 at least */
        gboolean doubt;
} found[] = {
        {"7\n", 7, FALSE},
        {"5\n", 5, FALSE},
        {"4\n", 5, FALSE},
        {"0\n", 5, FALSE},
        {"0000000000000000000000000007\n", 7, FALSE},
        {"9006099743113216\n", LAST_NUMBER_MAX, FALSE},
        {"9007199254740993\n", 5, TRUE},
        {"18446744073709551616\n", 5, TRUE},
        {"00000000000000000000000000000007\n", 5, TRUE},

        /* Half a file has no end of its line. */
        {"", 5, TRUE},
        {"7", 5, TRUE},
        {"\n", 5, TRUE},
        {" 7\n", 5, TRUE},
        {"+7\n", 5, TRUE},
        {"-7\n", 5, TRUE},
        {"0x7\n", 5, TRUE},
        {"7\n7\n", 5, TRUE},
        {"7 \n", 5, TRUE},
        {"seven\n", 5, TRUE},
};

static void test_found(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(found); i++) {
                g_autofree char *expected = g_strdup_printf("%" G_GUINT64_FORMAT "\n", found[i].start + 10);
                Reservation reservation;

                g_assert_true(g_file_set_contents(file, found[i].text, -1, NULL));
                reservation = reserve(5, 10);
                g_assert_no_error(reservation.error);
                g_assert_cmpuint(reservation.start, ==, found[i].start);
                g_assert_cmpint(reservation.doubt, ==, found[i].doubt);
                check_text(expected);
        }
}

/* Each goes on where the last ended, also one that wants less. */
static void test_grows(void)
{
        static const struct {
                guint64 least, start;
        } rows[] = {{0, 0}, {0, 10}, {3, 20}, {100, 100}, {0, 110}};

        g_unlink(file);
        g_rmdir(directory);
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                Reservation reservation = reserve(rows[i].least, 10);

                g_assert_no_error(reservation.error);
                g_assert_false(reservation.doubt);
                g_assert_cmpuint(reservation.start, ==, rows[i].start);
        }
}

/* What another user may have put there is not followed, and nothing waits for it. */
static void test_no_plain_file(void)
{
        g_autofree char *target = g_build_filename(base, "target", NULL);

        g_assert_true(g_file_set_contents(target, "7\n", -1, NULL));
        g_unlink(file);
        g_assert_cmpint(symlink(target, file), ==, 0);
        for (unsigned i = 0; i < 2; i++) {
                Reservation reservation = reserve(5, 10);

                g_assert_no_error(reservation.error);
                g_assert_cmpuint(reservation.start, ==, 5);
                g_assert_true(reservation.doubt);
                check_text("15\n");
                g_unlink(file);
                g_assert_cmpint(mkfifo(file, 0600), ==, 0);
        }

        g_unlink(file);
        g_unlink(target);
}

static void check_fails(const char *words)
{
        Reservation reservation = reserve(5, 10);

        g_assert_cmpuint(reservation.start, ==, 5);
        g_assert_error(reservation.error, G_IO_ERROR, reservation.error->code);
        g_assert_nonnull(strstr(reservation.error->message, words));
        g_error_free(reservation.error);
}

/* The number is good nonetheless, and what was remembered stays. */
static void test_cannot_be_remembered(void)
{
        struct rlimit before, none;

        g_assert_true(g_file_set_contents(file, "3\n", -1, NULL));
        g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
        none = before;
        none.rlim_cur = 0;
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &none), ==, 0);
        check_fails("failed to write a file: ");
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        check_text("3\n");

        g_unlink(file);
        g_assert_cmpint(g_mkdir(file, 0700), ==, 0);
        check_fails("failed to replace the file: ");
        g_rmdir(file);
}

static void test_no_directory(void)
{
        g_autofree char *half = g_strconcat(file, ".new", NULL);

        g_unlink(half);
        g_rmdir(directory);
        g_assert_true(g_file_set_contents(directory, "", -1, NULL));
        check_fails("the directory: ");
        g_unlink(directory);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        base = g_dir_make_tmp("gb-XXXXXX", NULL);
        directory = g_build_filename(base, "state", "guestbus", NULL);
        file = g_build_filename(directory, "last-number", NULL);
        g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
        g_test_add_func("/number-file/found", test_found);
        g_test_add_func("/number-file/grows", test_grows);
        g_test_add_func("/number-file/no-plain-file", test_no_plain_file);
        g_test_add_func("/number-file/cannot-be-remembered", test_cannot_be_remembered);
        g_test_add_func("/number-file/no-directory", test_no_directory);
        result = g_test_run();
        g_free(file);
        g_clear_pointer(&directory, g_free);
        directory = g_build_filename(base, "state", NULL);
        g_rmdir(directory);
        g_rmdir(base);
        g_free(directory);
        g_free(base);

        return result;
}
