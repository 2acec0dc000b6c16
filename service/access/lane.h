/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/peer.h"
#include "bus/member.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* The requests of one peer about one object, in the order in which they were sent.
 *
 *      unread message ──decided──→ call ──queued──→ running ──→ ended
 *
 * A message waits unread until it is decided whether its peer has the right, and those behind it wait as
 * well. Then it is a call, which waits for its worker behind the lane's earlier ones. What is answered from
 * memory passes by once it is decided, and what has run but is not shown yet holds up nothing.
 *
 * A lane hangs from its peer, and is there for as long as anything of it is. Main thread, but for the part
 * that is a queue's. */
typedef struct Lane {
        Peer *peer;
        GQueue unread;       /* of UnreadMessage; charged to the peer */
        guint64 awaited;     /* the question of the authority's that the first of these waits for */
        unsigned open_calls; /* that were put into it and are there still */

        /* A queue's (call/queue.h), under its lock. */
        GQueue queued;       /* of Call: those not begun, by their step */
        GQueue *in;          /* one of the queue's; NULL while nothing is queued and nothing runs */
        GList place;         /* in that */
        const Member *about; /* of its next call, or of the one that runs: NULL where the path says it all */
        gboolean reader, is_long;
        gint64 since;         /* when it was begun; monotonic, us */
        gboolean awaited_end; /* others to the same object wait for its end */

        char path[];
} Lane;

/* FALSE when @message has to go on waiting. */
typedef gboolean LaneFunc(Peer *peer, sd_bus_message *message, void *data);

/* Whether something waits unread for the object at @path. */
gboolean lane_has_unread(const Peer *peer, const char *path);

/* Keeps @message behind those of the same object. NULL and an error when there is no room for it. */
Lane *lane_keep(Peer *peer, sd_bus_message *message, GError **error);

/* Gives what is unread to @func, one by one, until one has to go on waiting: returns FALSE then. The lane may
 * be gone after TRUE. */
gboolean lane_retry(Lane *lane, LaneFunc *func, void *data);

/* The lanes of @peer that have something unread, as a list to free. */
GList *lanes_unread(const Peer *peer);

/* Answers all that @peer has unread with an error and drops it. */
void lanes_refuse(const Peer *peer, const char *why);

/* The lane of a call to the object at @path, which it holds until lane_leave(). The peer is still there. */
Lane *lane_enter(Peer *peer, const char *path);
void lane_leave(Lane *lane);
