/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"
#include "virt/events.h"

#include <glib.h>

/* What may have changed since libvirt was asked about it. A worker may read it while nothing is added. */

/* What to ask of a domain besides its state. */
typedef enum Aspects {
        ASPECT_STATE = 0,
        ASPECT_LIFE = 1 << 0, /* whether it is active, its number and its name */
        ASPECT_DEFINITION =
                1 << 1, /* that, whether it is persistent and started with the host, its kind of system */
} Aspects;

typedef struct Dirty {
        gboolean all;              /* all objects of all kinds */
        gboolean list[N_MIRRORED]; /* all of one kind, by place in mirrored_kinds */
        GHashTable *domains;       /* UUID to Aspects */
} Dirty;

void dirty_init(Dirty *dirty);
void dirty_clear(Dirty *dirty);

/* Main thread, from here on. Marks a domain, or all of a kind: networks and pools are listed, not asked for
 * one by one. FALSE when that adds nothing to what was marked. */
gboolean dirty_add_domain(Dirty *dirty, const char *uuid, Aspects aspects);
gboolean dirty_add_kind(Dirty *dirty, const Kind *kind);

/* Marks all that there is to know of each in a set of UUIDs. FALSE when there are none. */
gboolean dirty_add_domains(Dirty *dirty, GHashTable *uuids);

gboolean dirty_is_empty(const Dirty *dirty);
gboolean dirty_has(const Dirty *dirty, const Kind *kind, const char *uuid);

/* Marks what is cheaper to list than to ask for one by one, @domains being there. */
void dirty_choose_lists(Dirty *dirty, unsigned domains);

/* What @event makes dirty of a domain; @known: it is in the mirror. */
Aspects dirty_after(const Event *event, gboolean known);
