/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service manager hears, and that nothing happens without one. */

#include "base/service_manager.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1;

static void listen_as_manager(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        g_autofree char *name = g_strdup_printf("@guestbus-test-%d", getpid());

        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        g_assert_cmpint(manager, >=, 0);
        strcpy(address.sun_path + 1, name + 1);
        g_assert_cmpint(bind(manager, (struct sockaddr *)&address,
                             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                        ==, 0);
        g_setenv("NOTIFY_SOCKET", name, TRUE);
}

static void check_heard(const char *expected)
{
        char text[256] = "";
        ssize_t n = read(manager, text, sizeof text - 1);

        g_assert_cmpstr(n > 0 ? text : NULL, ==, expected);
}

static void test_words(void)
{
        listen_as_manager();
        g_assert_true(service_manager_is_wanted());
        service_manager_waiting("for another");
        check_heard("READY=1\nSTATUS=for another");
        service_manager_alive();
        check_heard("WATCHDOG=1");
        service_manager_status("%d of %s", 2, "three");
        check_heard("STATUS=2 of three");
        service_manager_ready();
        check_heard("READY=1");
        service_manager_stopping();
        check_heard("STOPPING=1");
        check_heard(NULL);
        g_unsetenv("NOTIFY_SOCKET");
        close(manager);
}

/* Twice within the time that it allows; and an idle service sleeps where it wants none. */
static void test_watchdog(void)
{
        gint64 began;

        listen_as_manager();
        service_manager_ready();
        check_heard("READY=1");
        g_assert_false(g_main_context_pending(NULL));
        g_setenv("WATCHDOG_USEC", "200000", TRUE);
        began = g_get_monotonic_time();
        service_manager_ready();
        check_heard("READY=1");
        for (unsigned i = 1; i <= 2; i++) {
                g_main_context_iteration(NULL, TRUE);
                check_heard("WATCHDOG=1");
                g_assert_cmpint(g_get_monotonic_time() - began, >=, i * 90 * G_TIME_SPAN_MILLISECOND);
        }

        g_unsetenv("WATCHDOG_USEC");
        g_unsetenv("NOTIFY_SOCKET");
        close(manager);
}

static void test_none(void)
{
        g_unsetenv("NOTIFY_SOCKET");
        g_assert_false(service_manager_is_wanted());
        service_manager_waiting("for none");
        service_manager_alive();
        service_manager_ready();
        service_manager_status("%s", "none");
        service_manager_stopping();
}

int main(int argc, char **argv)
{
        g_unsetenv("WATCHDOG_PID");
        g_unsetenv("WATCHDOG_USEC");
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/service-manager/words", test_words);
        g_test_add_func("/service-manager/watchdog", test_watchdog);
        g_test_add_func("/service-manager/none", test_none);

        return g_test_run();
}
