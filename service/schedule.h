/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* When everything is compared with libvirt without anybody asking for it. Main thread. */

typedef struct Schedule Schedule;

typedef void ScheduleFunc(void *data);

/* Calls @func each @interval seconds (0: not at all) while a connection is open. */
Schedule *schedule_new(unsigned interval, ScheduleFunc *func, void *data);

/* NULL is fine. */
void schedule_free(Schedule *schedule);

/* A connection was opened; with @again one had been lost before, and @func is called a few times more, soon.
 */
void schedule_begin(Schedule *schedule, gboolean again);

/* It was lost, or is left: nothing is called any more. */
void schedule_end(Schedule *schedule);
