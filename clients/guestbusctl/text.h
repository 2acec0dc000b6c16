/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "listener/event.h"

/* Events and names for people. Pure, except for the time zone. */

/* @text on one line: control characters as \xNN, so that no name can write elsewhere on a terminal. */
char *text_escape(const char *text);

/* How many columns of a terminal @text takes. */
unsigned text_width(const char *text);

/* Local time to the millisecond, with the date where it is not that of @now. Both in microseconds since 1970.
 */
char *text_time(gint64 time, gint64 now);

/* Whether people want to read of that event: not of those that repeat in properties what another one says. */
gboolean text_is_news(const Event *event);

/* One line without its end, as "12:46:07.123 QEMU web1 stopped (crashed) → shutoff".
 * @unicode: the arrow can be shown. */
char *text_event(const Event *event, gint64 now, gboolean unicode);
