/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* When everything is compared with libvirt although no client asks for it. Main thread. */

typedef struct ComparisonSchedule ComparisonSchedule;

typedef void ComparisonScheduleFunc(void *data);

/* Calls @func each @interval seconds (0: not at all) while a connection is open; and, while it is open to a
 * driver that tells nothing of some objects, @poll each @poll_interval seconds (0: not at all). */
ComparisonSchedule *comparison_schedule_new(unsigned interval, ComparisonScheduleFunc *func,
                                            unsigned poll_interval, ComparisonScheduleFunc *poll, void *data);

/* NULL is fine. */
void comparison_schedule_free(ComparisonSchedule *schedule);

/* A connection was opened; with @again one had been lost before, and @func is called a few times more, soon,
 * and without it almost as soon, where there are events. With @polls there are objects that the driver tells
 * nothing of. */
void comparison_schedule_begin(ComparisonSchedule *schedule, gboolean again, gboolean polls);

/* While it is open: whether there are such objects has changed. */
void comparison_schedule_set_polls(ComparisonSchedule *schedule, gboolean polls);

/* It was lost, or is left: nothing is called any more. */
void comparison_schedule_end(ComparisonSchedule *schedule);
