/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"

/* Puts org.freedesktop.LogControl1 on the bus, which "systemctl service-log-level guestbusd" speaks: how much
 * is logged, which every caller may read, changed by root and the service's own user. FALSE
 * and an error when the bus does not take it. Main thread. */
gboolean log_control_add(Bus *bus, GError **error);

/* Before the bus is left: refuses what waits, and what comes. */
void log_control_stop(void);
