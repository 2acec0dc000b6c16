/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users by number. */

#include "access/share.h"

#include "base/thread.h"

/* What the user database said is good for this long: users are made and removed. */
#define ENTRY_US (1 * G_TIME_SPAN_MINUTE)

struct Share {
        Account account; /* its parent is that of the strangers, while it is one of them */
        Shares *shares;  /* NULL when they are gone */
        uid_t uid;
        unsigned references;
        gboolean known, asked; /* to the user database, and whether that is looking */
        gint64 ask_again;      /* us, on the monotonic clock */
};

struct Shares {
        GHashTable *by_uid; /* of Share: those that are held, and those of known users */
        Account strangers;
        UserDatabase *user_database;
};

Shares *shares_new(UserDatabase *user_database)
{
        Shares *shares = g_new0(Shares, 1);

        ASSERT_MAIN();
        shares->by_uid = g_hash_table_new(NULL, NULL);
        shares->user_database = user_database;
        return shares;
}

void shares_free(Shares *shares)
{
        GHashTableIter iter;
        gpointer value;

        ASSERT_MAIN();
        if (!shares)
                return;

        g_hash_table_iter_init(&iter, shares->by_uid);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Share *share = value;

                account_move(&share->account, NULL);
                share->shares = NULL;
                if (share->references == 0)
                        g_free(share);
        }

        account_close(&shares->strangers);
        g_hash_table_unref(shares->by_uid);
        g_free(shares);
}

static void set_known(Share *share, gboolean known)
{
        Account *strangers = share->shares ? &share->shares->strangers : NULL;

        share->known = known;
        account_move(&share->account, known ? NULL : strangers);
}

static void on_user(const UserEntry *entry, void *data)
{
        Share *share = data;

        share->asked = FALSE;
        share->ask_again = g_get_monotonic_time() + ENTRY_US;
        set_known(share, entry->known);
        share_unref(share);
}

static void look_up(Share *share)
{
        if (share->asked || g_get_monotonic_time() < share->ask_again)
                return;

        share->asked = TRUE;
        user_database_ask(share->shares->user_database, share->uid, on_user, share_ref(share));
}

Share *shares_get(Shares *shares, uid_t uid)
{
        Share *share = g_hash_table_lookup(shares->by_uid, GUINT_TO_POINTER(uid));

        ASSERT_MAIN();
        if (!share) {
                share = g_new0(Share, 1);
                share->shares = shares;
                share->uid = uid;
                set_known(share, !shares->user_database);
                g_hash_table_insert(shares->by_uid, GUINT_TO_POINTER(uid), share);
        }

        share_ref(share);
        /* That number stands for nobody. */
        if (shares->user_database && uid != (uid_t)-1)
                look_up(share);
        return share;
}

Share *share_ref(Share *share)
{
        ASSERT_MAIN();
        share->references++;
        return share;
}

/* Known users are few, and theirs stay: until the next look-up each would count among the strangers again. */
void share_unref(Share *share)
{
        ASSERT_MAIN();
        if (!share || --share->references > 0)
                return;

        account_close(&share->account);
        if (share->shares && share->known)
                return;

        account_move(&share->account, NULL);
        if (share->shares)
                g_hash_table_remove(share->shares->by_uid, GUINT_TO_POINTER(share->uid));
        g_free(share);
}

Account *share_account(Share *share)
{
        ASSERT_MAIN();
        return &share->account;
}

guint64 share_charged(const Share *share, Quota quota)
{
        const Account *account = share->account.parent ? share->account.parent : &share->account;

        ASSERT_MAIN();
        return account->charged[quota];
}

const void *share_key(const Share *share)
{
        ASSERT_MAIN();
        return share->account.parent ? (const void *)share->account.parent : share;
}

uid_t share_user(const Share *share)
{
        ASSERT_MAIN();
        return share->known ? share->uid : (uid_t)-1;
}

gboolean share_is_one(const Share *a, const Share *b)
{
        ASSERT_MAIN();
        return a && b && share_user(a) == share_user(b);
}
