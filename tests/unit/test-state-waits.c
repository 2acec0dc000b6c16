/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waits on a mirror that the test writes, by a clock that goes on when the test says so. */

#include "base/error.h"
#include "members.h"
#include "mirror/state_waits.h"

#define ROOT   "/org/libvirt/Test"
#define UUID   "00000000-1111-2222-3333-444444444444"
#define LEAF   "_00000000_1111_2222_3333_444444444444"
#define OTHER  "00000000-1111-2222-3333-555555555555"
#define SETTLE 400 /* ms */

static const Limits limits = {
        .calls_per_sender = 10000, .calls_total = 10000, .pending_bytes = 1 << 20, .error_bytes = 1000};

static Peers *peers;
static Mirror *mirror;
static StateWaits *waits;
static GPtrArray *finished; /* of Call, in their order */
static unsigned dropped;
static GList *timers; /* of Timer */
static gint64 now;    /* ms */

typedef struct Timer {
        guint tag;
        gint64 due;
        GSourceFunc func;
        gpointer data;
} Timer;

/* In the place of GLib's. */
guint g_timeout_add(guint interval, GSourceFunc func, gpointer data)
{
        static guint tags;
        Timer *timer = g_new(Timer, 1);

        *timer = (Timer){.tag = ++tags, .due = now + interval, .func = func, .data = data};
        timers = g_list_append(timers, timer);
        return timer->tag;
}

gboolean g_source_remove(guint tag)
{
        for (GList *each = timers; each; each = each->next)
                if (((Timer *)each->data)->tag == tag) {
                        g_free(each->data);
                        timers = g_list_delete_link(timers, each);
                        return TRUE;
                }
        g_assert_not_reached();
}

/* The first that is due by then. */
static Timer *next_timer(gint64 by)
{
        Timer *next = NULL;

        for (GList *each = timers; each; each = each->next) {
                Timer *timer = each->data;

                if (timer->due <= by && (!next || timer->due < next->due))
                        next = timer;
        }

        return next;
}

static void let_pass(unsigned ms)
{
        const gint64 end = now + ms;

        for (Timer *timer; (timer = next_timer(end));) {
                now = timer->due;
                timers = g_list_remove(timers, timer);
                g_assert_false(timer->func(timer->data));
                g_free(timer);
        }

        now = end;
}

static void free_call(void *data)
{
        call_free(data);
}

static void on_finished(Call *call, void *data)
{
        g_ptr_array_add(finished, call);
}

static void on_dropped(Call *call, void *data)
{
        dropped++;
        call_free(call);
}

static void set_state(const char *uuid, const char *state)
{
        GVariant *values[N_DOMAIN1] = {[DOMAIN1_STATE] = g_variant_ref_sink(g_variant_new_string(state))};

        state_waits_check(waits, mirror_update(mirror, &kind_domain, uuid, values, NULL)->leaf);
}

static void set_up(void)
{
        peers = peers_new(&limits);
        mirror = mirror_new(ROOT);
        finished = g_ptr_array_new_with_free_func(free_call);
        waits = state_waits_new(mirror, on_finished, NULL);
        state_waits_set_blind(waits, FALSE);
        dropped = 0;
        set_state(UUID, "running");
}

static void tear_down(void)
{
        state_waits_drop(waits, on_dropped, NULL);
        g_assert_cmpuint(state_waits_size(waits), ==, 0);
        g_ptr_array_unref(finished);
        state_waits_free(waits);
        g_assert_null(timers);
        mirror_free(mirror);
        g_assert_cmpuint(peers_charged(peers, QUOTA_CALLS), ==, 0);
        peers_free(peers);
}

static GVariant *settle_for(unsigned ms)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        if (ms > 0)
                g_variant_builder_add(&builder, "{sv}", "settle", g_variant_new_uint32(ms));
        return g_variant_builder_end(&builder);
}

static void begin(const char *caller, const char *states, guint32 timeout, GVariant *options)
{
        g_auto(GStrv) words = g_strsplit(states, " ", 0);
        Call *call = call_new(peers_get(peers, caller), NULL, CALL_METHOD, ROOT "/domain/" LEAF, 0, NULL);

        call->object.leaf = LEAF;
        call->args = g_variant_ref_sink(g_variant_new("(^asu@a{sv})", words, timeout, options));
        state_waits_add(waits, call);
}

