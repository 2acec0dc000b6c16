/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* When everything is compared with libvirt without anybody asking for it. Main thread. */

typedef struct Schedule Schedule;

typedef void ScheduleFunc(void *data);

/* Calls @func each @interval seconds (0: not at all) while a connection is open; and, while it is open to a
 * driver that tells nothing of some objects, @poll each @poll_interval seconds (0: not at all). */
Schedule *schedule_new(unsigned interval, ScheduleFunc *func, unsigned poll_interval, ScheduleFunc *poll,
                       void *data);

/* NULL is fine. */
void schedule_free(Schedule *schedule);

/* A connection was opened; with @again one had been lost before, and @func is called a few times more, soon.
 * With @polls there are objects that the driver tells nothing of. */
void schedule_begin(Schedule *schedule, gboolean again, gboolean polls);

/* It was lost, or is left: nothing is called any more. */
void schedule_end(Schedule *schedule);
