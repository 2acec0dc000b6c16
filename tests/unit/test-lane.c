/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lanes: that messages wait in their order, that calls and messages of one object share one lane, and that a
 * lane lasts as long as anything of it does, whether its peer stays or leaves. */

#include "access/lane.h"
#include "base/error.h"

#include "codec-bus.h"

static const Limits limits = {
        .calls_per_sender = 4, .calls_total = 100, .request_bytes = 1000, .pending_bytes = 10000};

static Peers *peers;
static GString *seen; /* the members that were tried, a letter each */
static char blocked;  /* the one that has to go on waiting */

static void set_up(void)
{
        peers = peers_new(&limits);
        peers->users.user_database = NULL;
        seen = g_string_new(NULL);
        blocked = '-';
        test_bus_open();
}

/* Nothing is left. */
static void tear_down(void)
{
        for (QuotaKind kind = 0; kind < N_QUOTAS; kind++)
                g_assert_cmpuint(peers_charged(peers, kind), ==, 0);
        peers_free(peers);
        g_string_free(seen, TRUE);
        test_bus_close();
}

static Peer *get(void)
{
        return peers_get(peers, ":1.1");
}

static Lane *keep(const char *path, const char *member)
{
        g_autoptr(sd_bus_message) message = NULL;

        g_assert_cmpint(sd_bus_message_new_method_call(test_bus, &message, "a.b", path, "a.b", member), >=,
                        0);
        message_finish(message);
        return lane_keep(get(), message, NULL);
}

static gboolean try(Peer *peer, sd_bus_message *message, void *data)
{
        char member = *sd_bus_message_get_member(message);

        g_assert_true(peer == get() && data == seen);
        g_string_append_c(seen, member);
        return member != blocked;
}

/* The lanes that have something unread. */
static unsigned count_unread(void)
{
        g_autoptr(GList) lanes = lanes_unread(get());

        return g_list_length(lanes);
}

static void test_order(void)
{
        Lane *lane;

        set_up();
        lane = keep("/a", "A");
        g_assert_true(keep("/a", "B") == lane && keep("/a", "C") == lane);
        g_assert_true(lane_has_unread(get(), "/a"));
        blocked = 'B';
        g_assert_false(lane_retry(lane, try, seen));
        g_assert_cmpstr(seen->str, ==, "AB");
        g_assert_true(lane_has_unread(get(), "/a"));
        blocked = '-';
        g_assert_true(lane_retry(lane, try, seen));
        g_assert_cmpstr(seen->str, ==, "ABBC");
        g_assert_false(lane_has_unread(get(), "/a"));
        tear_down();
}

static void test_objects(void)
{
        Lane *lane;

        set_up();
        g_assert_false(lane_has_unread(get(), "/a"));
        lane = keep("/a", "A");
        g_assert_false(lane_has_unread(get(), "/b"));
        g_assert_true(keep("/b", "B") != lane);
        g_assert_cmpuint(count_unread(), ==, 2);
        g_assert_true(lane_retry(lane, try, seen));
        g_assert_cmpuint(count_unread(), ==, 1);
        lanes_refuse(get(), "the test is over");
        g_assert_cmpuint(count_unread(), ==, 0);
        g_assert_cmpstr(seen->str, ==, "A");
        tear_down();
}

/* Calls are in the lane of the messages; with a call alone, nothing is unread. */
static void test_calls(void)
{
        Lane *lane;

        set_up();
        lane = lane_enter(get(), "/a");
        g_assert_false(lane_has_unread(get(), "/a"));
        g_assert_true(keep("/a", "A") == lane);
        g_assert_true(lane_enter(get(), "/a") == lane);
        lane_leave(lane);
        lane_leave(lane);
        g_assert_true(lane_enter(get(), "/a") == lane);
        g_assert_true(lane_retry(lane, try, seen));
        lane_leave(lane);
        g_assert_cmpuint(g_hash_table_size(get()->lanes), ==, 0);
        tear_down();
}

static void test_no_room(void)
{
        set_up();
        for (unsigned i = 0; i < limits.calls_per_sender; i++)
                g_assert_nonnull(keep("/a", "A"));
        g_assert_null(keep("/a", "A"));
        g_assert_null(keep("/b", "A"));
        g_assert_cmpuint(count_unread(), ==, 1);
        peer_leave(get());
        tear_down();
}

/* What is unread goes at once, and is no longer charged. What was begun ends when it does. */
static void test_departure(void)
{
        Lane *begun;
        Peer *peer;

        set_up();
        peer = peer_ref(get());
        begun = lane_enter(peer, "/a");
        g_assert_nonnull(keep("/a", "A"));
        g_assert_nonnull(keep("/b", "B"));
        peer_leave(peer);
        g_assert_cmpuint(peers_charged(peers, QUOTA_KEPT), ==, 0);
        g_assert_false(lane_has_unread(peer, "/a"));
        g_assert_cmpstr(begun->path, ==, "/a");
        lane_leave(begun);
        peer_unref(peer);
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lane/order", test_order);
        g_test_add_func("/lane/objects", test_objects);
        g_test_add_func("/lane/calls", test_calls);
        g_test_add_func("/lane/no-room", test_no_room);
        g_test_add_func("/lane/departure", test_departure);
        return g_test_run();
}
