/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "identity.h"

#include "error.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that waits, called as given. */
static pid_t start_child(const char *name)
{
        pid_t child = fork();

        g_assert_cmpint(child, >=, 0);
        if (child == 0) {
                prctl(PR_SET_NAME, name);
                pause();
                _exit(0);
        }

        return child;
}

static void end_child(pid_t child)
{
        kill(child, SIGKILL);
        g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
}

static void test_process(void)
{
        Credentials credentials = {.uid = 1000, .pid = getpid()};
        g_autofree Identity *own = identity_new(&credentials, NULL);
        g_autofree Identity *again = identity_new(&credentials, NULL);
        g_autofree Identity *parents = NULL, *users = NULL;

        g_assert_cmpuint(own->uid, ==, 1000);
        g_assert_cmpint(own->pid, ==, getpid());
        g_assert_cmpuint(own->started, >, 0);
        g_assert_true(identity_equal(own, again));
        g_assert_cmpuint(identity_hash(own), ==, identity_hash(again));

        credentials.uid = 1001;
        users = identity_new(&credentials, NULL);
        g_assert_false(identity_equal(own, users));
        again->started++;
        g_assert_false(identity_equal(own, again));
        credentials.pid = getppid();
        parents = identity_new(&credentials, NULL);
        g_assert_false(identity_equal(users, parents));
}

/* The name of a process is its own business. */
static void test_name(void)
{
        pid_t child = start_child("a) S 1 (");
        const Credentials credentials = {.pid = child};
        g_autofree Identity *odd = NULL, *own = NULL;

        /* The name is there when the field is read twice alike: the child is on its way. */
        for (g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)child), *comm = NULL;
             !comm || !strstr(comm, "a) S"); g_usleep(1000)) {
                g_clear_pointer(&comm, g_free);
                g_assert_true(g_file_get_contents(path, &comm, NULL, NULL));
        }

        odd = identity_new(&credentials, NULL);
        own = identity_new(&(Credentials){.pid = getpid()}, NULL);
        g_assert_cmpuint(odd->started, >=, own->started);
        g_assert_cmpuint(odd->started - own->started, <, 60 * (guint64)sysconf(_SC_CLK_TCK));
        end_child(child);
}

static void assert_nobody(const Credentials *credentials)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(identity_new(credentials, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED);
}

static void test_nobody(void)
{
        pid_t gone = start_child("gone");

        end_child(gone);
        assert_nobody(NULL);
        assert_nobody(&(Credentials){.uid = 0, .pid = 0});
        assert_nobody(&(Credentials){.uid = 0, .pid = gone});
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/identity/process", test_process);
        g_test_add_func("/identity/name", test_name);
        g_test_add_func("/identity/nobody", test_nobody);
        return g_test_run();
}
