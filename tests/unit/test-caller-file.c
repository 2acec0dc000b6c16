/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors of callers: which do, that their flags stay, that waiting for them ends, and holes. */

#include "as-worker.h"
#include "base/caller_file.h"
#include "base/error.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KIB 1024

static int temporary(int flags)
{
        g_autofree char *path = g_build_filename(g_get_tmp_dir(), "caller-file-XXXXXX", NULL);
        int fd = g_mkstemp_full(path, flags, 0600);

        g_assert_cmpint(fd, >=, 0);
        unlink(path);
        return fd;
}

static void make_pair(gboolean sockets, int *reading, int *writing)
{
        int ends[2];

        g_assert_cmpint(sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), ==, 0);
        *reading = ends[0];
        *writing = ends[1];
}

static CallerFile *take(int fd, CallerFileUse use, gboolean sparse)
{
        g_autoptr(GError) error = NULL;
        CallerFile *file = caller_file_new(fd, use, sparse, &error);

        g_assert_no_error(error);
        return file;
}

static void check_refused(int fd, CallerFileUse use, gboolean sparse, const char *why)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(caller_file_new(fd, use, sparse, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS);
        g_assert_nonnull(strstr(error->message, why));
        /* It was taken over. */
        g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
}

static void test_refused(void)
{
        AS_WORKER;
        int reading, writing, sockets[2];

        make_pair(FALSE, &reading, &writing);
        check_refused(reading, CALLER_FILE_WRITE, FALSE, "not open for writing");
        check_refused(writing, CALLER_FILE_READ, FALSE, "not open for reading");
        make_pair(TRUE, &reading, &writing);
        check_refused(reading, CALLER_FILE_READ, TRUE, "no file");
        close(writing);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets), ==, 0);
        check_refused(sockets[0], CALLER_FILE_READ, FALSE, "neither");
        close(sockets[1]);
        check_refused(open("/dev/null", O_RDWR), CALLER_FILE_READ, FALSE, "neither");
        check_refused(open("/", O_RDONLY), CALLER_FILE_READ, FALSE, "neither");
        check_refused(open("/etc/passwd", O_PATH), CALLER_FILE_READ, FALSE, "not open for reading");
        check_refused(temporary(O_RDWR | O_APPEND), CALLER_FILE_WRITE, TRUE, "appending");
}

static void *write_much(void *data)
{
        g_autoptr(CallerFile) file = data;
        g_autofree char *bytes = g_malloc0(1000 * KIB);

        return GINT_TO_POINTER(caller_file_write(file, bytes, 1000 * KIB, NULL));
}

/* More than fits is written as it is read, whether the caller's end blocks or not. */
static void test_back_pressure(gconstpointer sockets)
{
        for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
                int reading, writing, copy;
                char buffer[4 * KIB];
                gssize n, all = 0;
                GThread *thread;

                make_pair(sockets != NULL, &reading, &writing);
                g_assert_cmpint(fcntl(writing, F_SETFL, flags), ==, 0);
                copy = dup(writing);
                {
                        AS_WORKER;

                        thread = g_thread_new("writer", write_much, take(writing, CALLER_FILE_WRITE, FALSE));
                }
                while (all < 1000 * KIB && (n = read(reading, buffer, sizeof buffer)) > 0) {
                        all += n;
                        g_assert_cmpint(fcntl(copy, F_GETFL) & O_NONBLOCK, ==, flags);
                }
                g_assert_true(GPOINTER_TO_INT(g_thread_join(thread)));
                g_assert_cmpint(all, ==, 1000 * KIB);
                close(reading);
                close(copy);
        }
}

static void test_reading(gconstpointer sockets)
{
        AS_WORKER;
        g_autoptr(CallerFile) file = NULL;
        int reading, writing;
        char buffer[16];

        make_pair(sockets != NULL, &reading, &writing);
        file = take(reading, CALLER_FILE_READ, FALSE);
        g_assert_cmpint(write(writing, "abc", 3), ==, 3);
        g_assert_cmpint(caller_file_read(file, buffer, sizeof buffer, NULL), ==, 3);
        close(writing);
        g_assert_cmpint(caller_file_read(file, buffer, sizeof buffer, NULL), ==, 0);
}

