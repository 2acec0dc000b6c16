/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What is in use of the limits that callers have. Main thread.
 *
 * A quota is embedded in what is charged: a peer, a user, or all together. It may have a parent: what is
 * charged to a quota is charged to its parents as well. It is given back to the quota to which it was
 * charged, which the one that uses it holds on to: nothing is looked up again by a name, which may mean
 * another caller by then. */

typedef enum QuotaKind {
        QUOTA_CALLS,      /* that were accepted and have no reply yet */
        QUOTA_BYTES,      /* of their arguments, which follows them here */
        QUOTA_KEPT,       /* requests that wait for a decision */
        QUOTA_KEPT_BYTES, /* the same */
        QUOTA_ASKED,      /* questions that polkit has yet to answer */
        QUOTA_STREAMS,    /* that are open, or are to be; those with a call count among calls, too */
        QUOTA_WAITS,      /* calls that wait for a state; they count among calls, too */
        N_QUOTAS,
} QuotaKind;

/* All zero is one without parents, with nothing charged. */
typedef struct Quota {
        struct Quota *parent; /* outlives it */
        guint64 charged[N_QUOTAS];
} Quota;

void quota_charge(Quota *quota, QuotaKind kind, guint64 amount);

/* Gives @amount back, which was charged before. That it was not is a fault of the service, which ends: a
 * quota below zero would refuse all callers for good. */
void quota_discharge(Quota *quota, QuotaKind kind, guint64 amount);

/* Makes @parent, which may be NULL, the parent; what is charged to the quota goes along. */
void quota_move(Quota *quota, Quota *parent);

/* Before its owner is freed: nothing may be charged to it any more. */
void quota_close(const Quota *quota);
