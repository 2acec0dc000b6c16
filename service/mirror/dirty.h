/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"
#include "mirror/pass.h"
#include "mirror/query.h"
#include "mirror/sync.h"

#include <glib.h>

/* What is to be asked in the next round, and who waits for it. Main thread. */
typedef struct Dirty {
        gboolean all;
        gboolean kinds[N_MIRRORED]; /* by place in mirrored_kinds; for domains there is more than all or none
                                     */
        GHashTable *domains;        /* UUID to Aspects */
        GHashTable *facts;          /* a set of UUIDs; for when nothing else is due */
        GArray *waiters;            /* see dirty_tell() */
        gboolean held;              /* all of it but facts was asked already, and has its time */
} Dirty;

void dirty_init(Dirty *dirty);
void dirty_clear(Dirty *dirty);

/* Everything. */
void dirty_add_all(Dirty *dirty);

/* One object; @aspects count for domains, and other kinds are asked about as a whole. FALSE when it was due
 * already, for whatever. */
gboolean dirty_add(Dirty *dirty, const Kind *kind, const char *uuid, Aspects aspects);

/* What libvirt did not say in @pass, and everything there is to know of @passing, a set of UUIDs of domains.
 * Where nothing else is due it is held until dirty_release(), or until something else is, and facts go first.
 * FALSE when that is none. */
gboolean dirty_add_again(Dirty *dirty, const Pass *pass, GHashTable *passing);
void dirty_release(Dirty *dirty);

/* Who waits for the next round, until a @deadline by the monotonic clock; 0 for none. @done may be NULL. */
void dirty_add_waiter(Dirty *dirty, gint64 deadline, SyncWait *done, void *data);

/* Whether it is asked about in the next round. */
gboolean dirty_has(const Dirty *dirty, const Kind *kind, const char *uuid);

/* Whether nothing is but facts, and nobody waits. */
gboolean dirty_is_empty(const Dirty *dirty);

/* Puts it in @pass, and returns who waits for that, for dirty_tell(). Only facts may be left over, and what
 * is held. @known domains are in the mirror. */
GArray *dirty_take(Dirty *dirty, Pass *pass, unsigned known);

/* Takes who waits, and leaves what is due. */
GArray *dirty_take_waiters(Dirty *dirty);

/* Takes out of @waiters those whose deadline is over at @now, and returns them. @next becomes the earliest of
 * the others', where it is earlier. */
GArray *dirty_take_late(GArray *waiters, gint64 now, gint64 *next);

/* Calls them. */
void dirty_tell(const GArray *waiters, gboolean told);
