/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "member.h"

/* libvirt's events, as D-Bus signals. */

typedef struct Events Events;

/* What is told of an event, on the main thread, in libvirt's order. */
typedef struct EventsOwner {
        /* A signal on the domain's object, or on the connection's when @on_connection. @arguments is
         * floating. */
        void (*signal)(const char *path, const Interface *interface, const Member *signal,
                       GVariant *arguments, void *data);
        /* The domain of that UUID may have come or gone. */
        void (*changed)(const char *uuid, void *data);
} EventsOwner;

/* For the connection at @connection_path; all pointers must outlive it. Main thread. */
Events *events_new(const char *connection_path, const EventsOwner *owner, void *data);
void events_free(Events *events);

/* Registers every callback that the driver of @conn has; what it lacks is left out. Returns what
 * events_deregister() needs, or NULL when libvirt refuses what it has. Worker thread: each takes a round
 * trip. */
void *events_register(Events *events, virConnectPtr conn, GError **error);

/* Ends the registration and frees @registered. Worker thread. */
void events_deregister(virConnectPtr conn, void *registered);
