/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "virt/identity.h"

#include "access/credentials.h"
#include "base/error.h"
#include "base/process.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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
        Credentials credentials = {.uid = 1000, .pid = getpid(), .started = process_started(getpid())};
        g_autofree Identity *own = credentials_identity(&credentials, NULL);
        g_autofree Identity *again = credentials_identity(&credentials, NULL);
        g_autofree Identity *parents = NULL, *users = NULL;

        g_assert_cmpuint(own->uid, ==, 1000);
        g_assert_cmpint(own->pid, ==, getpid());
        g_assert_cmpuint(own->started, >, 0);
        g_assert_true(identity_equal(own, again));
        g_assert_cmpuint(identity_hash(own), ==, identity_hash(again));

        credentials.uid = 1001;
        users = credentials_identity(&credentials, NULL);
        g_assert_false(identity_equal(own, users));
        again->started++;
        g_assert_false(identity_equal(own, again));
        credentials.pid = getppid();
        credentials.started = process_started(getppid());
        parents = credentials_identity(&credentials, NULL);
        g_assert_false(identity_equal(users, parents));
}

/* The name of a process is its own business. */
static void test_name(void)
{
        pid_t child = start_child("a) S 1 (");
        const Credentials credentials = {.uid = getuid(), .pid = child};
        g_autofree Identity *odd = NULL, *own = NULL;

        /* The name is there when the field is read twice alike: the child is on its way. */
        for (g_autofree char *path = g_strdup_printf("/proc/%d/comm", (int)child), *comm = NULL;
             !comm || !strstr(comm, "a) S"); g_usleep(1000)) {
                g_clear_pointer(&comm, g_free);
                g_assert_true(g_file_get_contents(path, &comm, NULL, NULL));
        }

        odd = credentials_identity(&credentials, NULL);
        own = credentials_identity(&(Credentials){.uid = getuid(), .pid = getpid()}, NULL);
        g_assert_cmpuint(odd->started, >=, own->started);
        g_assert_cmpuint(odd->started - own->started, <, 60 * (guint64)sysconf(_SC_CLK_TCK));
        end_child(child);
}

static void assert_refused(const Credentials *credentials, const char *words)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(credentials_identity(credentials, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED);
        g_assert_nonnull(strstr(error->message, words));
}

static void assert_nobody(const Credentials *credentials)
{
        assert_refused(credentials, "not visible");
}

static void test_nobody(void)
{
        pid_t gone = start_child("gone");

        end_child(gone);
        assert_nobody(NULL);
        assert_nobody(&(Credentials){.uid = 0, .pid = 0});
        assert_nobody(&(Credentials){.uid = 0, .pid = gone});
}

/* Without a handle on the process, all that there is to go by is its user and its start. */
static void test_another(void)
{
        const guint64 started = process_started(getpid()), now = process_now();
        Credentials credentials = {.uid = getuid(), .pid = getpid(), .connected = now};
        g_autofree Identity *own = credentials_identity(&credentials, NULL);
        g_autofree Identity *at_once = NULL;

        g_assert_nonnull(own);
        g_assert_cmpuint(started, <=, now);
        g_assert_cmpuint(now - started, <, 3600 * (guint64)sysconf(_SC_CLK_TCK));
        credentials.connected = started;
        at_once = credentials_identity(&credentials, NULL);
        g_assert_nonnull(at_once);

        credentials.connected = started - 1;
        assert_refused(&credentials, "began after its connection");
        credentials = (Credentials){.uid = getuid() + 1, .pid = getpid(), .connected = now};
        assert_refused(&credentials, "another user's");
        /* With one, its start alone decides. */
        credentials.started = started;
        credentials.connected = started - 1;
        g_clear_pointer(&own, g_free);
        own = credentials_identity(&credentials, NULL);
        g_assert_nonnull(own);
        credentials.started++;
        assert_refused(&credentials, "another one has its number");
}

/* What a bus tells that gives a handle, which is @fd. */
static gboolean parse(int fd, Credentials *credentials)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_autoptr(GVariant) dictionary = NULL;
        g_autofree char *text = NULL;
        int handle = g_unix_fd_list_append(fds, fd, NULL);

        /* The number beside it is another one's, which is not believed. */
        text = g_strdup_printf("{'UnixUserID': <uint32 7>, 'ProcessID': <uint32 1>, "
                               "'UnixGroupIDs': <[uint32 8]>, 'ProcessFD': <handle %d>}",
                               handle);
        dictionary = g_variant_ref_sink(g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL));
        return credentials_parse(dictionary, fds, credentials);
}

static void test_handle(void)
{
        pid_t child = start_child("held");
        int fd = (int)syscall(SYS_pidfd_open, child, 0), other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        g_autofree Identity *identity = NULL;
        Credentials credentials;

        g_assert_cmpint(fd, >=, 0);
        g_assert_true(parse(fd, &credentials));
        g_assert_cmpuint(credentials.uid, ==, 7);
        g_assert_true(credentials_have_group(&credentials, 8));
        g_assert_false(credentials_have_group(&credentials, 7));
        g_clear_pointer(&credentials.groups, g_variant_unref);
        g_assert_cmpint(credentials.pid, ==, child);
        g_assert_cmpuint(credentials.started, ==, process_started(child));
        identity = credentials_identity(&credentials, NULL);
        g_assert_cmpint(identity->pid, ==, child);

        /* It has ended: what was read stands for nobody, and there is nothing to read. */
        end_child(child);
        assert_nobody(&credentials);
        for (unsigned i = 0; i < 2; i++) {
                g_assert_true(parse(i == 0 ? fd : other, &credentials));
                g_clear_pointer(&credentials.groups, g_variant_unref);
                g_assert_cmpint(credentials.pid, ==, 0);
                assert_nobody(&credentials);
        }
        close(fd);
        close(other);
}

/* What a bus tells that gives none, and what is nothing. */
static void test_no_handle(void)
{
        static const struct {
                const char *text;
                gboolean known;
                pid_t pid;
        } rows[] = {
                {"{'UnixUserID': <uint32 7>, 'ProcessID': <uint32 9>}", TRUE, 9},
                {"{'UnixUserID': <uint32 7>}", TRUE, 0},
                {"{'UnixUserID': <uint32 7>, 'ProcessID': <uint32 9>, 'ProcessFD': <handle 3>}", TRUE, 0},
                {"{'UnixUserID': <'7'>, 'ProcessID': <uint32 9>}", FALSE, 0},
                {"{'ProcessID': <uint32 9>}", FALSE, 0},
                {"@a{sv} {}", FALSE, 0},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GVariant) dictionary = g_variant_ref_sink(
                        g_variant_parse(G_VARIANT_TYPE_VARDICT, rows[i].text, NULL, NULL, NULL));
                Credentials credentials = {};

                g_assert_cmpint(credentials_parse(dictionary, NULL, &credentials), ==, rows[i].known);
                g_assert_cmpint(credentials.pid, ==, rows[i].pid);
                g_assert_cmpuint(credentials.started, ==, 0);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/identity/process", test_process);
        g_test_add_func("/identity/name", test_name);
        g_test_add_func("/identity/nobody", test_nobody);
        g_test_add_func("/identity/another", test_another);
        g_test_add_func("/identity/handle", test_handle);
        g_test_add_func("/identity/no-handle", test_no_handle);
        return g_test_run();
}
