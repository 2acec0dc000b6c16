/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "virt/events.h"
#include "virt/kind.h"

/* Between the table of events and those who register it. */

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
        gboolean
                may_change; /* a change of what the mirror shows may come with it that no other event tells */
        virConnectDomainEventGenericCallback callback;
} EventRow;

extern const EventRow event_rows[];
extern const size_t n_event_rows;

/* What a callback gets: the signal that it makes. */
typedef struct EventBinding {
        Events *events;
        const EventRow *row;
        const Member *signal;
} EventBinding;

/* Makes the signal on @object's own object. @arguments is floating. Main thread, as the other. */
void event_emit(const EventBinding *binding, void *object, GVariant *arguments);

/* Makes the signal of a lifecycle on the connection's object, with @object's path and as many of the two
 * numbers as it has room for. */
void event_emit_lifecycle(const EventBinding *binding, void *object, int event, int detail);
