/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What /proc shows of processes that run, have ended, or were given another identity or an odd name. */

#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Starts a process that does as @prepare says, and stays until it is killed; ready when this returns. */
static pid_t start(gboolean (*prepare)(void))
{
        int pipes[2];
        char byte = 0;
        pid_t pid;

        g_assert_cmpint(pipe2(pipes, O_CLOEXEC), ==, 0);
        pid = fork();
        g_assert_cmpint(pid, >=, 0);
        if (pid == 0) {
                byte = !prepare || prepare();
                if (write(pipes[1], &byte, 1) == 1)
                        pause();
                _exit(1);
        }

        g_assert_cmpint(read(pipes[0], &byte, 1), ==, 1);
        g_assert_cmpint(byte, ==, TRUE);
        close(pipes[0]);
        close(pipes[1]);
        return pid;
}

static void reap(pid_t pid)
{
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void end(pid_t pid)
{
        siginfo_t info;

        kill(pid, SIGKILL);
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
}

static gboolean take_odd_name(void)
{
        return prctl(PR_SET_NAME, "a) 1 (b\n)") == 0;
}

static void test_started(void)
{
        guint64 before = process_now();
        pid_t plain = start(NULL), odd = start(take_odd_name);
        guint64 started = process_started(plain);

        g_assert_cmpuint(process_started(getpid()), >, 0);
        g_assert_cmpuint(started, >=, before);
        g_assert_cmpuint(started, <=, process_now());
        g_assert_cmpuint(process_started(odd), >=, started);
        g_assert_cmpuint(process_started(odd), <=, process_now());

        /* It has its number until it is reaped. */
        end(plain);
        g_assert_cmpuint(process_started(plain), ==, started);
        reap(plain);
        g_assert_cmpuint(process_started(plain), ==, 0);
        g_assert_cmpuint(process_started(0), ==, 0);
        g_assert_cmpuint(process_started(-1), ==, 0);
        end(odd);
        reap(odd);
}

/* The real one stays root's. */
static gboolean become_another(void)
{
        return seteuid(47001) == 0;
}

static gboolean become_another_for_good(void)
{
        return setresuid(47001, 47001, 47001) == 0;
}

static gboolean be_untraceable(void)
{
        return prctl(PR_SET_DUMPABLE, 0) == 0;
}

static void check_is_of(gboolean (*prepare)(void), gboolean ours, gboolean others)
{
        pid_t pid = start(prepare);

        g_assert_cmpint(process_is_of(pid, getuid()), ==, ours);
        g_assert_cmpint(process_is_of(pid, 47001), ==, others);
        g_assert_false(process_is_of(pid, 47002));
        end(pid);
        reap(pid);
        g_assert_false(process_is_of(pid, getuid()));
}

static void test_is_of(void)
{
        check_is_of(NULL, TRUE, FALSE);
        check_is_of(be_untraceable, TRUE, FALSE);
        if (geteuid() != 0) {
                g_test_skip("another identity takes root");
                return;
        }

        check_is_of(become_another, TRUE, TRUE);
        check_is_of(become_another_for_good, FALSE, TRUE);
}

static void test_of_fd(void)
{
        guint64 started = 1;
        pid_t pid = start(NULL);
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        if (fd < 0) {
                g_test_skip("no pidfd");
        } else {
                g_assert_cmpint(process_of_fd(fd, &started), ==, pid);
                g_assert_cmpuint(started, ==, process_started(pid));
        }

        end(pid);
        reap(pid);
        started = 1;
        g_assert_cmpint(process_of_fd(fd, &started), ==, 0);
        g_assert_cmpint(process_of_fd(STDIN_FILENO, &started), ==, 0);
        g_assert_cmpint(process_of_fd(-1, &started), ==, 0);
        g_assert_cmpuint(started, ==, 1);
        if (fd >= 0)
                close(fd);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/process/started", test_started);
        g_test_add_func("/process/is-of", test_is_of);
        g_test_add_func("/process/of-fd", test_of_fd);

        return g_test_run();
}
