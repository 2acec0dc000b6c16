/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "listener/inventory.h"

#include <systemd/sd-bus.h>

/* A complete listener, by the rules of docs/events.md, "To miss nothing": it hands out each event once and in
 * order, and always knows what GetManagedObjects would return, over outages and restarts of libvirtd and of
 * the service.
 *
 * All of it runs on the default main context; the owner's functions must not free the listener. */
typedef struct Listener Listener;

typedef struct ListenerOwner {
        /* The stream of @connection goes on: at first, and after each time that the listener had to begin
         * again. The inventory is new; @before is the one before it, or NULL. */
        void (*stream)(const char *connection, StreamStart start, const Inventory *before, void *data);

        /* The service is not configured for this connection any more. */
        void (*ended)(const char *connection, void *data);

        /* Each event once, those of one connection in order. The inventory has what it told. */
        void (*event)(const Event *event, void *data);

        /* The service has left the bus. What is known stays, because guests go on. */
        void (*away)(void *data);

        /* The service cannot be asked. The listener tries again until it can. */
        void (*failed)(const sd_bus_error *error, void *data);

        /* The bus is gone, and with it the end has come: a positive errno. */
        void (*gone)(int error, void *data);
} ListenerOwner;

/* @bus stays the caller's and outlives the listener, which alone serves it. */
Listener *listener_new(sd_bus *bus, const ListenerOwner *owner, void *data);
void listener_free(Listener *listener);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listener, listener_free)

/* Before the start: the stream of @connection, or of all connections if NULL, is known up to that number.
 * @epoch NULL: of the epoch that there is. */
void listener_mark(Listener *listener, const char *connection, const char *epoch, guint64 number);

/* Subscribes, and begins. Returns 0, or a negative errno. */
int listener_start(Listener *listener);

/* NULL before the first picture. */
const Inventory *listener_inventory(const Listener *listener);

/* Up to where each stream was handed out, as listener_mark() takes it: also of connections that it was told
 * about and has not met yet. */
typedef void (*ListenerMarkFunc)(const char *connection, const StreamMark *mark, void *data);
void listener_marks(const Listener *listener, ListenerMarkFunc each, void *data);
