/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "virt/event_table.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* Registering for libvirt's events. */

typedef struct Events Events;

/* For the connection at @connection_path; all pointers must outlive it. Main thread. */
Events *events_new(const char *connection_path, const EventsOwner *owner, void *data);
void events_free(Events *events);

/* Whether the driver that @registered belongs to has events for objects of @kind, which is mirrored, that
 * come, go or change their state. Any thread. */
gboolean events_tell_of(const void *registered, const Kind *kind);

/* Registers every callback that the library and the driver of @conn have, with @only those of events about
 * objects of that kind; what they lack is left out. Returns what events_deregister() needs, or NULL and an
 * error when libvirt refuses one that it has. Worker thread: each takes a round trip. */
void *events_register(Events *events, virConnectPtr conn, const Kind *only, GError **error);

/* Ends the registration and frees @registered. Worker thread. */
void events_deregister(virConnectPtr conn, void *registered);
