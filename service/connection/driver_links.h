/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config.h"
#include "mirror/inventory.h"
#include "virt/driver.h"
#include "virt/events.h"
#include "virt/identity.h"
#include "virt/link.h"

#include <glib.h>

/* The links of one connection to the daemons of drivers that have their own, for their events and lists. Main
 * thread. */

typedef struct DriverLinks DriverLinks;

typedef struct DriverLinksConfig {
        const char *name, *uri; /* of the connection */
        const Limits *limits;
        gboolean forward; /* as link_forward() */
        const Identity *identity;
        Events *events; /* these outlive the links, as @limits does */
        Inventory
                *inventory; /* the connection's, which is told what becomes of them; it outlives them, too */
        /* After driver_links_open(): each is open, or is not there. */
        void (*settled)(void *data);
        void *data;
} DriverLinksConfig;

DriverLinks *driver_links_new(const DriverLinksConfig *config);

/* Opens them all, and keeps at it; and lets go of them. */
void driver_links_open(DriverLinks *links);
void driver_links_close(DriverLinks *links);

/* That of @driver; NULL where it can have none. */
Link *driver_links_get(const DriverLinks *links, const Driver *driver);

/* Closes them for good. */
void driver_links_shut(DriverLinks *links);

/* Whether it is too early to free what was shut. */
gboolean driver_links_are_busy(const DriverLinks *links);

/* NULL is fine. */
void driver_links_free(DriverLinks *links);
