/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "authority.h"
#include "bus.h"
#include "caller.h"
#include "config.h"
#include "views.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* From a message to a call. */

typedef struct Dispatcher {
        GHashTable *connections; /* name to Connection: what is there by form */
        Views *views;            /* of those that callers are forwarded to */
        Callers *callers;
        Bus *bus;
        Authority *authority;
        const Limits *limits;
        gboolean stopping; /* what comes now is refused */
} Dispatcher;

/* Takes every method call at or below the root path; @userdata is the Dispatcher. Each gets one reply: here
 * when the request itself is bad, else by the connection that takes the call. Main thread. */
int dispatch(sd_bus_message *message, void *userdata, sd_bus_error *reply);

/* For the authority: @data is the Dispatcher. */
extern const AuthorityOwner dispatch_authority_owner;