static void check_finished(unsigned index, const char *state)
{
        const Call *call;

        g_assert_cmpuint(finished->len, >, index);
        call = g_ptr_array_index(finished, index);
        g_assert_no_error(call->error);
        g_assert_cmpstr(g_variant_get_string(call->result, NULL), ==, state);
}

static void check_failed(unsigned index, int code)
{
        const Call *call;

        g_assert_cmpuint(finished->len, >, index);
        call = g_ptr_array_index(finished, index);
        g_assert_error(call->error, GUESTBUS_ERROR, code);
        g_assert_null(call->result);
}

/* For so long nothing is finished. */
static void nothing_for(unsigned ms)
{
        guint before = finished->len;

        let_pass(ms);
        g_assert_cmpuint(finished->len, ==, before);
}

/* When so much time has passed, and no earlier, so many are finished. */
static void finished_after(unsigned ms, unsigned number)
{
        nothing_for(ms - 1);
        let_pass(1);
        g_assert_cmpuint(finished->len, ==, number);
}

static void test_at_once(void)
{
        set_up();
        begin(":1.1", "paused running", 0, settle_for(0));
        check_finished(0, "running");
        g_assert_cmpuint(state_waits_size(waits), ==, 0);
        tear_down();
}

static void test_later(void)
{
        set_up();
        begin(":1.1", "paused shutoff", 0, settle_for(0));
        begin(":1.2", "shutoff", 0, settle_for(0));
        g_assert_cmpuint(state_waits_size(waits), ==, 2);
        set_state(OTHER, "shutoff");
        set_state(UUID, "blocked");
        g_assert_cmpuint(finished->len, ==, 0);
        set_state(UUID, "paused");
        check_finished(0, "paused");
        set_state(UUID, "shutoff");
        check_finished(1, "shutoff");
        tear_down();
}

static void test_timeout(void)
{
        set_up();
        begin(":1.1", "paused", 20, settle_for(0));
        begin(":1.1", "paused", 0, settle_for(0));
        begin(":1.1", "running", 20, settle_for(10000));
        finished_after(20, 2);
        check_failed(0, GUESTBUS_ERROR_TIMEOUT);
        check_failed(1, GUESTBUS_ERROR_TIMEOUT);
        g_assert_cmpuint(state_waits_size(waits), ==, 1);
        tear_down();
        g_assert_cmpuint(dropped, ==, 1);
}

static void test_gone(void)
{
        Item *gone;

        set_up();
        begin(":1.1", "gone", 0, settle_for(0));
        begin(":1.1", "paused gone", 0, settle_for(0));
        begin(":1.1", "paused", 0, settle_for(0));
        gone = mirror_take(mirror, mirror_find_uuid(mirror, &kind_domain, UUID));
        state_waits_check(waits, gone->leaf);
        item_free(gone);
        g_assert_cmpuint(state_waits_size(waits), ==, 0);
        for (unsigned i = 0; i < 3; i++) {
                const Call *call = g_ptr_array_index(finished, i);

                if (call->error)
                        check_failed(i, GUESTBUS_ERROR_UNKNOWN_OBJECT);
                else
                        check_finished(i, "gone");
        }
        /* Of what is not there: the same, at once. */
        begin(":1.1", "gone", 0, settle_for(0));
        check_finished(3, "gone");
        begin(":1.1", "running", 0, settle_for(0));
        check_failed(4, GUESTBUS_ERROR_UNKNOWN_OBJECT);
        tear_down();
}

static void test_options(void)
{
        GVariantBuilder builder;

        set_up();
        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&builder, "{sv}", "settle", g_variant_new_string("1"));
        begin(":1.1", "running", 0, g_variant_builder_end(&builder));
        check_failed(0, GUESTBUS_ERROR_INVALID_ARGS);
        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&builder, "{sv}", "sett", g_variant_new_uint32(1));
        begin(":1.1", "paused", 1, g_variant_builder_end(&builder));
        check_failed(1, GUESTBUS_ERROR_INVALID_ARGS);
        nothing_for(SETTLE);
        tear_down();
}

