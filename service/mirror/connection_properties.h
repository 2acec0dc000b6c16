/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"

#include <glib.h>

/* What a connection says of itself: the values of its native properties, and the signal of a new one. Main
 * thread. */

typedef struct ConnectionProperties ConnectionProperties;

/* @bus and @path, the connection's, must outlive it. */
ConnectionProperties *connection_properties_new(Bus *bus, const char *path, const char *uri,
                                                const char *epoch);

/* NULL is fine. */
void connection_properties_free(ConnectionProperties *properties);

/* Sets State and why it is so, tells what changed. NULL leaves the driver as it is; "" is no error. */
void connection_properties_set_state(ConnectionProperties *properties, const char *state, const char *driver,
                                     const char *error);

/* Sets Changes, @changes (a{ss}) floating, and tells that where it is something new. */
void connection_properties_set_changes(ConnectionProperties *properties, GVariant *changes);

/* A value by its slot, borrowed; NULL for what is made when it is read: Sequence and Counters. */
GVariant *connection_properties_value(const ConnectionProperties *properties, unsigned slot);
