/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <syslog.h>

/* Where messages go: the journal with fields where systemd reads standard error, plain lines elsewhere. */

/* What our messages are found under in the journal. */
#define LOGGING_IDENTIFIER "guestbusd"

/* Main thread, first thing. Messages up to @level are let through, LOG_EMERG to LOG_DEBUG of <syslog.h>;
 * GLib's warnings and criticals are LOG_WARNING, its messages LOG_NOTICE. */
void log_init(int level);

/* The level may be changed at any time. Any thread. */
int log_level(void);
void log_set_level(int level);

/* Logs why the program ends when it should not, as an error: LOG_ERR, which GLib has no level for. Any
 * thread. */
void log_fatal(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Whether messages go to the journal. Any thread. */
gboolean log_to_journal(void);

/* Logs a line about one connection; the journal has its name and URI as GUESTBUS_CONNECTION and LIBVIRT_URI.
 * @format is a literal. Any thread. */
#define log_connection(level, name, uri, format, ...)                                                        \
        g_log_structured(G_LOG_DOMAIN, (level), "GUESTBUS_CONNECTION", (name), "LIBVIRT_URI", (uri),         \
                         "MESSAGE", "%s: " format, (name), ##__VA_ARGS__)
