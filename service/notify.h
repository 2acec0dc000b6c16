/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What the service manager is told. Without one, nothing happens. Main thread. */

/* READY=1, and WATCHDOG=1 from then on, twice within the time that the manager allows. */
void notify_ready(void);

/* STATUS=, a line for people. */
void notify_status(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* STOPPING=1. */
void notify_stopping(void);
