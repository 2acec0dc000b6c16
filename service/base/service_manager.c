/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd_notify(). The watchdog's timer exists only where the manager asks for it, as it wakes an idle service.
 */

#include "base/service_manager.h"

#include "base/thread.h"

#include <stdarg.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static gboolean notify_watchdog(gpointer user_data)
{
        sd_notify(0, "WATCHDOG=1");
        return G_SOURCE_CONTINUE;
}

gboolean service_manager_is_wanted(void)
{
        ASSERT_MAIN();
        return g_getenv("NOTIFY_SOCKET") != NULL;
}

void service_manager_waiting(const char *status)
{
        ASSERT_MAIN();
        sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void service_manager_alive(void)
{
        ASSERT_MAIN();
        sd_notify(0, "WATCHDOG=1");
}

void service_manager_ready(void)
{
        uint64_t usec;

        ASSERT_MAIN();
        sd_notify(0, "READY=1");
        if (sd_watchdog_enabled(0, &usec) > 0)
                g_timeout_add((guint)MAX(usec / 2000, 1), notify_watchdog, NULL);
}

void service_manager_status(const char *format, ...)
{
        g_autofree char *status = NULL;
        va_list arguments;

        ASSERT_MAIN();
        va_start(arguments, format);
        status = g_strdup_vprintf(format, arguments);
        va_end(arguments);

        sd_notifyf(0, "STATUS=%s", status);
}

void service_manager_stopping(void)
{
        ASSERT_MAIN();
        sd_notify(0, "STOPPING=1");
}

void service_manager_keep(const char *name, int fd, unsigned wait_ms)
{
        g_autofree char *message = g_strdup_printf("FDSTORE=1\nFDNAME=%s", name);

        ASSERT_MAIN();
        /* With an end of ours before the manager has read this, it would not know whose it is. */
        if (sd_pid_notify_with_fds(0, 0, message, &fd, 1) > 0)
                sd_notify_barrier(0, wait_ms * (uint64_t)1000);
}

int service_manager_take(const char *name)
{
        g_auto(GStrv) names = NULL;
        int n, taken = -1;

        ASSERT_MAIN();
        n = sd_listen_fds_with_names(TRUE, &names);
        for (int i = 0; i < n; i++) {
                if (taken < 0 && g_str_equal(names[i], name))
                        taken = SD_LISTEN_FDS_START + i;
                else
                        close(SD_LISTEN_FDS_START + i);
        }

        /* What a crash leaves would be older than what was told since. */
        if (taken >= 0)
                sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
        return taken;
}
