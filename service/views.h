/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "config.h"
#include "credentials.h"
#include "numbers.h"
#include "share.h"

#include <glib.h>

/* What each caller sees where callers are forwarded to libvirt: connections of the caller's own, in libvirt's
 * eyes too, in the place of those that stand for them. Main thread.
 *
 * A view belongs to one identity (identity.h) and serves all bus names of that process; its signals go to
 * them alone. It is opened by the first call that needs it, and closed some time after the last of its names
 * has left the bus. */

typedef struct Views Views;
typedef struct ConnectionOwner ConnectionOwner;

/* @connections maps names to Connection: those that callers are forwarded to are replaced, the others are
 * everybody's. Events are numbered from @numbers. All pointers must outlive it. NULL where no connection is
 * forwarded: the functions below that return nothing take that. */
Views *views_new(const Config *config, Bus *bus, Numbers *numbers, GHashTable *connections,
                 const ConnectionOwner *owner, void *data);

/* What the owner of the name @sender sees, name to Connection; it stays until that name leaves the bus and
 * its calls are answered. @share is that of its user, or NULL, and is held. NULL and an error when the caller
 * cannot be told from others, or there are too many. */
GHashTable *views_enter(Views *views, const char *sender, const Credentials *credentials, Share *share,
                        GError **error);

/* The owner of that name has left the bus: what it has waiting is dropped, and it is told nothing more. */
void views_drop_caller(Views *views, const char *name);

/* Whether some callers have a view; and adds their names to the set @names, owned. */
gboolean views_are_used(const Views *views);
void views_collect(const Views *views, GHashTable *names);

/* Compares all views with libvirt: it may tell some callers more now, or less. */
void views_compare(Views *views);

/* As the functions of the connections: all of them, at the end. */
void views_stop(Views *views);
void views_abandon(Views *views);
gboolean views_are_busy(const Views *views);

/* After views_stop(), when nothing is busy and no job runs. */
void views_free(Views *views);
