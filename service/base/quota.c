/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/quota.h"

#include "base/thread.h"

void quota_charge(Quota *quota, QuotaKind kind, guint64 amount)
{
        ASSERT_MAIN();
        for (; quota; quota = quota->parent)
                if (!g_uint64_checked_add(&quota->charged[kind], quota->charged[kind], amount))
                        g_error("quota %d overflows", kind);
}

/* The one place that subtracts. */
void quota_discharge(Quota *quota, QuotaKind kind, guint64 amount)
{
        ASSERT_MAIN();
        for (; quota; quota = quota->parent) {
                if (quota->charged[kind] < amount)
                        g_error("%" G_GUINT64_FORMAT " is to be given back to quota %d, which has %" //
                                G_GUINT64_FORMAT,
                                amount, kind, quota->charged[kind]);

                quota->charged[kind] -= amount;
        }
}

void quota_move(Quota *quota, Quota *parent)
{
        ASSERT_MAIN();
        for (QuotaKind kind = 0; kind < N_QUOTAS; kind++) {
                quota_charge(parent, kind, quota->charged[kind]);
                quota_discharge(quota->parent, kind, quota->charged[kind]);
        }

        quota->parent = parent;
}

void quota_close(const Quota *quota)
{
        ASSERT_MAIN();
        for (QuotaKind kind = 0; kind < N_QUOTAS; kind++)
                if (quota->charged[kind] > 0)
                        g_error("%" G_GUINT64_FORMAT " is still charged to quota %d", //
                                quota->charged[kind], kind);
}
