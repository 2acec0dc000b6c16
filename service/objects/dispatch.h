/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/authority.h"
#include "access/peer.h"
#include "access/turns.h"
#include "base/config.h"
#include "bus/bus.h"
#include "connection/caller_connections.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* From a message to a call. */

typedef struct Dispatcher {
        GHashTable *connections;  /* name to Connection: what is there by form */
        CallerConnections *views; /* of those that callers are forwarded to */
        Peers *peers;
        Bus *bus;
        Authority *authority;
        Turns *turns; /* NULL: everything is answered at once */
        const Limits *limits;
        gboolean stopping; /* what comes now is refused, and what waits for its turn */
} Dispatcher;

/* Takes every method call at or below the root path. Each gets one reply: here when the request itself is
 * bad, else by the connection that takes the call. Returns what a handler of sd-bus does: 0 for what is no
 * call. Main thread. */
int dispatch(const Dispatcher *dispatcher, sd_bus_message *message);

/* The peer of that name has left the bus: what it asked for and was not begun is dropped, and it gets no more
 * replies. All that a departure means is here. Main thread. */
void dispatch_peer_gone(const Dispatcher *dispatcher, const char *name);

/* Answers all that still waits with an error, for the end. Main thread. */
void dispatch_abandon(const Dispatcher *dispatcher);

/* For the authority: @data is the Dispatcher. */
extern const AuthorityOwner dispatch_authority_owner;
