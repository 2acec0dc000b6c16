/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config.h"

#include <glib.h>

/* The whole service. Main thread. */

typedef struct DaemonOptions {
        BusKind bus;
        const char *address; /* of another bus, or NULL */
        gboolean replace;    /* take the names from their owner */
} DaemonOptions;

/* Serves until SIGTERM, SIGINT, the loss of the names or of the bus. @config must not change meanwhile.
 * Returns FALSE and an error when it could not start or the bus was lost. Ends within 2 s whatever libvirt
 * does; where libvirt holds a thread up, the process ends in here. */
gboolean daemon_run(const Config *config, const DaemonOptions *options, GError **error);
