/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/user_database.h"
#include "base/account.h"
#include "base/config.h"

#include <glib.h>
#include <sys/types.h>

/* What the programs of one user have at once, over all their connections to the bus. Main thread.
 *
 * A user has at most a part of what everybody together may have, so that none can keep the others out. Root
 * and the service's own account have no such bounds: they are trusted with the service itself.
 *
 * Users that the system does not know are one: a user may have 65,536 numbers of that sort, in namespaces of
 * users, and is not to have as many shares. Until the user database has said that there is such a user, one
 * counts among them. */

/* A user's part of a limit that all share. */
#define SHARE_PART 4

typedef struct Share Share;
typedef struct Shares Shares;

/* Without @user_database all users are known. It must outlive its answers. */
Shares *shares_new(UserDatabase *user_database);

/* Shares that are held go with their last holder. NULL is fine. */
void shares_free(Shares *shares);

/* A reference to the share of that user, which is there for as long as it is held. */
Share *shares_get(Shares *shares, uid_t uid);
Share *share_ref(Share *share);

/* NULL is fine. */
void share_unref(Share *share);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Share, share_unref)

/* To charge, and to be the parent of what belongs to the user. Borrowed. */
Account *share_account(Share *share);

/* What the user has in use; one that is not known has what all of them have. */
guint64 share_charged(const Share *share, Quota quota);

/* Whether those are to have one part between them: the same user, or two that are not known. NULL is none of
 * either. */
gboolean share_is_one(const Share *a, const Share *b);

/* The same as a key to compare, of a share that is held; while the user database is asked, that of all that
 * are not known. Those that had one are not told when it changes. */
const void *share_key(const Share *share);

/* A number for that: the user's, or (uid_t)-1 for all that are not known. */
uid_t share_user(const Share *share);

/* One user's part of @limit, of which there is always something to have. */
static inline unsigned share_part(unsigned limit)
{
        return MAX(limit / SHARE_PART, 1);
}

/* The same of the bytes that wait, where one call may have all that is allowed to one. */
static inline unsigned share_bytes(const Limits *limits)
{
        return MAX(share_part(limits->pending_bytes), limits->request_bytes);
}
