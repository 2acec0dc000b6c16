/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users by number. */

#include "access/user.h"

#include "base/thread.h"

/* What the user database said is good for this long: users are made and removed. */
#define ENTRY_US (1 * G_TIME_SPAN_MINUTE)

void users_init(Users *users, UserDatabase *user_database)
{
        ASSERT_MAIN();
        *users = (Users){.by_uid = g_hash_table_new(NULL, NULL), .user_database = user_database};
        users->strangers =
                (User){.quota.parent = &users->total, .users = users, .uid = (uid_t)-1, .references = 1};
}

void users_clear(Users *users)
{
        GHashTableIter iter;
        gpointer value;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, users->by_uid);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                User *user = value;

                quota_move(&user->quota, NULL);
                user->users = NULL;
                if (user->references == 0)
                        g_free(user);
        }

        quota_close(&users->strangers.quota);
        g_clear_pointer(&users->by_uid, g_hash_table_unref);
}

static void set_known(User *user, gboolean known)
{
        Users *users = user->users;

        user->known = known;
        if (users)
                quota_move(&user->quota, known ? &users->total : &users->strangers.quota);
}

static void on_user(const UserEntry *entry, void *data)
{
        User *user = data;

        user->asked = FALSE;
        user->ask_again = g_get_monotonic_time() + ENTRY_US;
        set_known(user, entry->known);
        user_unref(user);
}

static void look_up(User *user)
{
        if (user->asked || g_get_monotonic_time() < user->ask_again)
                return;

        user->asked = TRUE;
        user_database_ask(user->users->user_database, user->uid, on_user, user_ref(user));
}

User *users_get(Users *users, uid_t uid)
{
        User *user = g_hash_table_lookup(users->by_uid, GUINT_TO_POINTER(uid));

        ASSERT_MAIN();
        if (!user) {
                user = g_new0(User, 1);
                user->users = users;
                user->uid = uid;
                set_known(user, !users->user_database);
                g_hash_table_insert(users->by_uid, GUINT_TO_POINTER(uid), user);
        }

        user_ref(user);
        /* That number stands for no user. */
        if (users->user_database && uid != (uid_t)-1)
                look_up(user);
        return user;
}

User *user_ref(User *user)
{
        ASSERT_MAIN();
        user->references++;
        return user;
}

/* Known users are few, and stay: until the next look-up each would count among the strangers again. */
void user_unref(User *user)
{
        ASSERT_MAIN();
        if (!user || --user->references > 0)
                return;

        quota_close(&user->quota);
        if (user->users && user->known)
                return;

        quota_move(&user->quota, NULL);
        if (user->users)
                g_hash_table_remove(user->users->by_uid, GUINT_TO_POINTER(user->uid));
        g_free(user);
}

User *user_shared(User *user)
{
        ASSERT_MAIN();
        return user->known || !user->users ? user : &user->users->strangers;
}

guint64 user_charged(User *user, QuotaKind kind)
{
        ASSERT_MAIN();
        return user_shared(user)->quota.charged[kind];
}

gboolean user_is_same(User *a, User *b)
{
        ASSERT_MAIN();
        return a && b && user_shared(a) == user_shared(b);
}
