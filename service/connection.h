/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "call.h"
#include "mirror.h"

/* One hypervisor on the bus: its links to libvirt, its calls, its mirror and its signals. Main thread. */

typedef struct Connection Connection;

typedef struct ConnectionOwner {
        /* The state, as connection_state(), is another one. */
        void (*changed)(void *data);
} ConnectionOwner;

/* Connects at once, in the background, and keeps at it. @bus and @limits must outlive it. */
Connection *connection_new(const ConnectionConfig *config, const Limits *limits, Bus *bus,
                           const ConnectionOwner *owner, void *data);

/* Takes @call: it is run when its turn comes and answered exactly once, at the latest by connection_stop().
 */
void connection_submit(Connection *connection, Call *call);

/* Takes @call, which needs no run but the mirror: concludes it as soon as all domains were listed, or libvirt
 * could not be reached. */
void connection_submit_listed(Connection *connection, Call *call);

/* Drops what the caller of that name has waiting. */
void connection_drop_caller(Connection *connection, const char *name);

/* Answers everything that waits with an error and lets go of libvirt, in the background. */
void connection_stop(Connection *connection);

/* Answers what libvirt still holds up with an error. For when it has been waited for long enough. */
void connection_abandon(Connection *connection);

/* Whether there are calls without an answer. */
gboolean connection_is_busy(const Connection *connection);

/* After connection_stop(), when nothing is busy and no job runs. */
void connection_free(Connection *connection);

const char *connection_name(const Connection *connection);
const char *connection_path(const Connection *connection);
const Mirror *connection_mirror(const Connection *connection);

/* "connecting", "connected" or "disconnected". */
const char *connection_state(const Connection *connection);
