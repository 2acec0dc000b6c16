/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What events say, in words and in numbers. */

#include "virt/event_details.h"

#include "packed-read.h"
#include "virt/enums.h"
#include "virt/event_table.h"

#define N_EVENTS (VIR_DOMAIN_EVENT_CRASHED + 1)

/* The packed value is consumed. */
static GVariant *read_packed(PackedValue *details)
{
        g_autoptr(PackedValue) owned = details;

        return packed_read(owned);
}

static void check(PackedValue *details, const char *expected)
{
        g_autoptr(GVariant) owned = read_packed(details);
        g_autofree char *text = g_variant_print(owned, FALSE);

        g_assert_true(g_variant_is_of_type(owned, G_VARIANT_TYPE_VARDICT));
        g_assert_cmpstr(text, ==, expected);
}

static void test_a_domain(void)
{
        check(event_details_of_lifecycle(&kind_domain, VIR_DOMAIN_EVENT_STARTED,
                                         VIR_DOMAIN_EVENT_STARTED_BOOTED, TRUE),
              "{'event': <'started'>, 'event-number': <2>, 'state': <'running'>, 'detail': <'booted'>, "
              "'detail-number': <0>, 'checked': <true>}");
        check(event_details_of_lifecycle(&kind_domain, VIR_DOMAIN_EVENT_UNDEFINED,
                                         VIR_DOMAIN_EVENT_UNDEFINED_RENAMED, TRUE),
              "{'event': <'undefined'>, 'event-number': <1>, 'detail': <'renamed'>, 'detail-number': <1>}");
}

/* The state that each event implies; none where it says nothing of that. */
static void test_states(void)
{
        static const char *const expected[N_EVENTS] = {
                [VIR_DOMAIN_EVENT_STARTED] = "running",   [VIR_DOMAIN_EVENT_RESUMED] = "running",
                [VIR_DOMAIN_EVENT_SUSPENDED] = "paused",  [VIR_DOMAIN_EVENT_STOPPED] = "shutoff",
                [VIR_DOMAIN_EVENT_SHUTDOWN] = "shutdown", [VIR_DOMAIN_EVENT_PMSUSPENDED] = "pmsuspended",
                [VIR_DOMAIN_EVENT_CRASHED] = "crashed",
        };

        for (int event = 0; event <= N_EVENTS; event++) {
                g_autoptr(GVariant) details =
                        read_packed(event_details_of_lifecycle(&kind_domain, event, 0, TRUE));
                const char *state = NULL;
                gboolean checked;

                g_variant_lookup(details, "state", "&s", &state);
                g_assert_cmpstr(state, ==, event < N_EVENTS ? expected[event] : NULL);
                g_assert_true(g_variant_lookup(details, "checked", "b", &checked) == (state != NULL));
        }
}

static void test_doubt(void)
{
        for (int event = 0; event < N_EVENTS; event++) {
                for (int detail = 0; detail < 20; detail++) {
                        g_autoptr(GVariant) details =
                                read_packed(event_details_of_lifecycle(&kind_domain, event, detail, TRUE));
                        gboolean doubtful = event == VIR_DOMAIN_EVENT_SUSPENDED &&
                                            (detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED ||
                                             detail == VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY ||
                                             detail == VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED);
                        gboolean checked = TRUE;

                        g_assert_true(event_details_are_doubtful(event, detail) == doubtful);
                        g_variant_lookup(details, "checked", "b", &checked);
                        g_assert_true(checked == !doubtful);
                }
        }
}

/* What the service does not know yet is a word of digits. */
static void test_unknown(void)
{
        check(event_details_of_lifecycle(&kind_domain, 99, 98, TRUE),
              "{'event': <'99'>, 'event-number': <99>, 'detail': <'98'>, 'detail-number': <98>}");
        check(event_details_of_lifecycle(&kind_domain, VIR_DOMAIN_EVENT_DEFINED, -1, TRUE),
              "{'event': <'defined'>, 'event-number': <0>, 'detail': <'-1'>, 'detail-number': <-1>}");
        check(event_details_of_lifecycle(&kind_network, 99, 0, FALSE),
              "{'event': <'99'>, 'event-number': <99>}");
}

