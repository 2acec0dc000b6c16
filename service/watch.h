/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Sees the socket of a local libvirtd appear. Main thread. */

typedef struct Watch Watch;

typedef void WatchFunc(void *data);

/* Watches for what @uri connects to, and calls @appeared with @data when a socket is created there. Returns
 * NULL where there is nothing to see: the URI is remote, its driver has no socket or starts its own daemon,
 * or the kernel refuses. */
Watch *watch_new(const char *uri, WatchFunc *appeared, void *data);

/* Whether a socket is there now. Check after watch_new(): it may have come before. */
gboolean watch_sees_socket(const Watch *watch);

void watch_free(Watch *watch);
