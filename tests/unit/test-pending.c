/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects of which events and answers do not say the same yet. */

#include "members.h"
#include "mirror/pending.h"

#include "virt/event_details.h"

#include <libvirt/libvirt.h>
#include <string.h>

#define UUID "00000000-1111-2222-3333-444444444444"

static PendingTable *table;
static Pending *pending;

static void set_up(void)
{
        table = pending_table_new();
        pending = pending_get(table, &kind_domain, UUID);
}

static void tear_down(void)
{
        pending_table_free(table);
}

static gboolean is_late(int event, int detail)
{
        const Event one = {.kind = &kind_domain, .lifecycle = event, .detail = detail};

        return pending_is_late(pending, &one);
}

static void expect(int first, int second)
{
        const int events[] = {first, second};

        pending_expect_late(pending, events, second >= 0 ? 2 : 1, 0);
}

/* What was told in libvirt's place is not told again when libvirt tells it, once. */
static void test_late(void)
{
        set_up();
        g_assert_false(is_late(VIR_DOMAIN_EVENT_STOPPED, 0));
        expect(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STARTED);
        g_assert_true(is_late(VIR_DOMAIN_EVENT_STOPPED, 0));
        g_assert_true(is_late(VIR_DOMAIN_EVENT_STARTED, 0));
        g_assert_false(is_late(VIR_DOMAIN_EVENT_STARTED, 0));

        /* libvirt keeps its order: the first one is not awaited behind the second. */
        expect(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STARTED);
        g_assert_true(is_late(VIR_DOMAIN_EVENT_STARTED, 0));
        g_assert_false(is_late(VIR_DOMAIN_EVENT_STOPPED, 0));

        /* What led to a stop that was told is not told after it. */
        expect(VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_UNDEFINED);
        g_assert_true(is_late(VIR_DOMAIN_EVENT_SHUTDOWN, 0));
        g_assert_true(is_late(VIR_DOMAIN_EVENT_UNDEFINED, 0));
        g_assert_true(is_late(VIR_DOMAIN_EVENT_SUSPENDED, 0));
        g_assert_true(is_late(VIR_DOMAIN_EVENT_STOPPED, 0));
        g_assert_false(is_late(VIR_DOMAIN_EVENT_SUSPENDED, 0));

        /* A start is told when it is complete; what came of it then is not what was told before. */
        expect(VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_SUSPENDED);
        g_assert_false(is_late(VIR_DOMAIN_EVENT_RESUMED, 0));
        g_assert_true(is_late(VIR_DOMAIN_EVENT_STARTED, 0));
        g_assert_false(is_late(VIR_DOMAIN_EVENT_SUSPENDED, 0));
        expect(VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_SUSPENDED);
        g_assert_false(is_late(VIR_DOMAIN_EVENT_STOPPED, 0));
        g_assert_false(is_late(VIR_DOMAIN_EVENT_STARTED, 0));

        /* Something else has happened: a stop that comes after it is another one. */
        expect(VIR_DOMAIN_EVENT_STOPPED, -1);
        g_assert_false(is_late(VIR_DOMAIN_EVENT_STARTED, 0));
        g_assert_false(is_late(VIR_DOMAIN_EVENT_STOPPED, 0));
        tear_down();
}

/* A domain is defined again and again. */
static void test_definitions(void)
{
        set_up();
        expect(VIR_DOMAIN_EVENT_DEFINED, -1);
        g_assert_false(is_late(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_UPDATED));
        expect(VIR_DOMAIN_EVENT_DEFINED, -1);
        g_assert_true(is_late(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED));
        expect(VIR_DOMAIN_EVENT_DEFINED, -1);
        g_assert_true(is_late(VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_RENAMED));
        tear_down();
}

static void test_held(void)
{
        PackedValue *details =
                event_details_of_lifecycle(&kind_domain, VIR_DOMAIN_EVENT_STARTED, 1000000, TRUE);
        const Event event = {.kind = &kind_domain,
                             .path = "/a",
                             .uuid = UUID,
                             .name = "a",
                             .word = "lifecycle",
                             .details = details,
                             .lifecycle = VIR_DOMAIN_EVENT_STARTED};

        set_up();
        pending_hold(pending, &event);
        pending_hold(pending, &event);
        packed_value_unref(details);
        for (unsigned i = 0; i < 2; i++) {
                HeldEvent *held = pending_pop_held(pending);

                g_assert_cmpstr(held->event.path, ==, "/a");
                g_assert_cmpstr(held->event.uuid, ==, UUID);
                g_assert_cmpstr(held->event.name, ==, "a");
                held_event_free(held);
        }
        g_assert_null(pending_pop_held(pending));
        tear_down();
}

