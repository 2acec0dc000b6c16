/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/peer.h"
#include "bus/bus.h"

#include <glib.h>

/* Departures of peers that were not heard. Main thread.
 *
 * A dbus-daemon leaves out what a receiver that is far behind has no room for, the departure of a caller
 * among it: what that caller asked for would wait for ever, and count against its user. So the bus is asked
 * which names are there: from time to time while something is held for callers, when many more callers are
 * known than were at the last question, and when there is another reason to think that a departure was
 * missed.
 */

typedef struct Departures Departures;

/* As BusOwner.peer_gone. */
typedef void DeparturesFunc(const char *name, void *data);

/* All pointers must outlive it. */
Departures *departures_new(Bus *bus, const Peers *peers, DeparturesFunc *gone, void *data);

/* After the bus is freed. NULL is fine. */
void departures_free(Departures *departures);

/* There is a reason: asks now, or as soon as the last question is a moment ago. NULL is fine. */
void departures_suspect(Departures *departures);
