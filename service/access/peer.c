/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Peers, and what each may have in flight, so that no caller's calls can fill the service's memory or keep
 * others out. */

#include "access/peer.h"

#include "base/error.h"
#include "base/process.h"
#include "base/thread.h"

#include <unistd.h>

Peer *peer_ref(Peer *peer)
{
        ASSERT_MAIN();
        peer->references++;
        return peer;
}

static void free_credentials(Credentials *credentials)
{
        g_clear_pointer(&credentials->groups, g_variant_unref);
}

void peer_unref(Peer *peer)
{
        ASSERT_MAIN();
        if (--peer->references > 0)
                return;

        g_clear_pointer(&peer->lanes, g_hash_table_unref);
        quota_close(&peer->quota);
        user_unref(peer->user);
        g_clear_pointer(&peer->answers, g_hash_table_unref);
        free_credentials(&peer->credentials);
        g_free(peer->name);
        g_free(peer);
}

/* The table has it no more. */
static void on_removed(void *data)
{
        Peer *peer = data;

        peer->gone = TRUE;
        if (peer->lanes)
                g_hash_table_remove_all(peer->lanes);
        peer_unref(peer);
}

Peers *peers_new(const Limits *limits)
{
        Peers *peers = g_new0(Peers, 1);

        ASSERT_MAIN();
        peers->limits = limits;
        peers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, on_removed);
        peers->user_database = user_database_new();
        users_init(&peers->users, peers->user_database);
        return peers;
}

void peers_close(Peers *peers)
{
        ASSERT_MAIN();
        g_hash_table_remove_all(peers->by_name);
        peers->users.user_database = NULL;
        g_clear_pointer(&peers->user_database, user_database_free);
}

void peers_free(Peers *peers)
{
        ASSERT_MAIN();
        if (!peers)
                return;

        peers_close(peers);
        users_clear(&peers->users);
        g_hash_table_unref(peers->by_name);
        g_free(peers);
}

Peer *peers_find(const Peers *peers, const char *name)
{
        ASSERT_MAIN();
        return g_hash_table_lookup(peers->by_name, name);
}

Peer *peers_get(Peers *peers, const char *name)
{
        Peer *peer = peers_find(peers, name);

        ASSERT_MAIN();
        if (peer)
                return peer;

        peer = g_new0(Peer, 1);
        peer->peers = peers;
        peer->references = 1;
        peer->name = g_strdup(name);
        peer->heard = process_now();
        peer->quota.parent = &peers->users.total;
        g_hash_table_insert(peers->by_name, peer->name, peer);
        return peer;
}

unsigned peers_size(const Peers *peers)
{
        ASSERT_MAIN();
        return g_hash_table_size(peers->by_name);
}

guint64 peers_charged(const Peers *peers, QuotaKind kind)
{
        ASSERT_MAIN();
        return peers->users.total.charged[kind];
}

void peer_leave(Peer *peer)
{
        ASSERT_MAIN();
        if (!peer->gone)
                g_hash_table_remove(peer->peers->by_name, peer->name);
}

gboolean peer_is_trusted(const Peer *peer)
{
        ASSERT_MAIN();
        return peer->credentials.uid == 0 || peer->credentials.uid == geteuid();
}

gboolean peer_has_credentials(const Peer *peer)
{
        ASSERT_MAIN();
        return peer->known && peer->credentials.uid != (uid_t)-1;
}

static void set_user(Peer *peer, User *user)
{
        quota_move(&peer->quota, user ? &user->quota : &peer->peers->users.total);
        user_unref(peer->user);
        peer->user = user;
}

void peer_identify(Peer *peer, const Credentials *credentials)
{
        ASSERT_MAIN();
        peer->known = TRUE;
        free_credentials(&peer->credentials);
        peer->credentials = credentials ? *credentials : (Credentials){.uid = (uid_t)-1};
        peer->credentials.connected = peer->heard;
        if (peer->credentials.groups)
                g_variant_ref(peer->credentials.groups);

        /* It may have been taken for one that the bus does not know. */
        set_user(peer, peer_is_trusted(peer) ? NULL : users_get(&peer->peers->users, peer->credentials.uid));
}

/* All that are trusted are one user, and all that are not known yet are another. */
const void *peer_turns_key(const Peer *peer)
{
        static const char trusted, unknown;

        ASSERT_MAIN();
        if (peer->user)
                return user_shared(peer->user);

        return peer_has_credentials(peer) ? &trusted : &unknown;
}

static gboolean within_limits(const Peer *peer, QuotaKind kind, size_t bytes, GError **error)
{
        const Limits *limits = peer->peers->limits;
        const guint64 *own = peer->quota.charged, *all = peer->peers->users.total.charged;
        /* What waits for that its user is known counts as if it were all that this user has. */
        guint64 calls = kind == QUOTA_KEPT ? own[kind] : 0, waiting = kind == QUOTA_KEPT ? own[kind + 1] : 0;
        unsigned calls_of_user = user_part(limits->calls_total), bytes_of_user = user_bytes(limits);
        const char *problem = NULL;
        unsigned limit = 0;

        if (peer->user) {
                calls = user_charged(peer->user, kind);
                waiting = user_charged(peer->user, kind + 1);
        }

        if (bytes > limits->request_bytes)
                problem = "bytes of arguments in one call", limit = limits->request_bytes;
        else if (own[kind] >= limits->calls_per_sender)
                problem = "calls in flight from one caller", limit = limits->calls_per_sender;
        else if (calls >= calls_of_user)
                problem = "calls in flight from one user", limit = calls_of_user;
        else if (waiting + bytes > bytes_of_user)
                problem = "bytes of arguments in flight from one user", limit = bytes_of_user;
        else if (all[kind] >= limits->calls_total)
                problem = "calls in flight", limit = limits->calls_total;
        else if (all[kind + 1] + bytes > limits->pending_bytes)
                problem = "bytes of arguments in flight", limit = limits->pending_bytes;

        if (problem)
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "at most %u %s are accepted%s", limit, problem,
                            kind == QUOTA_KEPT ? " while they wait for polkit" : "");

        return !problem;
}

gboolean peer_charge(Peer *peer, QuotaKind kind, size_t bytes, GError **error)
{
        ASSERT_MAIN();
        if (!within_limits(peer, kind, bytes, error))
                return FALSE;

        quota_charge(&peer->quota, kind, 1);
        quota_charge(&peer->quota, kind + 1, bytes);
        peer_ref(peer);
        return TRUE;
}

void peer_discharge(Peer *peer, QuotaKind kind, size_t bytes)
{
        ASSERT_MAIN();
        quota_discharge(&peer->quota, kind, 1);
        quota_discharge(&peer->quota, kind + 1, bytes);
        peer_unref(peer);
}

gboolean peer_charge_stream(Peer *peer, GError **error)
{
        unsigned all = peer->peers->limits->streams;

        ASSERT_MAIN();
        if (peers_charged(peer->peers, QUOTA_STREAMS) >= all ||
            (peer->user && user_charged(peer->user, QUOTA_STREAMS) >= user_part(all))) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "at most %u streams are open at once, and at most %u of one user", all,
                            user_part(all));
                return FALSE;
        }

        quota_charge(&peer->quota, QUOTA_STREAMS, 1);
        peer_ref(peer);
        return TRUE;
}

void peer_discharge_stream(Peer *peer)
{
        ASSERT_MAIN();
        quota_discharge(&peer->quota, QUOTA_STREAMS, 1);
        peer_unref(peer);
}