static void test_settles(void)
{
        set_up();
        begin(":1.1", "running paused", 0, settle_for(SETTLE));
        g_assert_cmpuint(finished->len, ==, 0);
        set_state(UUID, "paused");
        finished_after(SETTLE, 1);
        check_finished(0, "paused");
        tear_down();
}

/* It is left before the time is over, which begins anew when it is back. */
static void test_does_not_settle(void)
{
        set_up();
        begin(":1.1", "shutoff", 0, settle_for(SETTLE));
        set_state(UUID, "shutoff");
        nothing_for(SETTLE / 2);
        set_state(UUID, "running");
        nothing_for(SETTLE * 2);
        set_state(UUID, "shutoff");
        finished_after(SETTLE, 1);
        check_finished(0, "shutoff");
        tear_down();
}

static void test_disturbed(void)
{
        set_up();
        begin(":1.1", "running", 0, settle_for(SETTLE));
        begin(":1.1", "paused", 0, settle_for(SETTLE));
        for (unsigned i = 0; i < 4; i++) {
                nothing_for(SETTLE / 2);
                state_waits_disturb(waits, LEAF);
        }
        finished_after(SETTLE, 1);
        check_finished(0, "running");
        nothing_for(SETTLE * 2);
        state_waits_disturb(waits, "_none");
        tear_down();
}

/* While nobody knows the state no wait ends by it, nor settles. */
static void test_stale(void)
{
        set_up();
        begin(":1.1", "running", 0, settle_for(SETTLE));
        state_waits_set_blind(waits, TRUE);
        begin(":1.1", "running", 0, settle_for(0));
        nothing_for(SETTLE * 2);
        begin(":1.1", "running", 1, settle_for(0));
        finished_after(1, 1);
        check_failed(0, GUESTBUS_ERROR_TIMEOUT);
        state_waits_set_blind(waits, FALSE);
        check_finished(1, "running");
        finished_after(SETTLE, 3);
        check_finished(2, "running");
        tear_down();
}

/* All that the caller has, which is all waits. */
static void withdraw(const char *caller)
{
        Peer *peer = peers_get(peers, caller);

        while (peer->calls.length > 0) {
                Call *call = peer->calls.head->data;

                state_waits_withdraw(waits, call);
                on_dropped(call, NULL);
        }
}

static void test_withdraw(void)
{
        set_up();
        for (unsigned i = 0; i < 100; i++)
                begin(i % 2 ? ":1.1" : ":1.2", "paused", 0, settle_for(i % 3));
        withdraw(":1.2");
        g_assert_cmpuint(dropped, ==, 50);
        g_assert_cmpuint(state_waits_size(waits), ==, 50);
        set_state(UUID, "paused");
        let_pass(2);
        g_assert_cmpuint(finished->len, ==, 50);
        state_waits_free(NULL);
        tear_down();
        g_assert_cmpuint(dropped, ==, 50);
}

/* Its user is known after a wait began: the wait is that user's from then on, and is given back once. */
static void test_known_late(void)
{
        Peer *peer;

        set_up();
        begin(":1.1", "paused", 0, settle_for(0));
        peer = peers_get(peers, ":1.1");
        peer_identify(peer, &(Credentials){.uid = 1000});
        g_assert_cmpuint(user_charged(peer->user, QUOTA_WAITS), ==, 1);
        begin(":1.1", "paused", 0, settle_for(0));
        g_assert_cmpuint(user_charged(peer->user, QUOTA_WAITS), ==, 2);
        withdraw(":1.1");
        g_assert_cmpuint(dropped, ==, 2);
        g_assert_cmpuint(user_charged(peer->user, QUOTA_WAITS), ==, 0);
        g_assert_cmpuint(user_charged(peer->user, QUOTA_CALLS), ==, 0);
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/waits/at-once", test_at_once);
        g_test_add_func("/waits/later", test_later);
        g_test_add_func("/waits/timeout", test_timeout);
        g_test_add_func("/waits/gone", test_gone);
        g_test_add_func("/waits/options", test_options);
        g_test_add_func("/waits/settles", test_settles);
        g_test_add_func("/waits/does-not-settle", test_does_not_settle);
        g_test_add_func("/waits/disturbed", test_disturbed);
        g_test_add_func("/waits/stale", test_stale);
        g_test_add_func("/waits/withdraw", test_withdraw);
        g_test_add_func("/waits/known-late", test_known_late);
        return g_test_run();
}
