/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users by number. A share is there while one of its user's callers is. */

#include "share.h"

struct Share {
        Account account;
        Shares *shares; /* NULL when they are gone */
        uid_t uid;
        unsigned references;
};

struct Shares {
        GHashTable *by_uid; /* of Share */
};

Shares *shares_new(void)
{
        Shares *shares = g_new0(Shares, 1);

        shares->by_uid = g_hash_table_new(NULL, NULL);
        return shares;
}

void shares_free(Shares *shares)
{
        GHashTableIter iter;
        gpointer share;

        if (!shares)
                return;

        g_hash_table_iter_init(&iter, shares->by_uid);
        while (g_hash_table_iter_next(&iter, NULL, &share))
                ((Share *)share)->shares = NULL;
        g_hash_table_unref(shares->by_uid);
        g_free(shares);
}

Share *shares_get(Shares *shares, uid_t uid)
{
        Share *share = g_hash_table_lookup(shares->by_uid, GUINT_TO_POINTER(uid));

        if (share)
                return share_ref(share);

        share = g_new0(Share, 1);
        share->shares = shares;
        share->uid = uid;
        share->references = 1;
        g_hash_table_insert(shares->by_uid, GUINT_TO_POINTER(uid), share);
        return share;
}

Share *share_ref(Share *share)
{
        share->references++;
        return share;
}

void share_unref(Share *share)
{
        if (!share || --share->references > 0)
                return;

        account_close(&share->account);
        if (share->shares)
                g_hash_table_remove(share->shares->by_uid, GUINT_TO_POINTER(share->uid));
        g_free(share);
}

Account *share_account(Share *share)
{
        return &share->account;
}

guint64 share_charged(const Share *share, Quota quota)
{
        return share->account.charged[quota];
}
