/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd_notify(). The watchdog's timer exists only where the manager asks for it, as it wakes an idle service.
 */

#include "base/service_manager.h"

#include "base/thread.h"

#include <stdarg.h>
#include <systemd/sd-daemon.h>

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
