/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "members.h"
#include "mirror/mirror.h"
#include "virt/domain_cache.h"
#include "virt/link.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* One object as libvirt describes it. */
typedef struct Answer {
        const Kind *kind;
        char uuid[VIR_UUID_STRING_BUFLEN];
        gboolean present;
        GVariant *
                values[N_DOMAIN1]; /* by slot of its native interface; owned; NULL: not asked, or not known */
        gboolean only_system; /* of a domain: it is asked for nothing but OSType; else as libvirt said all */
} Answer;

/* What to ask of a domain besides its state. */
typedef enum Aspects {
        ASPECT_STATE = 0,
        ASPECT_LIFE = 1 << 0, /* whether it is active, its number and its name */
        ASPECT_DEFINITION =
                1 << 1, /* that, whether it is persistent and started with the host, its kind of system */
} Aspects;

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
        GPtrArray *systems;        /* UUIDs of domains: their OSType, which no list has */

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