static Answer make_answer(void)
{
        Answer answer = {.kind = &kind_domain, .present = TRUE, .uuid = UUID};

        answer.values[DOMAIN1_NAME] = g_variant_ref_sink(g_variant_new_string("a"));
        return answer;
}

static void test_parked(void)
{
        Answer answer = make_answer();

        set_up();
        pending_park(pending, &answer);
        g_assert_true(pending->is_parked);
        g_assert_null(answer.values[DOMAIN1_NAME]);
        pending->outdated = TRUE;
        answer = make_answer();
        pending_park(pending, &answer);
        g_assert_false(pending->outdated);
        pending_unpark(pending);
        g_assert_false(pending->is_parked);
        g_assert_null(pending->parked.values[DOMAIN1_NAME]);
        answer = make_answer();
        pending_park(pending, &answer); /* goes with the table */
        tear_down();
}

static void on_told(gboolean told, void *data)
{
}

/* A record stays for as long as something of it counts. */
static void test_settle(void)
{
        Answer answer = make_answer();
        guint64 number = 1;

        set_up();
        pending->pass = 5;
        pending_settle(table, pending, 5);
        g_assert_cmpuint(pending_size(table), ==, 1);
        pending_park(pending, &answer);
        pending_settle(table, pending, 6);
        pending_unpark(pending);
        pending_add_waiter(pending, on_told, NULL);
        pending_settle(table, pending, 6);
        g_array_unref(g_steal_pointer(&pending->waiters));
        expect(VIR_DOMAIN_EVENT_STOPPED, -1);
        pending_settle(table, pending, 6);
        g_assert_true(is_late(VIR_DOMAIN_EVENT_STOPPED, 0));
        pending->doubts = g_array_new(FALSE, FALSE, sizeof number);
        g_array_append_val(pending->doubts, number);
        pending_settle(table, pending, 6);
        g_clear_pointer(&pending->doubts, g_array_unref);
        g_assert_true(pending_find(table, &kind_domain, UUID) == pending);
        g_assert_null(pending_find(table, &kind_network, UUID));
        pending_settle(table, pending, 6);
        g_assert_cmpuint(pending_size(table), ==, 0);
        tear_down();
        pending_table_free(NULL);
}

/* Values are told as they were when they were told last; what is as it was then is no news. */
static void test_changed(void)
{
        Mirror *mirror = mirror_new("/org/libvirt/Test");
        GVariant *values[N_DOMAIN1] = {[DOMAIN1_NAME] = g_variant_ref_sink(g_variant_new_string("a"))};
        const Item *item = mirror_update(mirror, &kind_domain, UUID, values, NULL);

        set_up();
        pending_remember(pending, DOMAIN1_NAME, item->values[DOMAIN1_NAME]);
        pending_remember(pending, DOMAIN1_STATE, item->values[DOMAIN1_STATE]);
        g_assert_true(pending_has_changed(pending));
        for (unsigned i = 0; i < 2; i++) {
                GVariant *news[N_DOMAIN1] = {};

                news[DOMAIN1_NAME] = g_variant_ref_sink(g_variant_new_string(i == 0 ? "b" : "c"));
                mirror_update(mirror, &kind_domain, UUID, news, NULL);
                pending_remember(pending, DOMAIN1_NAME, item->values[DOMAIN1_NAME]);
        }
        g_assert_cmpuint(pending_take_changed(pending, item), ==, 1u << DOMAIN1_NAME);
        g_assert_cmpuint(pending_take_changed(pending, item), ==, 0);
        g_assert_false(pending_has_changed(pending));
        tear_down();
        mirror_free(mirror);
}

static void test_deadlines(void)
{
        set_up();
        g_assert_cmpint(pending_next_deadline(table), ==, 0);
        pending->deadline = 20;
        pending_get(table, &kind_network, UUID)->deadline = 10;
        pending_get(table, &kind_storage_pool, UUID);
        g_assert_cmpint(pending_next_deadline(table), ==, 10);
        pending_clear(table);
        g_assert_cmpint(pending_next_deadline(table), ==, 0);
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/pending/late", test_late);
        g_test_add_func("/pending/definitions", test_definitions);
        g_test_add_func("/pending/held", test_held);
        g_test_add_func("/pending/parked", test_parked);
        g_test_add_func("/pending/settle", test_settle);
        g_test_add_func("/pending/changed", test_changed);
        g_test_add_func("/pending/deadlines", test_deadlines);
        return g_test_run();
}
