/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/member.h"
#include "bus/packed_value.h"
#include "virt/kind.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* libvirt's events and their contents. */

/* One event. */
typedef struct Event {
        const Kind *kind;     /* of the object that it is about */
        const char *path;     /* of that */
        const char *uuid;     /* NULL for a kind that has none */
        const char *name;     /* valid UTF-8 */
        const char *word;     /* the kind of event, static: "lifecycle", ... */
        PackedValue *details; /* a{sv}, borrowed; NULL where no message can have them */
        int lifecycle;        /* libvirt's number where word is lifecycle, else -1 */
        int detail;           /* of a lifecycle that has it */
        guint32 id;           /* of an active domain, with its lifecycle; else 0 */
        gboolean may_change;  /* what the mirror shows of the object may be outdated */
} Event;

/* What is called for each event, on the main thread, in libvirt's order. */
typedef struct EventsOwner {
        /* A signal of org.libvirt, on the object or on the connection's. @arguments stays the caller's. */
        void (*signal)(const char *path, const Interface *interface, const Member *signal,
                       GVariant *arguments, void *data);
        /* The same of a lifecycle, on the connection's object: @path is what it is about. Most events are
         * such, and their arguments are the same, so they are not made into values first. */
        void (*lifecycle)(const Interface *interface, const Member *signal, const char *path, int event,
                          int detail, void *data);
        /* What the service itself tells of it; after either. */
        void (*event)(const Event *event, void *data);
} EventsOwner;

/* libvirt has a pair of functions for each family of events. */
typedef struct EventFamily {
        const Kind *kind; /* of the objects that its events are about */
        int (*enroll)(virConnectPtr conn, int id, virConnectDomainEventGenericCallback callback,
                      void *opaque);
        int (*dismiss)(virConnectPtr conn, int callback_id);
} EventFamily;

typedef struct EventRow {
        const EventFamily *family;
        int id;
        unsigned long since; /* the libvirt that has it, as virGetVersion() says; 0 where 9.0 has it */
        const char *kind;    /* the event in virsh's words, one of its own in the family */
        const Interface *interface;
        const char *signal;
        gboolean may_change; /* the mirror may be outdated after it although no other event says so */
        virConnectDomainEventGenericCallback callback;
} EventRow;

extern const EventRow event_rows[];
extern const size_t n_event_rows;

/* What a callback gets: the row that it belongs to, and where its events go. */
typedef struct EventBinding {
        const EventRow *row;
        const Member *signal;
        const char *connection_path;
        const EventsOwner *owner;
        void *data; /* of the owner */
} EventBinding;
