/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ask.h"
#include "link.h"
#include "mirror.h"

#include <glib.h>

/* One round of asking: what to ask, and what libvirt said. Its maker says the first, a worker finds out the
 * second; each has it alone for that time. */
typedef struct Round {
        Link *link;
        Handles *handles; /* of the link's connection */
        void *data;       /* the maker's */

        /* What to ask. */
        gboolean all;              /* all kinds */
        gboolean list[N_MIRRORED]; /* by place in mirrored_kinds */
        GHashTable *asked;         /* of domains: UUID to Aspects */
        GPtrArray *facts;          /* UUIDs of domains */

        /* What libvirt said. */
        gboolean listed[N_MIRRORED];
        GHashTable *failed; /* a set of UUIDs: libvirt did not answer, but lives */
        GArray *answers;    /* of Answer */
        GError *error;      /* why there is not more */
} Round;

/* Main thread. An empty round; @link and @handles must outlive it. */
Round *round_new(Link *link, Handles *handles);

/* NULL is fine. */
void round_free(Round *round);

/* Worker thread: asks. */
void round_ask(Round *round);
