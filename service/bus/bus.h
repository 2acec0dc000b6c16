/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config.h"
#include "bus/member.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* The D-Bus connection on the GLib main loop. Main thread only, all of it: sd-bus's reference counts are not
 * atomic. */

typedef struct Bus Bus;

/* What a bus calls its owner for. */
typedef struct BusOwner {
        /* A method call at or below the root path; as sd_bus_message_handler_t. */
        sd_bus_message_handler_t call;
        /* A peer has left the bus. */
        void (*peer_gone)(const char *name, void *data);
        /* Another program took the name over. */
        void (*name_lost)(const char *name, void *data);
        /* The bus itself is gone. */
        void (*closed)(void *data);
        /* The service may have missed that a peer left: the bus was far ahead of us, or a limit refuses a
         * caller, perhaps because of a peer that has left. Called often. May be NULL. */
        void (*suspicious)(void *data);
} BusOwner;

/* A connection to the bus at @address, or to that of @kind when it is NULL. A negative errno when there is
 * none. */
int bus_open(sd_bus **bus, BusKind kind, const char *address);

/* Connects as bus_open() does, and subscribes to everything that the owner needs, but requests no name. */
Bus *bus_new(BusKind kind, const char *address, const Limits *limits, const BusOwner *owner, void *data,
             GError **error);

/* A bus like @bus whose signals go to the owners of those names alone (a set of strings, which may change and
 * must outlive it, as @bus must). While the set is empty, nothing is sent. Free it with bus_unnarrow(). */
Bus *bus_narrow(Bus *bus, GHashTable *names);
void bus_unnarrow(Bus *bus);

/* Sends what is still queued, for at most @timeout_ms, and disconnects. NULL is fine. */
void bus_free(Bus *bus, unsigned timeout_ms);

typedef enum BusName {
        BUS_NAME_OWNED,
        BUS_NAME_TAKEN, /* by another program; we are next in the queue */
        BUS_NAME_FAILED,
} BusName;

/* Asks for a name; with @replace it is taken from an owner that allows this, as we do. */
BusName bus_request_name(Bus *bus, const char *name, gboolean replace, GError **error);

/* A new signal, to be filled and given to bus_send(), or NULL. */
sd_bus_message *bus_new_signal(Bus *bus, const char *path, const char *interface, const char *name);

/* Sends @message of about @size bytes, which is consumed and may be NULL, unless @r, the result of filling
 * it, is negative. Returns a negative errno if it was not sent, and logs that. When the bus has left so much
 * unread that there is no room for the message, the bus counts as gone, and the service ends. */
int bus_send(Bus *bus, sd_bus_message *message, size_t size, int r);

/* Whether a reply of @size bytes is within the limit of what waits for a bus that does not read. */
gboolean bus_has_room(const Bus *bus, size_t size);

/* Whether it has so much to read that another message would only wait. */
gboolean bus_is_busy(const Bus *bus);

/* A reply of @size bytes was sent, with sd-bus's own functions. */
void bus_sent(Bus *bus, size_t size);

/* A limit has refused a caller: calls BusOwner.suspicious. */
void bus_refused(Bus *bus);

/* The unique name of the sender of @message; "" if the bus gives none. Borrowed. */
const char *bus_sender(sd_bus_message *message);

/* Whether the bus driver itself sent @message: only it knows names and their owners. Also true for the reply
 * that sd-bus makes for a call that got none. */
gboolean bus_is_driver(sd_bus_message *message);

/* sd-bus's own bus, for calls to other services. Borrowed. */
sd_bus *bus_handle(const Bus *bus);

/* Leaves @slot, of a call to another service, to the bus; @destroy frees its userdata when the call or the
 * bus is over. */
void bus_give_slot(sd_bus_slot *slot, sd_bus_destroy_t destroy);

/* Emits a signal of that name with the tuple @arguments, which is consumed when it is floating; what is
 * larger than a reply may be is logged and not sent. */
void bus_signal(Bus *bus, const char *path, const char *interface, const char *name, GVariant *arguments);

/* The same for a row: emits @signal with the tuple @arguments, which is consumed when it is floating. What
 * does not match the row is logged and not sent. */
void bus_emit(Bus *bus, const char *path, const Interface *interface, const Member *signal,
              GVariant *arguments);
