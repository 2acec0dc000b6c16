/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config.h"
#include "member.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* The D-Bus connection on the GLib main loop. Main thread only, all of it: sd-bus's reference counts are not
 * atomic. */

typedef struct Bus Bus;

/* What the owner of a bus is told. */
typedef struct BusOwner {
        /* A method call at or below the root path; as sd_bus_message_handler_t. */
        sd_bus_message_handler_t call;
        /* A caller has left the bus. */
        void (*caller_gone)(const char *name, void *data);
        /* Somebody took a name over. */
        void (*name_lost)(const char *name, void *data);
        /* The bus itself is gone. */
        void (*closed)(void *data);
} BusOwner;

/* Connects to @address, or to the bus of @kind when that is NULL, and registers for everything that the owner
 * wants to hear, but no name. */
Bus *bus_new(BusKind kind, const char *address, const Limits *limits, const BusOwner *owner, void *data,
             GError **error);

/* Sends what is still queued, for at most @timeout_ms, and disconnects. NULL is fine. */
void bus_free(Bus *bus, unsigned timeout_ms);

typedef enum BusName {
        BUS_NAME_OWNED,
        BUS_NAME_TAKEN, /* by somebody else; we are next in the queue */
        BUS_NAME_FAILED,
} BusName;

/* Asks for a name; with @replace it is taken from an owner that allows this, as we do. */
BusName bus_request_name(Bus *bus, const char *name, gboolean replace, GError **error);

/* Emits @signal with the tuple @arguments, which is consumed when it is floating. What does not match the
 * row, or is larger than a reply may be, is logged and not sent. */
void bus_emit(Bus *bus, const char *path, const Interface *interface, const Member *signal,
              GVariant *arguments);