/* The other end is closed. */
static void test_broken(gconstpointer sockets)
{
        AS_WORKER;
        g_autoptr(CallerFile) file = NULL;
        g_autoptr(GError) error = NULL;
        int reading, writing;

        make_pair(sockets != NULL, &reading, &writing);
        close(reading);
        file = take(writing, CALLER_FILE_WRITE, FALSE);
        g_assert_false(caller_file_write(file, "abc", 3, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_DESCRIPTOR);
}

static void *read_one(void *data)
{
        g_autoptr(GError) error = NULL;
        char byte;

        g_assert_cmpint(caller_file_read(data, &byte, 1, &error), ==, -1);
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_DESCRIPTOR);
        return NULL;
}

/* What waits ends, and what would wait does not begin. */
static void test_wake(gconstpointer sockets)
{
        int reading, writing;
        CallerFile *file;
        GThread *thread;
        AS_WORKER;

        make_pair(sockets != NULL, &reading, &writing);
        file = take(reading, CALLER_FILE_READ, FALSE);
        thread = g_thread_new("reader", read_one, file);
        caller_file_wake(file);
        g_thread_join(thread);
        read_one(file);
        caller_file_free(file);
        close(writing);
}

static void check_section(CallerFile *file, gboolean data, gint64 length)
{
        gboolean found_data;
        gint64 found_length;

        g_assert_true(caller_file_section(file, &found_data, &found_length, NULL));
        g_assert_cmpint(found_length, ==, length);
        if (length > 0)
                g_assert_cmpint(found_data, ==, data);
}

/* 64 KiB of data, 64 KiB of a hole, and the same again. */
static void test_holes(void)
{
        AS_WORKER;
        g_autofree char *bytes = g_malloc(64 * KIB), *read_back = g_malloc(256 * KIB);
        int fd = temporary(O_RDWR), copy = dup(fd);
        g_autoptr(CallerFile) file = take(fd, CALLER_FILE_WRITE, TRUE);

        memset(bytes, 'x', 64 * KIB);
        /* Something is there before, which a hole takes away. */
        for (unsigned i = 0; i < 3; i++)
                g_assert_true(caller_file_write(file, bytes, 64 * KIB, NULL));
        g_assert_cmpint(lseek(copy, 0, SEEK_SET), ==, 0);

        g_assert_true(caller_file_write(file, bytes, 64 * KIB, NULL));
        g_assert_true(caller_file_punch(file, 64 * KIB, NULL));
        g_assert_true(caller_file_write(file, bytes, 64 * KIB, NULL));
        g_assert_true(caller_file_punch(file, 64 * KIB, NULL));
        g_assert_cmpint(lseek(copy, 0, SEEK_END), ==, 256 * KIB);
        g_assert_cmpint(pread(copy, read_back, 256 * KIB, 0), ==, 256 * KIB);
        for (gsize i = 0; i < 256 * KIB; i++)
                g_assert_cmpint(read_back[i], ==, i / (64 * KIB) % 2 == 0 ? 'x' : 0);

        lseek(copy, 0, SEEK_SET);
        for (unsigned i = 0; i < 4; i++) {
                check_section(file, i % 2 == 0, 64 * KIB);
                g_assert_true(caller_file_skip(file, 64 * KIB, NULL));
        }
        check_section(file, FALSE, 0);
        close(copy);
}

/* What no file can have is an error that says so. */
static void test_holes_of_no_length(void)
{
        static const gint64 lengths[] = {-1, G_MAXINT64};
        AS_WORKER;
        g_autoptr(CallerFile) file = take(temporary(O_RDWR), CALLER_FILE_WRITE, TRUE);

        g_assert_true(caller_file_write(file, "x", 1, NULL));
        for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
                g_autoptr(GError) error = NULL;

                g_assert_false(caller_file_punch(file, lengths[i], &error));
                g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_DESCRIPTOR);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        signal(SIGPIPE, SIG_IGN);
        g_test_add_func("/caller-file/refused", test_refused);
        for (int sockets = 0; sockets < 2; sockets++) {
                const char *kind = sockets ? "sockets" : "pipes";
                const struct {
                        const char *name;
                        GTestDataFunc func;
                } tests[] = {
                        {"back-pressure", test_back_pressure},
                        {"reading", test_reading},
                        {"broken", test_broken},
                        {"wake", test_wake},
                };

                for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
                        g_autofree char *path = g_strdup_printf("/caller-file/%s/%s", tests[i].name, kind);

                        g_test_add_data_func(path, GINT_TO_POINTER(sockets), tests[i].func);
                }
        }
        g_test_add_func("/caller-file/holes", test_holes);
        g_test_add_func("/caller-file/holes-of-no-length", test_holes_of_no_length);
        return g_test_run();
}
