/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/account.h"

#include "base/thread.h"

static void add(Account *account, Quota quota, guint64 amount)
{
        for (; account; account = account->parent)
                if (!g_uint64_checked_add(&account->charged[quota], account->charged[quota], amount))
                        g_error("account %d overflows", quota);
}

/* The one place that subtracts. */
static void take(Account *account, Quota quota, guint64 amount)
{
        for (; account; account = account->parent) {
                if (account->charged[quota] < amount)
                        g_error("%" G_GUINT64_FORMAT " is to be given back to account %d, which has %" //
                                G_GUINT64_FORMAT,
                                amount, quota, account->charged[quota]);

                account->charged[quota] -= amount;
        }
}

void account_charge(Account *account, Quota quota, guint64 amount)
{
        ASSERT_MAIN();
        add(account, quota, amount);
}

void account_discharge(Account *account, Quota quota, guint64 amount)
{
        ASSERT_MAIN();
        take(account, quota, amount);
}

void account_move(Account *account, Account *parent)
{
        ASSERT_MAIN();
        for (Quota quota = 0; quota < N_QUOTAS; quota++) {
                add(parent, quota, account->charged[quota]);
                take(account->parent, quota, account->charged[quota]);
        }

        account->parent = parent;
}

void account_close(const Account *account)
{
        ASSERT_MAIN();
        for (Quota quota = 0; quota < N_QUOTAS; quota++)
                if (account->charged[quota] > 0)
                        g_error("%" G_GUINT64_FORMAT " is still charged to account %d", //
                                account->charged[quota], quota);
}
