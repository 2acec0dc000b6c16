/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/call.h"

/* The calls of one connection to a hypervisor, in the order in which they may run: those of a lane one after
 * the other. It has no lock: its owner has one. */

typedef struct Queue Queue;

/* Calls that run at once, of all sorts. libvirtd runs 20 requests at once (max_workers), the same for all its
 * clients: when all are held up it serves no client any more, and the service must not cause that. */
#define QUEUE_RUNNING_MOST 16

/* After so long a short call is held up: another may run beside it. */
#define QUEUE_HELD_MS 200

/* At most @most_short short calls run at once for readers, and as many for others. */
Queue *queue_new(unsigned most_short);

/* Frees a queue in which nothing is left. NULL is fine. */
void queue_free(Queue *queue);

/* Takes @call, which has a lane. */
void queue_push(Queue *queue, Call *call);

/* The next of the calls for readers, or of all others, that may run @now (monotonic, in microseconds); NULL
 * when there is none. Until its queue_end() no other call of its lane is given. */
Call *queue_take(Queue *queue, gboolean reader, gint64 now);

/* The call was run. The queue knows nothing of it any more. */
void queue_end(Queue *queue, Call *call);

/* How many lanes for readers, or of all others, have a call for queue_take() but for what runs already; and
 * how many of these calls may run beside that. Those that wait for others to their object may be among them.
 */
unsigned queue_ready(const Queue *queue, gboolean reader);
unsigned queue_startable(const Queue *queue, gboolean reader, gint64 now);

/* Takes @call back, which was pushed; FALSE when it was taken already. */
gboolean queue_withdraw(Queue *queue, Call *call);

/* Takes back all that was not taken. Returns the calls, as a list to free. */
GList *queue_withdraw_all(Queue *queue);

/* Takes back all that nothing but a link for @reader is missing for. Returns the same. */
GList *queue_refuse(Queue *queue, gboolean reader);
