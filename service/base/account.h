/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What is in use of the quotas that callers have. Main thread.
 *
 * An account belongs to a caller, to a user, or to all together, and may have a parent: what is charged to an
 * account is charged to its parents as well. It is given back to the account to which it was charged, which
 * the one that uses it holds on to: nothing is looked up again by a name, which may mean another caller by
 * then. */

typedef enum Quota {
        QUOTA_CALLS,      /* that were accepted and have no reply yet */
        QUOTA_BYTES,      /* of their arguments */
        QUOTA_KEPT,       /* requests that wait for a decision */
        QUOTA_KEPT_BYTES, /* of their arguments */
        QUOTA_ASKED,      /* questions that polkit has yet to answer */
        QUOTA_WAITS,      /* calls that wait for a state; they count among calls, too */
        N_QUOTAS,
} Quota;

/* All zero is one without parents, with nothing charged. */
typedef struct Account {
        struct Account *parent; /* outlives it */
        guint64 charged[N_QUOTAS];
} Account;

void account_charge(Account *account, Quota quota, guint64 amount);

/* Gives @amount back, which was charged before. That it was not is a fault of the service, which ends: an
 * account below zero would refuse everybody for good. */
void account_discharge(Account *account, Quota quota, guint64 amount);

/* Makes @parent, which may be NULL, the parent; what is charged to the account goes along. */
void account_move(Account *account, Account *parent);

/* Before its owner is freed: nothing may be charged to it any more. */
void account_close(const Account *account);
