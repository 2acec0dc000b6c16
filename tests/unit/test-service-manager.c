/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the service manager hears, and that nothing happens without one. */

#include "base/service_manager.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager = -1;
static GSourceFunc timer;
static guint interval;

/* In the place of GLib's. */
guint g_timeout_add(guint milliseconds, GSourceFunc func, gpointer data)
{
        timer = func;
        interval = milliseconds;
        return 1;
}

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

static const struct {
        const char *allowed; /* in microseconds */
        guint interval;      /* in milliseconds; 0: an idle service sleeps */
} watchdogs[] = {{NULL, 0}, {"200000", 100}, {"30000000", 15000}, {"1", 1}};

/* Twice within the time that it allows. */
static void test_watchdog(void)
{
        listen_as_manager();
        for (gsize i = 0; i < G_N_ELEMENTS(watchdogs); i++) {
                timer = NULL;
                interval = 0;
                if (watchdogs[i].allowed)
                        g_setenv("WATCHDOG_USEC", watchdogs[i].allowed, TRUE);
                service_manager_ready();
                check_heard("READY=1");
                g_assert_cmpuint(interval, ==, watchdogs[i].interval);
                if (!timer)
                        continue;

                g_assert_true(timer(NULL));
                check_heard("WATCHDOG=1");
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
