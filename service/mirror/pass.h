/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "members.h"
#include "mirror/dirty.h"
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

/* @told: the mirror shows what libvirt said after the waiting began; else libvirt could not be asked, or not
 * in time. */
typedef void WaitFunc(gboolean told, void *data);

/* What waits for that. */
typedef struct Waiter {
        WaitFunc *func;
        void *data;
        gint64 deadline; /* by the monotonic clock; 0: none */
} Waiter;

/* Calls those in an array of Waiter, which is freed. NULL is fine. */
void waiters_tell(GArray *waiters, gboolean told);

/* One pass: what to ask, and what libvirt said. Its maker says the first, a worker finds out the
 * second; each has it alone for that time. */
typedef struct Pass {
        Link *link;
        DomainCache *domain_cache; /* of the link's connection */
        Link *lists[N_MIRRORED];   /* to list the kinds over */

        /* What to ask. */
        Dirty dirty;
        GPtrArray *systems; /* UUIDs of domains: their OSType, which no list has */

        /* What libvirt said. */
        gboolean listed[N_MIRRORED];
        GHashTable *failed; /* a set of UUIDs: libvirt did not answer, but lives */
        GArray *answers;    /* of Answer */
        GError *error;      /* why there is not more */

        /* The maker's. */
        void *data;
        GArray *waiters;           /* of Waiter: what waits for its end */
        unsigned generation;       /* of the connection, when it began */
        gboolean lost[N_MIRRORED]; /* the link of that list, since then */
        GHashTable *passing;       /* a set of UUIDs: domains in a state that does not last */
        GArray *order;             /* of the answers, see pass_order() */
        guint applied;             /* of these */
} Pass;

/* Main thread. An empty pass, over one link; @link and @domain_cache must outlive it. */
Pass *pass_new(Link *link, DomainCache *domain_cache, void *data);

/* NULL is fine. */
void pass_free(Pass *pass);

/* Worker thread: asks. */
void pass_ask(Pass *pass);

/* Main thread: the order in which the answers are to be taken: of what is gone, of what @mirror has, and of
 * what is new. An array of guint, places in the answers. */
GArray *pass_order(const Pass *pass, const Mirror *mirror);

/* The set of the leaves of a kind among the answers. */
GHashTable *pass_leaves(const Pass *pass, const Kind *kind);
