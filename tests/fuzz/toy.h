/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "connection/connection.h"
#include "virt/kind.h"

/* A world without libvirt for the dispatcher's fuzz target: toy-kind.c has what the service's kind.c has,
 * toy-connection.c what its connection.c has. Both stand before the library, so that the linker takes these
 * and leaves those. Everything else is the service's own. */

/* An interface with members of every sort, which all kinds of objects here have. */
extern const Interface interface_toy;

/* Answers nothing before it is told to. */
Connection *toy_connection_new(Bus *bus, const Limits *limits);
void toy_connection_free(Connection *connection);

/* Runs the first of the calls that wait, and answers it. FALSE when there is none. */
gboolean toy_connection_run(Connection *connection);

/* libvirt tells that there is a domain, which has this state, or that there is none any more. */
void toy_connection_show(Connection *connection, guint8 number, const char *state);
void toy_connection_hide(Connection *connection, guint8 number);

/* The UUID of the domain of that number. */
char *toy_uuid(guint8 number);
