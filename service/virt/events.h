/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/member.h"
#include "virt/kind.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* libvirt's events: registering for them, and what they say. */

typedef struct Events Events;

/* One event. */
typedef struct Event {
        const Kind *kind;    /* of the object that it is about */
        const char *path;    /* of that */
        const char *uuid;    /* NULL for a kind that has none */
        const char *name;    /* valid UTF-8 */
        const char *word;    /* the kind of event, static: "lifecycle", ... */
        GVariant *details;   /* a{sv}, borrowed */
        int lifecycle;       /* libvirt's number where word is lifecycle, else -1 */
        int detail;          /* of a lifecycle that has it */
        guint32 id;          /* of an active domain, with its lifecycle; else 0 */
        gboolean may_change; /* what the mirror shows of the object may be another */
} Event;

/* What is told of an event, on the main thread, in libvirt's order. */
typedef struct EventsOwner {
        /* A signal of org.libvirt, on the object or on the connection's. @arguments stays the caller's. */
        void (*signal)(const char *path, const Interface *interface, const Member *signal,
                       GVariant *arguments, void *data);
        /* The same, as the service itself tells it; after signal(). */
        void (*event)(const Event *event, void *data);
} EventsOwner;

/* For the connection at @connection_path; all pointers must outlive it. Main thread. */
Events *events_new(const char *connection_path, const EventsOwner *owner, void *data);
void events_free(Events *events);

/* Whether the driver that @registered is about tells by events when objects of @kind, one that is mirrored,
 * come, go or change their state. Any thread. */
gboolean events_tell_of(const void *registered, const Kind *kind);

/* Registers every callback that the library and the driver of @conn have; what they lack is left out. Returns
 * what events_deregister() needs, or NULL when libvirt refuses what it has. Worker thread: each takes a round
 * trip. */
void *events_register(Events *events, virConnectPtr conn, GError **error);

/* Ends the registration and frees @registered. Worker thread. */
void events_deregister(virConnectPtr conn, void *registered);
