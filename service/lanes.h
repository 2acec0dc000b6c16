/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config.h"
#include "share.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* The requests of one caller that wait for a decision, in the order sent for each object. Main thread. */

typedef struct Lanes Lanes;

/* What all callers together have waiting. */
typedef struct LanesTotal {
        unsigned calls;
        size_t bytes;
} LanesTotal;

/* @total and @limits must outlive it. */
Lanes *lanes_new(LanesTotal *total, const Limits *limits);

/* From now on what waits counts for that user, too; @share must outlive it. Once. */
void lanes_join(Lanes *lanes, Share *share);

/* Drops what waits, without an answer. NULL is fine. */
void lanes_free(Lanes *lanes);

/* Whether something waits for the object at @path. */
gboolean lanes_has(const Lanes *lanes, const char *path);

/* Keeps @message behind those of the same object. FALSE and an error when there is no room for it. */
gboolean lanes_add(Lanes *lanes, sd_bus_message *message, GError **error);

/* Gives the messages for @path to @func, one by one, until one has to go on waiting: then it returns FALSE.
 */
void lanes_retry(Lanes *lanes, const char *path, gboolean (*func)(sd_bus_message *message, void *data),
                 void *data);

/* The paths that have something waiting, owned with their array. */
GPtrArray *lanes_paths(const Lanes *lanes);

/* Answers all of them with an error and drops them. */
void lanes_refuse(Lanes *lanes, const char *why);
