/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config.h"

#include <glib.h>

/* How much the bus has yet to read of what was sent to it. Main thread. */

typedef struct SendQueue SendQueue;

SendQueue *send_queue_new(const Limits *limits);

/* NULL is fine. */
void send_queue_free(SendQueue *output);

/* A message of about @size bytes was sent; now @queued messages wait, including that one if it does. A
 * message that is not reported here counts as well, as soon as it is among those that wait. */
void send_queue_sent(SendQueue *output, size_t size, guint64 queued);

/* Of all messages, @queued wait at the time @now, monotonic, in microseconds. With @moved the bus has read
 * something since the last time. */
void send_queue_look(SendQueue *output, guint64 queued, gboolean moved, gint64 now);

/* About how many bytes wait. */
size_t send_queue_waiting(const SendQueue *output);

/* Whether so much waits that no more requests should be taken on. */
gboolean send_queue_is_behind(const SendQueue *output);

/* Whether @size more bytes are within the limit. */
gboolean send_queue_has_room(const SendQueue *output, size_t size);

/* The monotonic time, in microseconds, from which on a bus that reads nothing counts as gone; -1 for never.
 */
gint64 send_queue_deadline(const SendQueue *output);
