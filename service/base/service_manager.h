/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Messages to the service manager. Without one, these functions do nothing. Main thread. */

/* Whether there is a service manager that started us, and would start us again. */
gboolean service_manager_is_wanted(void);

/* READY=1 with a status line: there is nothing to serve yet, and units that are ordered after this one need
 * not wait for it. Then service_manager_alive(), WATCHDOG=1, from time to time, until
 * service_manager_ready(). */
void service_manager_waiting(const char *status);
void service_manager_alive(void);

/* READY=1, and WATCHDOG=1 from then on, twice within the time that the manager allows. */
void service_manager_ready(void);

/* STATUS=, a line for people. */
void service_manager_status(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Has the manager keep a duplicate of @fd under @name while the service is started anew, and waits for at
 * most
 * @wait_ms until it has it. A manager that stops the service for good lets go of it. */
void service_manager_keep(const char *name, int fd, unsigned wait_ms);

/* What an earlier start had kept under @name, owned, or -1; the manager keeps it no longer. Once, before
 * anything is started. */
int service_manager_take(const char *name);

/* STOPPING=1. */
void service_manager_stopping(void);
