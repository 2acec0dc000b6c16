/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/credentials.h"
#include "access/turns.h"
#include "access/user.h"
#include "base/config.h"
#include "base/quota.h"

#include <glib.h>

/* Peers: the callers, one for each unique name on the bus. Main thread.
 *
 * A message is one peer's, which is looked up once, when the message comes. All that the service holds for
 * that name hangs from the peer, and goes when the peer leaves the bus. */

typedef struct Authority Authority;
typedef struct CallerConnection CallerConnection;

typedef struct Peers {
        const Limits *limits;
        GHashTable *by_name; /* of Peer: those that are on the bus */
        Users users;
        UserDatabase *user_database;
        Authority *authority; /* which decides about them */
        unsigned forwarded;   /* how many have a view */
} Peers;

typedef struct Peer {
        Peers *peers;
        char *name;
        unsigned references; /* of the table, of each call, and of each question about it that is open */
        gboolean gone;       /* from the bus: nothing is done for it any more, but its quota stays */

        guint64 heard;         /* of it, when (process.h): its connection was made before */
        gboolean known, asked; /* its credentials; and whether the bus is asked for them, or has told them */
        Credentials credentials;
        User *user;  /* NULL for one that is trusted, and until it is known */
        Quota quota; /* a part of its user's */

        GHashTable *answers; /* the authority's: what polkit said of it; NULL for nothing yet */
        guint64 awaited;   /* the same: the question that the request waits for that was last told to wait */
        GHashTable *lanes; /* its requests, by their objects (lane.h); NULL for none yet */
        GQueue calls;      /* of Call: all that are its and not ended, in the order in which they came */
        TurnLine line;     /* what it has waiting for a turn on the main thread */
        CallerConnection *view; /* what it sees, where callers are forwarded; else NULL */
} Peer;

Peers *peers_new(const Limits *limits);

/* At the end: all leave, and what the user database is asked is answered with nothing. */
void peers_close(Peers *peers);

/* After that, when none is held any more. NULL is fine. */
void peers_free(Peers *peers);

/* The peer of that name, which is made where there is none. It is there until it has left the bus. */
Peer *peers_get(Peers *peers, const char *name);

/* The same, or NULL where there is none. */
Peer *peers_find(const Peers *peers, const char *name);

/* How many are known, of which each stays known until it leaves. */
unsigned peers_size(const Peers *peers);

/* What all of them have in use. */
guint64 peers_charged(const Peers *peers, QuotaKind kind);

Peer *peer_ref(Peer *peer);
void peer_unref(Peer *peer);

/* It has left the bus: it is found no more, and what waits for a decision is dropped. */
void peer_leave(Peer *peer);

/* Whose it is, as the bus tells it; @credentials is NULL when the bus does not. What is charged to it is that
 * user's from then on. */
void peer_identify(Peer *peer, const Credentials *credentials);

/* Whether it may do everything and has no user's bounds: root, and the service's own account. Of one that is
 * known. */
gboolean peer_is_trusted(const Peer *peer);

/* Whether the bus told whose it is. */
gboolean peer_has_credentials(const Peer *peer);

/* What stands for its user among those that take turns (turns.h). */
const void *peer_turns_key(const Peer *peer);

/* Charges one call, QUOTA_CALLS, or one request that is kept, QUOTA_KEPT, with its @bytes. It holds @peer
 * until peer_discharge(). FALSE and LIMITS_EXCEEDED when that is one too many for the peer, its user or the
 * service.
 */
gboolean peer_charge(Peer *peer, QuotaKind kind, size_t bytes, GError **error);
void peer_discharge(Peer *peer, QuotaKind kind, size_t bytes);

/* The same of one stream, QUOTA_STREAMS. */
gboolean peer_charge_stream(Peer *peer, GError **error);
void peer_discharge_stream(Peer *peer);
