/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "config.h"

#include <glib.h>
#include <sys/types.h>

/* What the programs of one user have at once, over all their connections to the bus. Main thread.
 *
 * A user has at most a part of what everybody together may have, so that none can keep the others out. Root
 * and the service's own account have no such bounds: they are trusted with the service itself. */

/* A user's part of a limit that all share. */
#define SHARE_PART 4

typedef struct Share {
        unsigned calls;    /* that were accepted and have no reply yet */
        size_t bytes;      /* of their arguments */
        unsigned kept;     /* requests that wait for a decision */
        size_t kept_bytes; /* of their arguments */
        unsigned asked;    /* questions that polkit has yet to answer */
        unsigned waits;    /* calls that wait for a state; they count among calls, too */
} Share;

typedef struct Shares Shares;

Shares *shares_new(void);
void shares_free(Shares *shares);

/* The share of that user, which stays until shares_free(). */
Share *shares_get(Shares *shares, uid_t uid);

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
