/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "connection/connection.h"

#include <glib.h>

/* From one start of the service to the next, so that listeners notice nothing of a restart: the epoch of the
 * events, and of each connection its stream and its objects. The service manager keeps it meanwhile. Main
 * thread. */

typedef struct Handover Handover;

/* What the start before has left, or NULL. Once, before anything is opened. */
Handover *handover_take(void);

/* NULL is fine. */
void handover_free(Handover *handover);

/* Its epoch; borrowed. */
const char *handover_epoch(const Handover *handover);

/* Has @connection, which is new, go on where that of the same name and URI has ended; nothing where there was
 * none. @handover may be NULL. */
void handover_restore(const Handover *handover, Connection *connection);

/* Leaves the events of @epoch and @connections, name to Connection, to the next start. All are stopped; those
 * of callers are left out, for each caller's stream ends with the service. */
void handover_leave(const char *epoch, GHashTable *connections);
