/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A link to the test driver inside this process, and to what is not there. */

#include "access/credentials.h"
#include "base/background.h"
#include "base/error.h"
#include "base/log.h"
#include "virt/event_loop.h"
#include "virt/link.h"

#include <glib/gstdio.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct Told {
        unsigned prepared, released; /* worker threads; read when no job runs */
        unsigned opened, lost, failed, renewed;
        char *message;
        gboolean refuse;
} Told;

static gboolean prepare(virConnectPtr conn, void *data, void **prepared, GError **error)
{
        Told *told = data;

        g_assert_nonnull(conn);
        if (told->refuse) {
                g_set_error_literal(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT, "not prepared");
                return FALSE;
        }

        told->prepared++;
        *prepared = told;
        return TRUE;
}

static void release(virConnectPtr conn, void *prepared)
{
        ((Told *)prepared)->released++;
}

static void opened(Link *link, void *data)
{
        g_assert_cmpint(link_state(link), ==, LINK_OPEN);
        g_assert_null(link_error(link));
        ((Told *)data)->opened++;
}

static void lost(Link *link, void *data)
{
        ((Told *)data)->lost++;
}

static void renewed(Link *link, void *data)
{
        g_assert_nonnull(link_prepared(link));
        ((Told *)data)->renewed++;
}

static void failed(Link *link, const GError *error, void *data)
{
        Told *told = data;

        told->failed++;
        g_free(told->message);
        told->message = g_strdup(error->message);
}

static const LinkOwner owner = {.prepare = prepare,
                                .release = release,
                                .opened = opened,
                                .lost = lost,
                                .renewed = renewed,
                                .failed = failed};
static const Limits limits = {.open_timeout = 10, .keepalive_interval = 5, .keepalive_count = 5};

static void finish(Link *link)
{
        link_shut(link);
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        /* What closing made libvirt free is posted to the loop. */
        while (g_main_context_iteration(NULL, FALSE))
                ;
        link_free(link);
}

