/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/call.h"

/* The calls of one libvirt connection and the threads that run them. */

typedef struct Queue Queue;

/* At most @workers calls run at once. Main thread, as all of these. */
Queue *queue_new(unsigned workers);

/* Frees a queue in which nothing is left. NULL is fine. */
void queue_free(Queue *queue);

/* Runs @call when its turn comes: after the calls of the same caller to the same object, beside all others.
 * Then call->completed is called on the main thread. */
void queue_push(Queue *queue, Call *call);

/* Takes back what @peer has waiting and has not begun. Returns the calls, of which the queue knows nothing
 * any more, as a list to free; @peer NULL takes all. */
GList *queue_withdraw(Queue *queue, const Peer *peer);
