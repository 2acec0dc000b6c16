/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors are closed on other threads, all of them, and the end waits for those that close. */

#include "base/closer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_MS 20000

static pthread_t main_thread;
static pthread_mutex_t slow = PTHREAD_MUTEX_INITIALIZER; /* held: close() does not return */
static int slow_fd = -1, elsewhere;

/* In the place of the C library's. */
int close(int fd)
{
        if (fd >= 0 && fd == g_atomic_int_get(&slow_fd)) {
                pthread_mutex_lock(&slow);
                pthread_mutex_unlock(&slow);
        }
        if (!pthread_equal(pthread_self(), main_thread))
                g_atomic_int_inc(&elsewhere);
        return (int)syscall(SYS_close, fd);
}

/* @n ends of pipes, ended by -1; *@other is the other end of them all. */
static int *descriptors(unsigned n, int *other)
{
        int *fds = g_new(int, n + 1), ends[2];

        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        *other = ends[0];
        for (unsigned i = 0; i < n; i++)
                g_assert_cmpint(fds[i] = i == 0 ? ends[1] : dup(ends[1]), >=, 0);
        fds[n] = -1;
        return fds;
}

static gboolean are_closed(int other)
{
        struct pollfd poll_fd = {.fd = other};

        return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP);
}

static void test_all(void)
{
        static const unsigned numbers[] = {1, 2, 16, 200};

        for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
                int other, *fds = descriptors(numbers[i], &other);

                elsewhere = 0;
                closer_take(fds);
                closer_wait(WAIT_MS);
                g_assert_true(are_closed(other));
                g_assert_cmpint(elsewhere, ==, (int)numbers[i]);
                close(other);
        }
}

/* None waits for another message's, and the end waits no longer than it is told to. */
static void test_slow(void)
{
        int first, second, *fds = descriptors(2, &first), *others = descriptors(2, &second);
        gint64 deadline = g_get_monotonic_time() + WAIT_MS * G_TIME_SPAN_MILLISECOND;

        pthread_mutex_lock(&slow);
        g_atomic_int_set(&slow_fd, fds[0]);
        closer_take(fds);
        closer_take(others);
        while (!are_closed(second) && g_get_monotonic_time() < deadline)
                g_usleep(1000);
        closer_wait(20);
        g_assert_true(are_closed(second));
        g_assert_false(are_closed(first));

        pthread_mutex_unlock(&slow);
        closer_wait(WAIT_MS);
        g_assert_true(are_closed(first));
        close(first);
        close(second);
        slow_fd = -1;
}

static void test_lists(void)
{
        GUnixFDList *list = NULL;
        int other, *fds = descriptors(3, &other);

        closer_take_list(&list);
        list = g_unix_fd_list_new_from_array(fds, 3);
        g_free(fds);
        closer_take_list(&list);
        g_assert_null(list);
        closer_wait(WAIT_MS);
        g_assert_true(are_closed(other));
        close(other);
}

static void test_none(void)
{
        int *fds = g_new(int, 1);

        fds[0] = -1;
        closer_take(fds);
        closer_wait(WAIT_MS);
}

int main(int argc, char **argv)
{
        main_thread = pthread_self();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/closer/all", test_all);
        g_test_add_func("/closer/slow", test_slow);
        g_test_add_func("/closer/lists", test_lists);
        g_test_add_func("/closer/none", test_none);

        return g_test_run();
}