static void test_open(void)
{
        Told told = {};
        Link *link = link_new("Test", "test:///default", FALSE, &limits, &owner, &told);
        g_autoptr(GError) error = NULL;
        virConnectPtr conn;

        g_assert_null(link_acquire(link, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT);

        link_open(link);
        g_assert_cmpint(link_state(link), ==, LINK_OPENING);
        link_open(link); /* a second wish changes nothing */
        while (told.opened == 0)
                g_main_context_iteration(NULL, TRUE);

        conn = link_acquire(link, NULL);
        g_assert_nonnull(conn);
        g_assert_cmpint(virConnectNumOfDomains(conn), ==, 1);
        virConnectClose(conn);

        finish(link);
        g_assert_cmpuint(told.prepared, ==, 1);
        g_assert_cmpuint(told.released, ==, 1);
        g_assert_cmpuint(told.opened, ==, 1);
        g_assert_cmpuint(told.lost + told.failed, ==, 0);
}

static Link *open_link(Told *told)
{
        Link *link = link_new("Test", "test:///default", FALSE, &limits, &owner, told);

        link_open(link);
        while (told->opened == 0)
                g_main_context_iteration(NULL, TRUE);
        return link;
}

/* What was begun is given up, and the next wish takes it on. */
static void test_close_while_opening(void)
{
        Told told = {};
        Link *link = link_new("Test", "test:///default", FALSE, &limits, &owner, &told);

        link_open(link);
        link_close(link);
        while (link_state(link) != LINK_CLOSED)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(told.opened + told.failed + told.lost, ==, 0);

        link_open(link);
        link_close(link);
        link_open(link);
        while (told.opened == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(link_state(link), ==, LINK_OPEN);
        g_assert_cmpuint(told.prepared, ==, 2);

        link_close(link);
        g_assert_cmpint(link_state(link), ==, LINK_CLOSED);
        link_open(link);
        while (told.opened == 1)
                g_main_context_iteration(NULL, TRUE);
        finish(link);
        g_assert_cmpuint(told.prepared, ==, 3);
        g_assert_cmpuint(told.released, ==, 3);
        g_assert_cmpuint(told.failed + told.lost, ==, 0);
}

static void test_renew(void)
{
        Told told = {};
        Link *link = open_link(&told);

        link_renew(link);
        link_renew(link); /* is under way */
        g_assert_cmpint(link_state(link), ==, LINK_OPEN);
        while (told.renewed == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(told.prepared, ==, 2);
        g_assert_cmpuint(told.released, ==, 1);

        finish(link);
        g_assert_cmpuint(told.prepared, ==, 2);
        g_assert_cmpuint(told.released, ==, 2);
        g_assert_cmpuint(told.renewed, ==, 1);
        g_assert_cmpuint(told.lost + told.failed, ==, 0);
}

/* The end comes while the job has the connection. */
static void test_shut_while_renewing(void)
{
        Told told = {};
        Link *link = open_link(&told);

        link_renew(link);
        finish(link);
        g_assert_cmpuint(told.renewed, ==, 0);
        g_assert_cmpuint(told.prepared, ==, 2);
        g_assert_cmpuint(told.released, ==, 2);
        g_assert_cmpuint(told.lost, ==, 0);

        link = link_new("Test", "test:///default", FALSE, &limits, &owner, &told);
        link_renew(link); /* is not open */
        finish(link);
        g_assert_cmpuint(told.prepared, ==, 2);
}

static void test_renew_fails(void)
{
        Told told = {};
        Link *link = open_link(&told);

        told.refuse = TRUE;
        link_renew(link);
        while (told.lost == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(link_state(link), ==, LINK_CLOSED);
        g_assert_cmpuint(told.renewed, ==, 0);
        finish(link);
        g_assert_cmpuint(told.released, ==, 1);
}

static void test_fails(void)
{
        Told told = {};
        Link *link = link_new("Gone", "qemu+unix:///system?socket=/nonexistent/sock", FALSE, &limits, &owner,
                              &told);

        link_open(link);
        while (told.failed == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(link_state(link), ==, LINK_CLOSED);
        g_assert_nonnull(link_error(link));
        g_assert_cmpstr(link_error(link)->message, ==, told.message);
        g_assert_nonnull(strstr(told.message, "/nonexistent/sock"));

        /* The next attempt is free to begin, and hope with it. */
        link_open(link);
        g_assert_null(link_error(link));
        while (told.failed == 1)
                g_main_context_iteration(NULL, TRUE);

        finish(link);
        g_assert_cmpuint(told.prepared + told.released + told.opened, ==, 0);
        g_free(told.message);
}

/* A connection that cannot be prepared is no connection; it is tried again by itself. */
static void test_not_prepared(void)
{
        Told told = {.refuse = TRUE};
        Link *link = link_new("Test", "test:///default", FALSE, &limits, &owner, &told);

        link_open(link);
        while (told.failed == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpstr(told.message, ==, "not prepared");

        told.refuse = FALSE;
        while (told.opened == 0)
                g_main_context_iteration(NULL, TRUE);

        finish(link);
        g_assert_cmpuint(told.released, ==, 1);
        g_free(told.message);
}

/* The end comes while the attempt is on its way: nobody is told any more, and nothing is left open. */
static void test_shut_while_opening(void)
{
        Told told = {};
        Link *link = link_new("Test", "test:///default", FALSE, &limits, &owner, &told);

        link_open(link);
        finish(link);
        g_assert_cmpuint(told.opened + told.failed + told.lost, ==, 0);
        g_assert_cmpuint(told.prepared, ==, told.released);
}

/* Who is to be forwarded is never served in another name: not where it is nobody, and not where libvirt does
 * not take it, as its drivers inside this process. */
static void assert_not_opened(const Identity *identity, const char *because)
{
        Told told = {};
        Link *link = link_new("Test", "test:///default", FALSE, &limits, &owner, &told);

        link_forward(link, identity);
        link_open(link);
        g_assert_true(link_is_busy(link));
        while (told.failed == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_nonnull(strstr(told.message, because));
        g_assert_cmpint(link_state(link), ==, LINK_CLOSED);
        g_assert_null(link_acquire(link, NULL));

        link_shut(link);
        while (link_is_busy(link))
                g_main_context_iteration(NULL, TRUE);
        finish(link);
        g_assert_cmpuint(told.prepared + told.opened, ==, 0);
        g_free(told.message);
}

static void test_forward(void)
{
        const Credentials credentials = {.uid = getuid(), .pid = getpid()};
        g_autofree Identity *identity = credentials_identity(&credentials, NULL);

        assert_not_opened(NULL, "whose identity is known");
        assert_not_opened(identity, "failed to forward the caller to libvirt: ");
}

/* A socket that takes connections and answers none; one that was there is replaced, as by a libvirtd that
 * finds the socket of one that was killed. */
static int listen_at(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        g_assert_cmpint(fd, >=, 0);
        g_strlcpy(address.sun_path, path, sizeof address.sun_path);
        unlink(path);
        g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
        g_assert_cmpint(listen(fd, 8), ==, 0);
        return fd;
}

static gboolean has_caller(int fd)
{
        struct pollfd record = {.fd = fd, .events = POLLIN};

        return poll(&record, 1, 0) > 0;
}

static gboolean on_late(gpointer data)
{
        *(gboolean *)data = TRUE;
        return G_SOURCE_REMOVE;
}

/* Longer than two of the first waits, shorter than what a link waits after as many failures as here. */
#define SOON_S   8
#define FAILURES 10

/* The socket of a libvirtd that was killed, calls that find nobody there, and the next libvirtd while one of
 * them is at it: it is met at once, not when the long wait after so many failures is over. */
static void test_socket_replaced_while_opening(void)
{
        g_autofree char *directory = g_dir_make_tmp("guestbus-link-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(directory, "libvirt-sock", NULL);
        g_autofree char *uri = g_strdup_printf("qemu+unix:///system?socket=%s", path);
        Told told = {};
        Link *link = link_new("Back", uri, FALSE, &limits, &owner, &told);
        int before, after;
        gboolean late = FALSE;
        unsigned timer;

        close(listen_at(path));
        for (unsigned i = 0; i < FAILURES; i++) {
                link_open(link);
                while (told.failed == i)
                        g_main_context_iteration(NULL, TRUE);
        }

        before = listen_at(path);
        link_open(link);
        while (!has_caller(before))
                g_main_context_iteration(NULL, FALSE);
        after = listen_at(path);
        close(before);
        while (told.failed == FAILURES)
                g_main_context_iteration(NULL, TRUE);

        timer = g_timeout_add_seconds(SOON_S, on_late, &late);
        while (!has_caller(after) && !late)
                g_main_context_iteration(NULL, FALSE);
        g_assert_false(late);
        g_source_remove(timer);

        close(after);
        finish(link);
        unlink(path);
        g_rmdir(directory);
        g_free(told.message);
}

/* A modular daemon that is not there is not asked for again before it is. */
static void test_daemon_that_appears(void)
{
        g_autofree char *directory = g_dir_make_tmp("guestbus-link-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(directory, "virtqemud-sock", NULL);
        g_autofree char *other = g_build_filename(directory, "virtlxcd-sock", NULL);
        g_autofree char *uri = g_strdup_printf("qemu+unix:///system?socket=%s", path);
        Told told = {};
        Link *link = link_new("Late", uri, FALSE, &limits, &owner, &told);
        int there;

        link_open(link);
        while (told.failed == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_nonnull(strstr(told.message, "virtqemud-sock"));

        close(listen_at(other));
        there = listen_at(path);
        while (!has_caller(there))
                g_main_context_iteration(NULL, FALSE);
        g_assert_cmpuint(told.failed, ==, 1);

        close(there);
        finish(link);
        unlink(path);
        unlink(other);
        g_rmdir(directory);
        g_free(told.message);
}

static gboolean on_stir(gpointer path)
{
        unlink(path);
        g_assert_true(g_file_set_contents(path, "", 0, NULL));
        return G_SOURCE_CONTINUE;
}

/* Other files that come and go beside a socket where nobody listens keep no attempt from its time. */
static void test_busy_directory(void)
{
        g_autofree char *directory = g_dir_make_tmp("guestbus-link-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(directory, "libvirt-sock", NULL);
        g_autofree char *other = g_build_filename(directory, "other", NULL);
        g_autofree char *uri = g_strdup_printf("qemu+unix:///system?socket=%s", path);
        Told told = {};
        Link *link = link_new("Back", uri, FALSE, &limits, &owner, &told);
        gboolean late = FALSE;
        unsigned timer, stir;

        close(listen_at(path));
        stir = g_timeout_add(10, on_stir, other);
        timer = g_timeout_add_seconds(SOON_S, on_late, &late);
        link_open(link);
        while (told.failed < 4 && !late)
                g_main_context_iteration(NULL, TRUE);
        g_assert_false(late);
        g_source_remove(timer);
        g_source_remove(stir);

        finish(link);
        unlink(other);
        unlink(path);
        g_rmdir(directory);
        g_free(told.message);
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        /* As in the service: libvirt writes to who has left. */
        signal(SIGPIPE, SIG_IGN);
        log_init(LOG_NOTICE);
        g_assert_cmpint(virInitialize(), ==, 0);
        main_queue_init();
        event_loop_register();
        g_test_add_func("/link/open", test_open);
        g_test_add_func("/link/close-while-opening", test_close_while_opening);
        g_test_add_func("/link/renew", test_renew);
        g_test_add_func("/link/shut-while-renewing", test_shut_while_renewing);
        g_test_add_func("/link/renew-fails", test_renew_fails);
        g_test_add_func("/link/fails", test_fails);
        g_test_add_func("/link/not-prepared", test_not_prepared);
        g_test_add_func("/link/shut-while-opening", test_shut_while_opening);
        g_test_add_func("/link/forward", test_forward);
        g_test_add_func("/link/socket-replaced-while-opening", test_socket_replaced_while_opening);
        g_test_add_func("/link/daemon-that-appears", test_daemon_that_appears);
        g_test_add_func("/link/busy-directory", test_busy_directory);
        r = g_test_run();
        main_queue_shutdown();
        return r;
}
