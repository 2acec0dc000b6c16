/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"

#include <glib.h>

/* Departures of callers that were not heard. Main thread.
 *
 * A dbus-daemon leaves out what a receiver that is far behind has no room for, the departure of a caller
 * among it: what that caller asked for would wait for ever, and count against its user. So the bus is asked
 * who is there: from time to time while something is held for callers, and when there is a reason to think
 * that a departure was missed. */

typedef struct Departures Departures;

typedef struct DeparturesOwner {
        /* Whether something is held for callers that costs others; asked often. While nothing is, no clock
         * runs. */
        gboolean (*holds)(void *data);
        /* Adds the names of all callers that something is held for to the set @names, owned. */
        void (*collect)(GHashTable *names, void *data);
        /* As BusOwner.caller_gone. */
        void (*gone)(const char *name, void *data);
} DeparturesOwner;

/* All pointers must outlive it. */
Departures *departures_new(Bus *bus, const DeparturesOwner *owner, void *data);

/* After the bus is freed. NULL is fine. */
void departures_free(Departures *departures);

/* There is a reason: asks now, or as soon as the last question is a moment ago. NULL is fine. */
void departures_suspect(Departures *departures);
