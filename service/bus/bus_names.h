/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"

#include <glib.h>

/* The two names of the service: the one that makes it what clients of libvirt-dbus look for, and its own.
 * Main thread. */

typedef struct BusNames {
        gboolean own; /* it has its own name */
} BusNames;

/* If a service manager started this instance, waits while another instance serves: the manager would start
 * this one again and again. It waits over a connection to the bus that it closes again. Without a service
 * manager, or without a bus, it returns at once: the next step will fail then. */
void bus_names_wait(BusKind kind, const char *address);

/* Takes both names, with @replace from programs that own them and allow it. FALSE and an error when there is
 * none to serve under: another instance serves, or the bus refuses both. */
gboolean bus_names_take(BusNames *ownership, Bus *bus, gboolean replace, GError **error);

/* Another program took @name over. Returns whether there is none left to serve under. */
gboolean bus_names_lost(const BusNames *ownership, const char *name);
