/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Notices when the socket of a local libvirtd appears. Main thread. */

typedef struct SocketWatch SocketWatch;

typedef void SocketWatchFunc(void *data);

/* Watches the socket that @uri connects to, and calls @appeared with @data when it is created. Returns NULL
 * where there is nothing to watch: the URI is remote, its driver has no socket or starts its own daemon,
 * or the kernel refuses. */
SocketWatch *socket_watch_new(const char *uri, SocketWatchFunc *appeared, void *data);

/* The same for one socket by its path. */
SocketWatch *socket_watch_new_at(const char *socket, SocketWatchFunc *appeared, void *data);

/* Whether a socket is there now. Check after socket_watch_new(): it may have come before. */
gboolean socket_watch_sees_socket(const SocketWatch *watch);

void socket_watch_free(SocketWatch *watch);
