/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/peer.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* The requests of a peer that wait for a decision, in the order sent for each object. They are charged to the
 * peer, and are dropped, without an answer, when it leaves. Main thread. */

/* FALSE when @message has to go on waiting. */
typedef gboolean BacklogFunc(Peer *peer, sd_bus_message *message, void *data);

/* Whether something waits for the object at @path. */
gboolean backlog_has(const Peer *peer, const char *path);

/* Keeps @message behind those of the same object. FALSE and an error when there is no room for it. */
gboolean backlog_add(Peer *peer, sd_bus_message *message, GError **error);

/* Gives the messages for @path to @func, one by one, until one has to go on waiting. */
void backlog_retry(Peer *peer, const char *path, BacklogFunc *func, void *data);

/* The paths that have something waiting, owned with their array. */
GPtrArray *backlog_paths(const Peer *peer);

/* Answers all of them with an error and drops them. */
void backlog_refuse(Peer *peer, const char *why);
