/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/caller_file.h"
#include "virt/link.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* Bytes between a stream of libvirt's and a descriptor of a caller, on a connection and a thread of their
 * own.
 *
 * Not on the main loop: a stream that does not block has no back-pressure in libvirt's client, which keeps
 * what its user does not take, all of a disk in the end; and sending waits all the same. So the stream
 * blocks, on a connection that no event reaches: what is not taken stays in libvirtd, which stops reading the
 * disk. */

typedef struct Pump Pump;

/* Opens a connection beside @link, with a stream. Takes @fd over, also when it fails. With @sparse holes are
 * kept. Worker thread. */
Pump *pump_new(Link *link, int fd, CallerFileUse use, gboolean sparse, GError **error);

/* The connection that the stream is to be begun on, and the stream; borrowed. */
virConnectPtr pump_connection(const Pump *pump);
virStreamPtr pump_stream(const Pump *pump);

/* Moves all, at most @most bytes of those that are read from the descriptor (0: all), and parts from libvirt
 * and the descriptor. Worker thread. */
void pump_limit(Pump *pump, guint64 most);
void pump_run(Pump *pump);

/* Has it end soon, without success. Any thread, until it is freed. */
void pump_stop(Pump *pump);

/* Whether bytes go in both directions, until one side ends. */
gboolean pump_is_interactive(const Pump *pump);

/* Of one that has run: why it failed, or NULL. */
const GError *pump_error(const Pump *pump);

/* One that has run: any thread. Another one, which has a connection to close: a worker. NULL is fine. */
void pump_free(Pump *pump);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pump, pump_free)
