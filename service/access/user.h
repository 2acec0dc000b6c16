/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/user_database.h"
#include "base/config.h"
#include "base/quota.h"

#include <glib.h>
#include <sys/types.h>

/* Users: what the programs of one have at once, over all their connections to the bus. Main thread.
 *
 * A user has at most a part of what everybody together may have, so that none can keep the others out. Root
 * and the service's own account have no such bounds: they are trusted with the service itself.
 *
 * Users that the system does not know, the strangers, are one: a user may have 65,536 numbers of that sort,
 * in namespaces of users, and is not to have as many parts. Until the user database has said that there is
 * such a user, one counts among them. */

/* A user's part of a limit that all share. */
#define USER_PART 4

typedef struct Users {
        GHashTable *by_uid; /* of User: those that are held, and those that are known */
        Quota total;        /* of all callers */
        Quota strangers;
        UserDatabase *user_database; /* NULL: all users are known */
} Users;

typedef struct User {
        Quota quota;  /* its parent is that of the strangers, while it is one of them, else the total */
        Users *users; /* NULL when they are gone */
        uid_t uid;
        unsigned references;
        gboolean known, asked; /* to the user database, and whether that is looking */
        gint64 ask_again;      /* us, on the monotonic clock */
} User;

/* @user_database, which may be NULL, must outlive its answers. */
void users_init(Users *users, UserDatabase *user_database);

/* Users that are held go with their last holder. */
void users_clear(Users *users);

/* A reference to the user of that number. */
User *users_get(Users *users, uid_t uid);

/* NULL is fine. */
void user_unref(User *user);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(User, user_unref)

User *user_ref(User *user);

/* What the user has in use; a stranger has what all of them have. */
guint64 user_charged(const User *user, QuotaKind kind);

/* Whether those are to have one part between them: the same user, or two strangers. NULL is none of either.
 */
gboolean user_is_same(const User *a, const User *b);

/* The same as a key to compare, of a user that is held; while the user database is asked, that of all
 * strangers. Those that had one are not told when it changes. */
const void *user_key(const User *user);

/* A number for that: the user's, or (uid_t)-1 for all strangers. */
uid_t user_number(const User *user);

/* One user's part of @limit, of which there is always something to have. */
static inline unsigned user_part(unsigned limit)
{
        return MAX(limit / USER_PART, 1);
}

/* The same of the bytes that wait, where one call may have all that is allowed to one. */
static inline unsigned user_bytes(const Limits *limits)
{
        return MAX(user_part(limits->pending_bytes), limits->request_bytes);
}
