/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A link to the test driver inside this process, and to what is not there. */

#include "error.h"
#include "job.h"
#include "link.h"
#include "logging.h"
#include "loop.h"

#include <libvirt/virterror.h>

typedef struct Told {
        unsigned prepared, released; /* worker threads; read when no job runs */
        unsigned opened, lost, failed;
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

static void failed(Link *link, const GError *error, void *data)
{
        Told *told = data;

        told->failed++;
        g_free(told->message);
        told->message = g_strdup(error->message);
}

static const LinkOwner owner = {
        .prepare = prepare, .release = release, .opened = opened, .lost = lost, .failed = failed};
static const Limits limits = {.open_timeout = 10, .keepalive_interval = 5, .keepalive_count = 5};

static void finish(Link *link)
{
        link_shut(link);
        while (jobs_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        /* What closing made libvirt free is posted to the loop. */
        while (g_main_context_iteration(NULL, FALSE))
                ;
        link_free(link);
}

static void test_open(void)
{
        Told told = {};
        Link *link = link_new("Test", "test:///default", &limits, &owner, &told);
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

static void test_fails(void)
{
        Told told = {};
        Link *link = link_new("Gone", "qemu+unix:///system?socket=/nonexistent/sock", &limits, &owner, &told);

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
        Link *link = link_new("Test", "test:///default", &limits, &owner, &told);

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
        Link *link = link_new("Test", "test:///default", &limits, &owner, &told);

        link_open(link);
        finish(link);
        g_assert_cmpuint(told.opened + told.failed + told.lost, ==, 0);
        g_assert_cmpuint(told.prepared, ==, told.released);
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        logging_init(FALSE);
        g_assert_cmpint(virInitialize(), ==, 0);
        post_init();
        loop_register();
        g_test_add_func("/link/open", test_open);
        g_test_add_func("/link/fails", test_fails);
        g_test_add_func("/link/not-prepared", test_not_prepared);
        g_test_add_func("/link/shut-while-opening", test_shut_while_opening);
        r = g_test_run();
        post_shutdown();
        return r;
}
