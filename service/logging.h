/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where messages go: the journal with fields where systemd reads standard error, plain lines elsewhere. */

/* Main thread, first thing. @verbose lets debug and info messages through. */
void logging_init(gboolean verbose);

/* Logs a line about one connection; the journal has its name and URI as GUESTBUS_CONNECTION and LIBVIRT_URI.
 * @format is a literal. Any thread. */
#define log_connection(level, name, uri, format, ...)                                                        \
        g_log_structured(G_LOG_DOMAIN, (level), "GUESTBUS_CONNECTION", (name), "LIBVIRT_URI", (uri),         \
                         "MESSAGE", "%s: " format, (name), ##__VA_ARGS__)
