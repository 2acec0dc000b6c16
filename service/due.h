/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ask.h"
#include "mirror.h"
#include "refresh.h"
#include "round.h"

#include <glib.h>

/* What is to be asked in the next round, and who waits for it. Main thread. */
typedef struct Due {
        gboolean all;
        gboolean kinds[N_MIRRORED]; /* by place in mirrored_kinds; for domains there is more than all or none
                                     */
        GHashTable *domains;        /* UUID to Aspects */
        GHashTable *facts;          /* a set of UUIDs; for when nothing else is due */
        GArray *waiters;            /* see due_tell() */
        gboolean held;              /* all of it but facts was asked already, and has its time */
} Due;

void due_init(Due *due);
void due_clear(Due *due);

/* Everything. */
void due_add_all(Due *due);

/* One object; @aspects count for domains, and other kinds are asked about as a whole. FALSE when it was due
 * already, for whatever. */
gboolean due_add(Due *due, const Kind *kind, const char *uuid, Aspects aspects);

/* What libvirt did not say in @round, and everything there is to know of @passing, a set of UUIDs of domains.
 * Where nothing else is due it is held until due_release(), or until something else is, and facts go first.
 * FALSE when that is none. */
gboolean due_add_again(Due *due, const Round *round, GHashTable *passing);
void due_release(Due *due);

/* Who waits for the next round, until a @deadline by the monotonic clock; 0 for none. @done may be NULL. */
void due_add_waiter(Due *due, gint64 deadline, RefreshWait *done, void *data);

/* Whether it is asked about in the next round. */
gboolean due_has(const Due *due, const Kind *kind, const char *uuid);

/* Whether nothing is but facts, and nobody waits. */
gboolean due_is_empty(const Due *due);

/* Puts it in @round, and returns who waits for that, for due_tell(). Only facts may be left over, and what is
 * held. @known domains are in the mirror. */
GArray *due_take(Due *due, Round *round, unsigned known);

/* Takes who waits, and leaves what is due. */
GArray *due_take_waiters(Due *due);

/* Takes out of @waiters those whose deadline is over at @now, and returns them. @next becomes the earliest of
 * the others', where it is earlier. */
GArray *due_take_late(GArray *waiters, gint64 now, gint64 *next);

/* Calls them. */
void due_tell(const GArray *waiters, gboolean told);
