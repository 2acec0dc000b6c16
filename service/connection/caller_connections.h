/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/peer.h"
#include "base/config.h"
#include "bus/bus.h"
#include "connection/connection.h"
#include "mirror/event_numbers.h"

#include <glib.h>

/* What each caller sees where callers are forwarded to libvirt: connections of the caller's own, in libvirt's
 * eyes too, in the place of those that stand for them. Main thread.
 *
 * A view belongs to one identity (identity.h) and serves all bus names of that process; its signals go to
 * them alone. It is opened by the first call that needs it, and closed some time after the last of its names
 * has left the bus. */

typedef struct CallerConnections CallerConnections;

/* @connections maps names to Connection: those that callers are forwarded to are replaced, the others are
 * everybody's. Events are numbered from @numbers. All pointers must outlive it. NULL where no connection is
 * forwarded: the functions below that return nothing take that. */
CallerConnections *caller_connections_new(const Config *config, Bus *bus, EventNumbers *numbers,
                                          GHashTable *connections, ConnectionChanged *changed, void *data);

/* What @peer, whose credentials are known, sees, name to Connection; it stays until the peer leaves the bus
 * and its calls are answered. NULL and an error when the caller cannot be told from others, or there are too
 * many.
 */
GHashTable *caller_connections_enter(CallerConnections *views, Peer *peer, GError **error);

/* @peer has left the bus: it is told nothing more. Nothing where it has no view. */
void caller_connections_drop_peer(Peer *peer);

/* Compares all views with libvirt: it may tell some callers more now, or less. */
void caller_connections_compare(CallerConnections *views);

/* As the functions of the connections: all of them, at the end. */
void caller_connections_stop(CallerConnections *views);
gboolean caller_connections_are_busy(const CallerConnections *views);

/* After caller_connections_stop(), when nothing is busy and no job runs. */
void caller_connections_free(CallerConnections *views);
