/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/authority.h"
#include "objects/object.h"

#include <glib.h>
#include <libvirt/libvirt.h>
#include <systemd/sd-bus.h>

/* A message on its way to become a call: what it asks for, which is found once, and the right that this
 * takes. Main thread. */

typedef enum RequestType {
        REQUEST_METHOD,
        REQUEST_GET,
        REQUEST_GET_ALL,
        REQUEST_SET,
        REQUEST_INTROSPECT,
        REQUEST_UNKNOWN, /* a method that a standard interface does not have */
} RequestType;

typedef struct Request {
        sd_bus_message *message; /* borrowed */
        GHashTable *connections; /* those that the caller sees, name to Connection */
        Object object;           /* of which nothing is borrowed but the message's path */
        gboolean possible;       /* an object can be there */
        RequestType type;
        const Interface *interface; /* of a method, */
        const Member *member;       /* and its row; NULL for none */
        GError *problem;            /* why there is none */
        Peer *peer;
        gboolean reader; /* the peer has the right to monitor, and no more was asked for */
} Request;

/* Finds what @message, a method call, asks for. Clear @request with request_clear(). */
void request_init(Request *request, sd_bus_message *message, GHashTable *connections);
void request_clear(Request *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Request, request_clear)

/* The right that it takes, to @access. FALSE when it takes none: what is the same for everybody and says
 * nothing of the host, and what is going to fail. */
gboolean request_access(const Request *request, Access *access);

/* What polkit's rules may look at, when that right is asked for. The strings are borrowed from the request,
 * the mirror and @uuid, which must live as long as @question does. */
void request_describe(const Request *request, Access access, char uuid[VIR_UUID_STRING_BUFLEN],
                      Question *question);

/* Whether it does nothing but tell. What monitoring takes changes nothing, with two exceptions: Resync has
 * everything compared, and libvirt forgets a job's statistics when it has told them. */
gboolean request_only_tells(const Request *request);
