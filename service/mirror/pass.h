/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"
#include "mirror/query.h"
#include "virt/link.h"

#include <glib.h>

/* One round of asking: what to ask, and what libvirt said. Its maker says the first, a worker finds out the
 * second; each has it alone for that time. */
typedef struct Pass {
        Link *link;
        DomainCache *domain_cache; /* of the link's connection */
        void *data;                /* the maker's */

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
} Pass;

/* Main thread. An empty round; @link and @domain_cache must outlive it. */
Pass *pass_new(Link *link, DomainCache *domain_cache);

/* NULL is fine. */
void pass_free(Pass *pass);

/* Worker thread: asks. */
void pass_ask(Pass *pass);
