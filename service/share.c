/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users by number. A host has few, so that none is forgotten. */

#include "share.h"

struct Shares {
        GHashTable *by_uid; /* of Share */
};

Shares *shares_new(void)
{
        Shares *shares = g_new0(Shares, 1);

        shares->by_uid = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        return shares;
}

void shares_free(Shares *shares)
{
        if (!shares)
                return;

        g_hash_table_unref(shares->by_uid);
        g_free(shares);
}

Share *shares_get(Shares *shares, uid_t uid)
{
        Share *share = g_hash_table_lookup(shares->by_uid, GUINT_TO_POINTER(uid));

        if (!share) {
                share = g_new0(Share, 1);
                g_hash_table_insert(shares->by_uid, GUINT_TO_POINTER(uid), share);
        }

        return share;
}
