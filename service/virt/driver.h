/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "virt/kind.h"

#include <glib.h>

/* The drivers of libvirt that are not hypervisors. On a host with modular daemons each of them has a daemon
 * of its own beside the hypervisor's. All functions work on any thread. */

typedef struct Driver {
        const char *name; /* libvirt's, as in its URIs */
        const Kind *kind; /* of the objects that its events are about */
} Driver;

#define N_DRIVERS 4

/* Those that have events. */
extern const Driver drivers[N_DRIVERS];

/* The socket of the hypervisor's own daemon, whether it exists or not; NULL where there cannot be one: @uri
 * leads to another host, or names a socket that is no modular daemon's. Free with g_free(). */
char *hypervisor_socket(const char *uri);

/* The URI of the driver's own daemon beside the hypervisor's, which @uri names. NULL where that cannot be a
 * modular daemon: it is on another host, or inside this process, or its socket has another name. Free with
 * g_free(). */
char *driver_uri(const Driver *driver, const char *uri);

/* Whether a connection to @uri that is opened now is one to a modular daemon. */
gboolean drivers_are_apart(const char *uri);
