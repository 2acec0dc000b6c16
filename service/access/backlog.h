/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/share.h"
#include "base/config.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* The requests of one caller that wait for a decision, in the order sent for each object. Main thread. */

typedef struct Backlog Backlog;

/* What waits is charged to @account, the caller's, and to @total, that of all callers. All pointers must
 * outlive it. */
Backlog *backlog_new(Account *account, Account *total, const Limits *limits);

/* From now on no more waits than that user may have; @share must outlive it. */
void backlog_set_share(Backlog *backlog, const Share *share);

/* Drops what waits, without an answer. */
void backlog_drop(Backlog *backlog);

/* The same, and frees it. NULL is fine. */
void backlog_free(Backlog *backlog);

/* Whether something waits for the object at @path. */
gboolean backlog_has(const Backlog *backlog, const char *path);

/* Keeps @message behind those of the same object. FALSE and an error when there is no room for it. */
gboolean backlog_add(Backlog *backlog, sd_bus_message *message, GError **error);

/* Gives the messages for @path to @func, one by one, until one has to go on waiting: then it returns FALSE.
 */
void backlog_retry(Backlog *backlog, const char *path, gboolean (*func)(sd_bus_message *message, void *data),
                   void *data);

/* The paths that have something waiting, owned with their array. */
GPtrArray *backlog_paths(const Backlog *backlog);

/* Answers all of them with an error and drops them. */
void backlog_refuse(Backlog *backlog, const char *why);
