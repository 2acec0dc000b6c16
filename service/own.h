/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

#include <glib.h>

/* What a connection says of itself: the values of its native properties, and who is told of a new one. Main
 * thread. */

typedef struct Own Own;

/* @bus and @path, the connection's, must outlive it. */
Own *own_new(Bus *bus, const char *path, const char *uri, const char *epoch);

/* NULL is fine. */
void own_free(Own *own);

/* Sets State and why it is so, tells what changed. NULL leaves the driver as it is; "" is no error. */
void own_set_state(Own *own, const char *state, const char *driver, const char *error);

/* Sets Changes, @changes (a{ss}) floating, and tells that where it is something new. */
void own_set_changes(Own *own, GVariant *changes);

/* A value by its slot, borrowed; NULL for what is made when it is read: Sequence and Counters. */
GVariant *own_value(const Own *own, unsigned slot);
