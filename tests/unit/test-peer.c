/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Peers: that each name has one, whose it is, and what it may have in flight. All users are known. */

#include "access/peer.h"
#include "base/error.h"

#include <string.h>
#include <unistd.h>

static Peers *peers;

static void set_up(const Limits *limits)
{
        peers = peers_new(limits);
        peers->users.user_database = NULL;
}

static Peer *get(const char *name)
{
        return peers_get(peers, name);
}

/* The peer of that name, which is of that user. */
static Peer *get_of(const char *name, uid_t uid)
{
        Peer *peer = get(name);

        peer_identify(peer, &(Credentials){.uid = uid});
        return peer;
}

static void begin(Peer *peer, size_t bytes)
{
        g_assert_true(peer_charge(peer, QUOTA_CALLS, bytes, NULL));
}

/* One call is too much, for that reason. */
static void check_refused(Peer *peer, size_t bytes, const char *reason)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(peer_charge(peer, QUOTA_CALLS, bytes, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_nonnull(strstr(error->message, reason));
}

/* Ends all calls of a peer, of which each had so many bytes. */
static void end_all(Peer *peer, size_t bytes)
{
        while (peer->quota.charged[QUOTA_CALLS] > 0)
                peer_discharge(peer, QUOTA_CALLS, bytes);
}

static void tear_down(void)
{
        for (QuotaKind kind = 0; kind < N_QUOTAS; kind++)
                g_assert_cmpuint(peers_charged(peers, kind), ==, 0);
        peers_free(peers);
}

static const Limits limits = {
        .calls_per_sender = 2, .calls_total = 3, .request_bytes = 100, .pending_bytes = 150};

static void test_one_for_each_name(void)
{
        Peer *one, *other;

        set_up(&limits);
        g_assert_null(peers_find(peers, ":1.1"));
        one = get(":1.1");
        other = get(":1.2");
        g_assert_true(get(":1.1") == one && peers_find(peers, ":1.1") == one && one != other);
        g_assert_cmpstr(one->name, ==, ":1.1");
        g_assert_cmpuint(peers_size(peers), ==, 2);
        tear_down();
        peers_free(NULL);
}

/* Those of a peer that has left go on counting until they end, and nothing else finds it. */
static void test_leave(void)
{
        Peer *peer, *next;

        set_up(&limits);
        peer = get_of(":1.1", 1000);
        begin(peer, 7);
        peer_leave(peer);
        g_assert_true(peer->gone);
        g_assert_null(peers_find(peers, ":1.1"));
        g_assert_cmpuint(peers_charged(peers, QUOTA_CALLS), ==, 1);
        /* It may be said to have left when it has not. */
        next = get_of(":1.1", 1000);
        g_assert_true(next != peer && next->user == peer->user);
        g_assert_false(next->gone);
        peer_leave(peer);
        g_assert_true(peers_find(peers, ":1.1") == next);
        g_assert_cmpuint(user_charged(next->user, QUOTA_BYTES), ==, 7);
        peer_discharge(peer, QUOTA_CALLS, 7);
        tear_down();
}

static void test_trusted(void)
{
        Peer *peer;

        set_up(&limits);
        g_assert_false(peer_has_credentials(get(":1.0")));
        peer = get_of(":1.0", 0);
        g_assert_true(peer_has_credentials(peer) && peer_is_trusted(peer));
        g_assert_null(peer->user);
        g_assert_true(peer_is_trusted(get_of(":1.1", geteuid())));
        peer = get_of(":1.2", 1000);
        g_assert_true(peer_has_credentials(peer) && !peer_is_trusted(peer));
        g_assert_nonnull(peer->user);
        /* The bus does not say. */
        peer_identify(peer, NULL);
        g_assert_false(peer_has_credentials(peer));
        g_assert_false(peer_is_trusted(peer));
        g_assert_nonnull(peer->user);
        tear_down();
}

/* Callers of one user take turns among themselves; so do the trusted, and those that are not known yet. */
static void test_turns_key(void)
{
        const void *trusted, *unknown, *user;

        set_up(&limits);
        trusted = peer_turns_key(get_of(":1.1", 0));
        unknown = peer_turns_key(get(":1.2"));
        user = peer_turns_key(get_of(":1.3", 1000));
        g_assert_true(trusted != unknown && unknown != user && user != trusted);
        g_assert_true(peer_turns_key(get_of(":1.4", 0)) == trusted);
        g_assert_true(peer_turns_key(get(":1.5")) == unknown);
        g_assert_true(peer_turns_key(get_of(":1.6", 1000)) == user);
        g_assert_true(peer_turns_key(get_of(":1.7", 1001)) != user);
        tear_down();
}

static void test_calls_of_a_peer(void)
{
        Peer *peer;

        set_up(&limits);
        peer = get(":1.1");
        begin(peer, 0);
        begin(peer, 0);
        check_refused(peer, 0, "from one caller");
        /* One call less makes room for one more. */
        peer_discharge(peer, QUOTA_CALLS, 0);
        begin(peer, 0);
        end_all(peer, 0);
        tear_down();
}

static void test_calls_of_all(void)
{
        static const char *const names[] = {":1.1", ":1.2", ":1.3"};

        set_up(&limits);
        for (unsigned i = 0; i < 3; i++)
                begin(get(names[i]), 0);
        check_refused(get(":1.4"), 0, "at most 3 calls in flight are");
        g_assert_cmpuint(peers_charged(peers, QUOTA_CALLS), ==, 3);
        for (unsigned i = 0; i < 3; i++)
                end_all(get(names[i]), 0);
        tear_down();
}

static void test_bytes(void)
{
        Peer *one, *other;

        set_up(&limits);
        one = get(":1.1");
        other = get(":1.2");
        begin(one, 100);
        check_refused(other, 101, "in one call");
        check_refused(other, 51, "bytes of arguments in flight");
        peer_discharge(one, QUOTA_CALLS, 100);
        begin(other, 51);
        end_all(other, 51);
        tear_down();
}

/* A user's part of four times as much as all others here. */
static const Limits shared_limits = {
        .calls_per_sender = 100, .calls_total = 12, .request_bytes = 10, .pending_bytes = 400};

static void test_calls_of_a_user(void)
{
        static const char *const names[] = {":1.1", ":1.2", ":1.3", ":1.4"};
        Peer *other, *trusted;

        set_up(&shared_limits);
        /* Over all connections of the user. */
        for (unsigned i = 0; i < 3; i++)
                begin(get_of(names[i], 1000), 0);
        check_refused(get_of(":1.4", 1000), 0, "from one user");

        /* Others have theirs, and what is trusted has no such bounds. */
        other = get_of(":1.5", 1001);
        begin(other, 0);
        trusted = get_of(":1.0", 0);
        for (unsigned i = 0; i < 4; i++)
                begin(trusted, 0);

        peer_discharge(get(":1.1"), QUOTA_CALLS, 0);
        begin(get(":1.4"), 0);
        for (unsigned i = 0; i < 4; i++)
                end_all(get(names[i]), 0);
        end_all(other, 0);
        end_all(trusted, 0);
        tear_down();
}

static void test_bytes_of_a_user(void)
{
        Peer *peer;

        set_up(&shared_limits);
        peer = get_of(":1.1", 1000);
        quota_charge(&peer->user->quota, QUOTA_BYTES, 91);
        check_refused(peer, 10, "bytes of arguments in flight from one user");
        begin(peer, 9);
        end_all(peer, 9);
        quota_discharge(&peer->user->quota, QUOTA_BYTES, 91);
        tear_down();
}

static void check_no_stream(Peer *peer)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(peer_charge_stream(peer, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_cmpstr(error->message, ==, "at most 8 streams are open at once, and at most 2 of one user");
}

static void test_streams(void)
{
        const Limits few = {.streams = 8};
        Peer *trusted;

        set_up(&few);
        g_assert_true(peer_charge_stream(get_of(":1.1", 1000), NULL));
        g_assert_true(peer_charge_stream(get_of(":1.2", 1000), NULL));
        check_no_stream(get_of(":1.3", 1000));
        g_assert_true(peer_charge_stream(get_of(":1.4", 1001), NULL));

        trusted = get_of(":1.0", 0);
        for (unsigned i = 0; i < 5; i++)
                g_assert_true(peer_charge_stream(trusted, NULL));
        check_no_stream(trusted);
        check_no_stream(get(":1.4"));

        for (unsigned i = 0; i < 5; i++)
                peer_discharge_stream(trusted);
        g_assert_true(peer_charge_stream(get(":1.4"), NULL));
        check_no_stream(get(":1.4"));
        for (unsigned i = 0; i < 2; i++)
                peer_discharge_stream(get(":1.4"));
        peer_discharge_stream(get(":1.1"));
        peer_discharge_stream(get(":1.2"));
        tear_down();
}

/* Even where that is more than the part. */
static void test_a_user_may_make_one_call(void)
{
        const Limits narrow = {
                .calls_per_sender = 1, .calls_total = 1, .request_bytes = 100, .pending_bytes = 100};
        Peer *peer;

        set_up(&narrow);
        peer = get_of(":1.1", 1000);
        begin(peer, 100);
        end_all(peer, 100);
        tear_down();
}

/* What was accepted before counts for its user as well, and goes along when the bus says another. */
static void test_known_late(void)
{
        Peer *peer;

        set_up(&shared_limits);
        peer = get(":1.1");
        begin(peer, 5);
        g_assert_null(peer->user);
        peer_identify(peer, NULL);
        g_assert_cmpuint(user_charged(peer->user, QUOTA_BYTES), ==, 5);
        peer_identify(peer, &(Credentials){.uid = 1000});
        begin(peer, 7);
        g_assert_cmpuint(user_charged(peer->user, QUOTA_CALLS), ==, 2);
        g_assert_cmpuint(user_charged(peer->user, QUOTA_BYTES), ==, 12);
        g_assert_cmpuint(peers_charged(peers, QUOTA_BYTES), ==, 12);
        peer_discharge(peer, QUOTA_CALLS, 5);
        peer_discharge(peer, QUOTA_CALLS, 7);
        g_assert_cmpuint(user_charged(peer->user, QUOTA_CALLS), ==, 0);
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peer/one-for-each-name", test_one_for_each_name);
        g_test_add_func("/peer/leave", test_leave);
        g_test_add_func("/peer/trusted", test_trusted);
        g_test_add_func("/peer/turns-key", test_turns_key);
        g_test_add_func("/peer/calls-of-a-peer", test_calls_of_a_peer);
        g_test_add_func("/peer/calls-of-all", test_calls_of_all);
        g_test_add_func("/peer/bytes", test_bytes);
        g_test_add_func("/peer/calls-of-a-user", test_calls_of_a_user);
        g_test_add_func("/peer/bytes-of-a-user", test_bytes_of_a_user);
        g_test_add_func("/peer/a-user-may-make-one-call", test_a_user_may_make_one_call);
        g_test_add_func("/peer/streams", test_streams);
        g_test_add_func("/peer/known-late", test_known_late);
        return g_test_run();
}
