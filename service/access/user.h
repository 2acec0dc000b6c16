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

typedef struct Users Users;

/* Questions to polkit about the peers of a user, of one sort; polkit.c's. */
typedef struct UserQuestions {
        unsigned open;     /* with polkit */
        GQueue waiting;    /* for the user's turn */
        gboolean in_turns; /* of users */
} UserQuestions;

typedef struct User {
        Quota quota;  /* its parent is that of the strangers, while it is one of them, else the total */
        Users *users; /* NULL when they are gone */
        uid_t uid;
        unsigned references;
        gboolean known, asked;      /* to the user database, and whether that is looking */
        gint64 ask_again;           /* us, on the monotonic clock */
        UserQuestions questions[2]; /* by whether a person may have to type */
} User;

struct Users {
        GHashTable *by_uid;          /* of User: those that are held, and those that are known */
        Quota total;                 /* of all callers */
        User strangers;              /* all of them */
        UserDatabase *user_database; /* NULL: all users are known */
};

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

/* The user that it has one part with, and one turn: itself, or the one that all strangers are. It is
 * borrowed; those that had it are not told when it changes. */
User *user_shared(User *user);

/* What that has in use. */
guint64 user_charged(User *user, QuotaKind kind);

/* Whether those two are to have one part between them. NULL is none of either. */
gboolean user_is_same(User *a, User *b);

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
