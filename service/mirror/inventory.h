/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config.h"
#include "bus/bus.h"
#include "bus/member.h"
#include "mirror/announce.h"
#include "mirror/connection_properties.h"
#include "mirror/event_log.h"
#include "mirror/mirror.h"
#include "mirror/saved.h"
#include "mirror/state_waits.h"
#include "mirror/sync.h"
#include "virt/driver.h"
#include "virt/events.h"
#include "virt/link.h"

#include <glib.h>

/* What one connection has, and what happens on it: the mirror, the stream, and what listeners are told. Main
 * thread. */

typedef struct Inventory Inventory;

/* Called when a comparison is over; @differences is NULL when libvirt could not be asked. */
typedef void InventoryCompared(const Differences *differences, void *data);

typedef struct InventoryConfig {
        Bus *bus;
        const Limits *limits;
        const char *path; /* of the connection */
        const char *uri;
        const Epoch *epoch;                     /* of its events */
        Link *link;                             /* to ask over */
        void (*finish)(Call *call, void *data); /* takes a call that waited for a state */
        void *data;
} InventoryConfig;

/* Everything in @config must outlive it. */
Inventory *inventory_new(const InventoryConfig *config);

/* Whether answers of libvirt's are still on their way, or being told. */
gboolean inventory_is_busy(const Inventory *inventory);

/* What the next start of the service needs to go on without a gap, once this one is stopped: the stream and
 * the objects as they were told, and whether it was open, floating; NULL where that cannot be had. */
#define INVENTORY_SAVED "(b" EVENT_LOG_SAVED SAVED_OBJECTS ")"
GVariant *inventory_save(const Inventory *inventory);

/* Goes on from there, before the connection is opened for the first time; FALSE where that cannot be, and
 * nothing is changed. */
gboolean inventory_restore(Inventory *inventory, GVariant *saved);

/* The service has its name: tells, as at the beginning of an outage, that the connection was left, and that
 * what was restored may be outdated. */
void inventory_resume(Inventory *inventory);

/* Once it is not busy, and after inventory_stop(). NULL is fine. */
void inventory_free(Inventory *inventory);

/* libvirt told of something. */
void inventory_event(Inventory *inventory, const Event *event);

/* The objects of that kind have a driver with a daemon of its own, which tells of their changes and is asked
 * for them over @link, until this is called again; with NULL they have none. While the connection is not
 * open. */
void inventory_set_driver(Inventory *inventory, const Kind *kind, Link *link);

/* The connection was opened, with libvirt's name of the driver; callbacks are @registered. Next is
 * inventory_compare(). */
void inventory_opened(Inventory *inventory, const char *driver, const void *registered);

/* libvirt's events are registered for anew on the same connection, after link_renew(). Compares everything.
 */
void inventory_renewed(Inventory *inventory);

/* The connection was lost, for a reason as virConnectCloseReason (-1: unknown), or could not be opened.
 * @error says why. */
void inventory_lost(Inventory *inventory, int reason, const GError *error);
void inventory_failed(Inventory *inventory, const GError *error);

/* While it is open, a driver with a daemon of its own was lost, for a reason as above; could not be opened;
 * and was opened again, or late: compares everything. */
void inventory_driver_lost(Inventory *inventory, const Driver *driver, int reason, const GError *error);
void inventory_driver_failed(Inventory *inventory, const Driver *driver);
void inventory_driver_opened(Inventory *inventory, const Driver *driver);

/* No timers and no questions from here on. */
void inventory_stop(Inventory *inventory);

/* A call has changed an object: has the mirror show from now on what libvirt says of what may have @changes,
 * and then calls @done; without that after open-timeout: a caller is told so even where libvirt does not say
 * what came of it. */
void inventory_wait(Inventory *inventory, const Kind *kind, const char *uuid, Changes changes, WaitFunc *done,
                    void *data);

/* Something may have changed the object: libvirt is asked about it soon. */
void inventory_ask(Inventory *inventory, const Kind *kind, const char *uuid);

/* Whether nothing that libvirt told lately says that the mirror may be wrong about that object; and has @done
 * called when that is so. */
gboolean inventory_is_settled(const Inventory *inventory, const Kind *kind, const char *uuid);
void inventory_settle(Inventory *inventory, const Kind *kind, const char *uuid, WaitFunc *done, void *data);

/* Compares everything, and then calls @compared, which may be NULL. */
void inventory_compare(Inventory *inventory, InventoryCompared *compared, void *data);

/* Announces what the mirror shows already: for a picture that belongs to the number of the last event. As
 * inventory_want_systems(). */
void inventory_flush(Inventory *inventory);

/* Whether all objects were listed at least once; and whether they were, or are known from the start before.
 */
gboolean inventory_is_filled(const Inventory *inventory);
gboolean inventory_is_known(const Inventory *inventory);

/* What the mirror knows of a domain for sure, for a GetAll that comes now, by name of org.libvirt.Domain's
 * property: a dictionary a{sv}, owned, where () stands for a property that cannot be read; NULL where it is
 * not sure, and then inventory_remember() takes what that GetAll has found, with the @version of now. */
GVariant *inventory_known(const Inventory *inventory, const char *uuid, guint64 *version);
void inventory_remember(Inventory *inventory, const char *uuid, guint64 version, GVariant *properties);

/* A client looks at domains: their OSType, which no list tells, is read from now on, and announced. */
void inventory_want_systems(Inventory *inventory);

const Mirror *inventory_mirror(const Inventory *inventory);
const EventLog *inventory_stream(const Inventory *inventory);
StateWaits *inventory_waits(const Inventory *inventory);

/* What the connection says of itself. */
const ConnectionProperties *inventory_own(const Inventory *inventory);

/* Adds its counters to a builder of a{st}. */
void inventory_count(const Inventory *inventory, GVariantBuilder *counters);