/* The same numbers mean something else of other kinds. */
static void test_other_kinds(void)
{
        check(event_details_of_lifecycle(&kind_network, VIR_NETWORK_EVENT_STOPPED, 0, FALSE),
              "{'event': <'stopped'>, 'event-number': <3>}");
        check(event_details_of_lifecycle(&kind_storage_pool, VIR_STORAGE_POOL_EVENT_CREATED, 0, FALSE),
              "{'event': <'created'>, 'event-number': <4>}");
        check(event_details_of_lifecycle(&kind_node_device, VIR_NODE_DEVICE_EVENT_DELETED, 0, FALSE),
              "{'event': <'deleted'>, 'event-number': <1>}");
        check(event_details_of_lifecycle(&kind_secret, VIR_SECRET_EVENT_UNDEFINED, 0, FALSE),
              "{'event': <'undefined'>, 'event-number': <1>}");
}

static void test_found(void)
{
        check(event_details_of_found(&kind_domain, VIR_DOMAIN_EVENT_STOPPED),
              "{'event': <'stopped'>, 'event-number': <5>, 'state': <'shutoff'>, 'synthetic': <true>}");
        check(event_details_of_found(&kind_domain, VIR_DOMAIN_EVENT_DEFINED),
              "{'event': <'defined'>, 'event-number': <0>, 'synthetic': <true>}");
        check(event_details_of_found(&kind_network, VIR_NETWORK_EVENT_STOPPED),
              "{'event': <'stopped'>, 'event-number': <3>, 'synthetic': <true>}");
}

static const Member *signal_of(const char *name)
{
        const Member *signal = interface_find(kind_domain.interface, MEMBER_SIGNAL, name);

        g_assert_nonnull(signal);
        return signal;
}

static void check_arguments(const char *signal, GVariant *arguments, const char *expected)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(arguments);

        check(event_details_of_arguments(signal_of(signal), owned), expected);
}

static void test_arguments(void)
{
        check_arguments("Reboot", g_variant_new_tuple(NULL, 0), "{}");
        check_arguments("DeviceAdded", g_variant_new("(s)", "net0"), "{'device': <'net0'>}");
        check_arguments("Watchdog", g_variant_new("(i)", VIR_DOMAIN_EVENT_WATCHDOG_RESET),
                        "{'action': <'reset'>, 'action-number': <2>}");
        check_arguments("Watchdog", g_variant_new("(i)", 77), "{'action': <'77'>, 'action-number': <77>}");
}

/* org.libvirt wraps the values of a dictionary twice; here they are wrapped once. */
static void test_dictionaries(void)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&builder, "{sv}", "a", g_variant_new_variant(g_variant_new_uint32(1)));
        g_variant_builder_add(&builder, "{sv}", "b", g_variant_new_variant(g_variant_new_string("x")));
        check_arguments("Tunable", g_variant_new("(a{sv})", &builder),
                        "{'params': <{'a': <uint32 1>, 'b': <'x'>}>}");
}

/* Each argument of each event has a name of its own, and what is in words is a number in libvirt. */
static void test_every_row(void)
{
        for (size_t i = 0; i < n_event_rows; i++) {
                const EventRow *row = &event_rows[i];
                const Member *signal = interface_find(row->interface, MEMBER_SIGNAL, row->signal);
                g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

                for (gsize j = 0; j < g_variant_type_n_items(G_VARIANT_TYPE(signal->out_type)); j++) {
                        const Argument *argument = &signal->arguments[j];

                        g_assert_true(g_hash_table_add(seen, (void *)argument->name));
                        if (argument->names)
                                g_assert_true(enum_word(argument->names, 0) || enum_word(argument->names, 1));
                }
        }
}

/* Of numbers that libvirt has, and of those alone: they come from outside. */
static void test_made_once(void)
{
        static const int numbers[][2] = {{VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_WAKEUP},
                                         {VIR_DOMAIN_EVENT_CRASHED, 0},
                                         {1000000, 0},
                                         {VIR_DOMAIN_EVENT_STARTED, 1000000},
                                         {-1, 0}};

        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                g_autoptr(PackedValue) one =
                        event_details_of_lifecycle(&kind_domain, numbers[i][0], numbers[i][1], TRUE);
                g_autoptr(PackedValue) other =
                        event_details_of_lifecycle(&kind_domain, numbers[i][0], numbers[i][1], TRUE);

                g_assert_cmpint(one == other, ==, i < 2);
        }
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/details/a-domain", test_a_domain);
        g_test_add_func("/details/states", test_states);
        g_test_add_func("/details/doubt", test_doubt);
        g_test_add_func("/details/unknown", test_unknown);
        g_test_add_func("/details/other-kinds", test_other_kinds);
        g_test_add_func("/details/found", test_found);
        g_test_add_func("/details/arguments", test_arguments);
        g_test_add_func("/details/dictionaries", test_dictionaries);
        g_test_add_func("/details/every-row", test_every_row);
        g_test_add_func("/details/made-once", test_made_once);
        result = g_test_run();
        test_bus_close();

        return result;
}
