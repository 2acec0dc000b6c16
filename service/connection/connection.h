/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"
#include "call/call.h"
#include "mirror/inventory.h"

/* One hypervisor on the bus: its links to libvirt, its calls, its mirror and its signals. Main thread. */

typedef struct Connection Connection;

/* What connection_is_connected() says may be another. */
typedef void ConnectionChanged(void *data);

/* Connects at once, in the background, and keeps at it. @epoch is what the numbers of its events belong to;
 * that, @bus and @limits must outlive it.
 *
 * Where callers are forwarded, each connection is one caller's, @identity, which must outlive it, too. With
 * NULL it only stands for those: it has a name and a path, and is never opened. */
Connection *connection_new(const ConnectionConfig *config, const Identity *identity, const Limits *limits,
                           Bus *bus, const Epoch *epoch, ConnectionChanged *changed, void *data);

/* Whether callers are forwarded: it is one caller's, or stands for those. */
gboolean connection_is_forwarded(const Connection *connection);

/* Takes @call: it is run when its turn comes and answered exactly once, at the latest by connection_stop().
 */
void connection_submit(Connection *connection, Call *call);

/* Takes @call, which needs no run but the mirror: concludes it as soon as all objects were listed, or libvirt
 * could not be reached, or did not list them within open-timeout: as soon as connection_is_settled(). */
void connection_submit_listed(Connection *connection, Call *call);
gboolean connection_is_settled(const Connection *connection);

/* Takes @call, which is about the object of @kind with that UUID: concludes it when what libvirt told of that
 * is in the mirror. */
void connection_submit_settled(Connection *connection, Call *call, const Kind *kind, const char *uuid);

/* Takes @call, which is Connection1.Resync: compares everything, and answers with the differences. */
void connection_submit_resync(Connection *connection, Call *call);

/* Takes @call, which is Domain1.WaitForState. */
void connection_submit_wait(Connection *connection, Call *call);

/* Compares everything with libvirt, as far as it can be asked. */
void connection_compare(Connection *connection);

/* Why nothing can be said of what is there, or NULL when it can: all was listed once. */
const GError *connection_missing(const Connection *connection);

/* Answers everything that waits with an error and lets go of libvirt, in the background. */
void connection_stop(Connection *connection);

/* What the next start needs of it, floating, after connection_stop(), or NULL; goes on from there, before the
 * main loop runs; and says so, when the service has its name: as inventory_save() and the others. */
GVariant *connection_save(const Connection *connection);
gboolean connection_restore(Connection *connection, GVariant *saved);
void connection_resume(Connection *connection);

/* Whether there are calls without an answer, or answers of libvirt's that are not told yet. */
gboolean connection_is_busy(const Connection *connection);

/* Whether nothing of one that was stopped is under way any more. */
gboolean connection_is_over(const Connection *connection);

/* Whether streams of its calls are open, be their callers there or not. */
gboolean connection_has_streams(const Connection *connection);

/* After connection_stop(), when it is over. */
void connection_free(Connection *connection);

const char *connection_name(const Connection *connection);
const char *connection_path(const Connection *connection);
const char *connection_uri(const Connection *connection);
const Mirror *connection_mirror(const Connection *connection);
const Inventory *connection_inventory(const Connection *connection);

/* As inventory_flush() and inventory_want_systems(). */
void connection_flush(Connection *connection);
void connection_want_systems(Connection *connection);

/* Where calls to its objects are counted, which lasts as long as it does. */
Tally *connection_tally(Connection *connection);

/* The value of a native property of the connection, by slot; owned. */
GVariant *connection_value(const Connection *connection, unsigned slot);

/* Whether it is open. */
gboolean connection_is_connected(const Connection *connection);
