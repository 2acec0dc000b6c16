/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of events: everything that the header has is in it, but for what other events tell better; each
 * row has its signal, and a kind of its own. */

#define VIR_ENUM_SENTINELS

#include "virt/event_table.h"

#include "header.h"
#include "packed-read.h"

#include <string.h>

static virConnectPtr conn;

static const EventRow *find_row(const EventFamily *family, int id)
{
        for (size_t i = 0; i < n_event_rows; i++)
                if (event_rows[i].family == family && event_rows[i].id == id)
                        return &event_rows[i];

        return NULL;
}

static const EventFamily *find_family(const Kind *kind)
{
        for (size_t i = 0; i < n_event_rows; i++)
                if (event_rows[i].family->kind == kind)
                        return event_rows[i].family;

        g_assert_not_reached();
}

static gboolean is_told_by_another(const Kind *kind, int id)
{
        return kind == &kind_domain &&
               (id == VIR_DOMAIN_EVENT_ID_IO_ERROR || id == VIR_DOMAIN_EVENT_ID_BLOCK_JOB);
}

static void test_header_is_covered(void)
{
        const struct {
                const Kind *kind;
                int end;
        } families[] = {
                {&kind_domain, VIR_DOMAIN_EVENT_ID_LAST},
                {&kind_network, VIR_NETWORK_EVENT_ID_LAST},
                {&kind_storage_pool, VIR_STORAGE_POOL_EVENT_ID_LAST},
                {&kind_node_device, VIR_NODE_DEVICE_EVENT_ID_LAST},
                {&kind_secret, VIR_SECRET_EVENT_ID_LAST},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
                const EventFamily *family = find_family(families[i].kind);

                for (int id = 0; id < families[i].end; id++) {
                        const EventRow *row = find_row(family, id);

                        g_test_message("%s %d", families[i].kind->collection, id);
                        if (is_told_by_another(families[i].kind, id))
                                g_assert_null(row);
                        else if (!row)
                                header_has_unknown(families[i].kind->collection, id);
                }
        }
}

/* What 9.0 has is asked for whatever the library is, the rest only where it is new enough. */
static void test_since(void)
{
        g_assert_cmpint(find_row(find_family(&kind_domain), 27)->since, ==, 11002000);
        g_assert_cmpint(find_row(find_family(&kind_network), 1)->since, ==, 9008000);

        for (size_t i = 0; i < n_event_rows; i++)
                g_assert_true(event_rows[i].since == 0 || event_rows[i].since > 9000000);
}

static void test_signals(void)
{
        for (size_t i = 0; i < n_event_rows; i++) {
                const EventRow *row = &event_rows[i];
                gboolean of_lifecycle = row->id == 0;

                g_test_message("%s", row->signal);
                g_assert_nonnull(row->callback);
                g_assert_nonnull(interface_find(row->interface, MEMBER_SIGNAL, row->signal));
                g_assert_cmpint(row->interface == kind_connect.interface, ==, of_lifecycle);
                g_assert_cmpint(row->interface == row->family->kind->interface, ==, !of_lifecycle);
        }
}

static void test_kinds(void)
{
        for (size_t i = 0; i < n_event_rows; i++) {
                const EventRow *row = &event_rows[i];

                g_assert_cmpuint(strspn(row->kind, "abcdefghijklmnopqrstuvwxyz-"), ==, strlen(row->kind));
                g_assert_cmpint(g_str_equal(row->kind, "lifecycle"), ==, row->id == 0);
                for (size_t j = 0; j < i; j++) {
                        g_assert_false(row->family == event_rows[j].family && row->id == event_rows[j].id);
                        g_assert_false(row->family == event_rows[j].family &&
                                       g_str_equal(row->kind, event_rows[j].kind));
                        g_assert_false(row->interface == event_rows[j].interface &&
                                       g_str_equal(row->signal, event_rows[j].signal));
                }
        }
}

static void note_signal(const char *path, const Interface *interface, const Member *signal,
                        GVariant *arguments, void *data)
{
        g_autoptr(GVariant) sunk = g_variant_ref_sink(arguments);
        g_autofree char *body = g_variant_print(sunk, TRUE);

        g_assert_cmpstr(g_variant_get_type_string(sunk), ==, signal->out_type);
        g_string_append_printf(data, "%s %s.%s%s", path, interface->name, signal->name, body);
}

/* What the service says of it, after what libvirt-dbus would have said. */
static void note_event(const Event *event, void *data)
{
        g_autoptr(GVariant) read = packed_read(event->details);
        g_autofree char *details = g_variant_print(read, FALSE);

        g_assert_cmpint(event->lifecycle, ==, -1);
        g_string_append_printf(data, " %s %s %s %s", event->kind->collection, event->name, event->word,
                               details);
}

/* The callback of a row, what it gets as its last argument, and what it said. */
typedef struct Stage {
        EventBinding binding;
        void (*callback)(void); /* to be cast to its own type */
        GString *said;
} Stage;

static void stage_begin(Stage *stage, const Kind *kind, int id)
{
        static const EventsOwner owner = {.signal = note_signal, .event = note_event};
        const EventRow *row = find_row(find_family(kind), id);

        stage->said = g_string_new(NULL);
        stage->binding = (EventBinding){.row = row,
                                        .signal = interface_find(row->interface, MEMBER_SIGNAL, row->signal),
                                        .connection_path = "/c",
                                        .owner = &owner,
                                        .data = stage->said};
        stage->callback = (void (*)(void))row->callback;
}

static void stage_end(Stage *stage, const char *expected)
{
        g_assert_cmpstr(stage->said->str, ==, expected);
        g_string_free(stage->said, TRUE);
}

#define DOMAIN_PATH "/c/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f org.libvirt.Domain."

static void test_memory_failure(void)
{
        virDomainPtr domain = virDomainLookupByName(conn, "test");
        Stage stage;

        stage_begin(&stage, &kind_domain, VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE);
        ((virConnectDomainEventMemoryFailureCallback)stage.callback)(conn, domain, 1, 3, 2, &stage.binding);
        stage_end(&stage,
                  DOMAIN_PATH "MemoryFailure(1, 3, uint32 2) domain test memory-failure "
                              "{'recipient': <'guest'>, 'recipient-number': <1>, 'action': <'reset'>, "
                              "'action-number': <3>, 'flags': <uint32 2>}");
        virDomainFree(domain);
}

static void test_memory_device_size_change(void)
{
        virDomainPtr domain = virDomainLookupByName(conn, "test");
        Stage stage;

        stage_begin(&stage, &kind_domain, VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE);
        ((virConnectDomainEventMemoryDeviceSizeChangeCallback)stage.callback)(conn, domain, "ua-virtiomem",
                                                                              1ULL << 40, &stage.binding);
        stage_end(&stage, DOMAIN_PATH
                  "MemoryDeviceSizeChange('ua-virtiomem', uint64 1099511627776) domain test "
                  "memory-device-size-change {'device': <'ua-virtiomem'>, 'size': <uint64 1099511627776>}");
        virDomainFree(domain);
}

/* Of this and the next, the callbacks' types are newer than the headers may be. */
static void test_nic_mac_change(void)
{
        typedef void (*Callback)(virConnectPtr, virDomainPtr, const char *alias, const char *old_mac,
                                 const char *new_mac, void *opaque);
        virDomainPtr domain = virDomainLookupByName(conn, "test");
        Stage stage;

        stage_begin(&stage, &kind_domain, 27);
        ((Callback)stage.callback)(conn, domain, "net0", "52:54:00:00:00:01", "52:54:00:00:00:02",
                                   &stage.binding);
        stage_end(&stage,
                  DOMAIN_PATH "NICMACChange('net0', '52:54:00:00:00:01', '52:54:00:00:00:02') domain "
                              "test nic-mac-change {'device': <'net0'>, 'oldMAC': <'52:54:00:00:00:01'>, "
                              "'newMAC': <'52:54:00:00:00:02'>}");
        virDomainFree(domain);
}

#if LIBVIR_CHECK_VERSION(12, 4, 0)
static void test_channel(void)
{
        virDomainPtr domain = virDomainLookupByName(conn, "test");
        Stage stage;

        stage_begin(&stage, &kind_domain, VIR_DOMAIN_EVENT_ID_CHANNEL_LIFECYCLE);
        ((virConnectDomainEventChannelLifecycleCallback)stage.callback)(conn, domain, "org.spice", 1, 2,
                                                                        &stage.binding);
        stage_end(&stage, DOMAIN_PATH
                  "ChannelEvent('org.spice', 1, 2) domain test channel-lifecycle {'channel': <'org.spice'>, "
                  "'state': <'connected'>, 'state-number': <1>, 'reason': <'channel-event'>, "
                  "'reason-number': <2>}");
        virDomainFree(domain);
}

static void test_vcpu_removed(void)
{
        virDomainPtr domain = virDomainLookupByName(conn, "test");
        Stage stage;

        stage_begin(&stage, &kind_domain, VIR_DOMAIN_EVENT_ID_VCPU_REMOVED);
        ((virConnectDomainEventVcpuRemovedCallback)stage.callback)(conn, domain, 3, &stage.binding);
        stage_end(&stage, DOMAIN_PATH "VcpuRemoved(uint32 3,) domain test vcpu-removed {'vcpu': <uint32 3>}");
        virDomainFree(domain);
}
#endif

static void test_network_metadata_change(void)
{
        typedef void (*Callback)(virConnectPtr, virNetworkPtr, int type, const char *nsuri, void *opaque);
        virNetworkPtr network = virNetworkLookupByName(conn, "default");
        g_autofree char *path = kind_network.path("/c", network);
        g_autofree char *element = g_strdup_printf(
                "%s org.libvirt.Network.MetadataChange(2, 'urn:x') network default metadata-change "
                "{'type': <'element'>, 'type-number': <2>, 'nsuri': <'urn:x'>}",
                path);
        /* It has no namespace. */
        g_autofree char *title = g_strdup_printf(
                "%s org.libvirt.Network.MetadataChange(1, '') network default metadata-change "
                "{'type': <'title'>, 'type-number': <1>, 'nsuri': <''>}",
                path);
        Stage stage;

        stage_begin(&stage, &kind_network, 1);
        ((Callback)stage.callback)(conn, network, 2, "urn:x", &stage.binding);
        stage_end(&stage, element);

        stage_begin(&stage, &kind_network, 1);
        ((Callback)stage.callback)(conn, network, 1, NULL, &stage.binding);
        stage_end(&stage, title);
        virNetworkFree(network);
}

/* A connection without that event is given up; see events_register(). */
static void test_first(void)
{
        g_assert_true(event_rows[0].family->kind == &kind_domain);
        g_assert_cmpint(event_rows[0].id, ==, VIR_DOMAIN_EVENT_ID_LIFECYCLE);
}

int main(int argc, char *argv[])
{
        int result;

        g_test_init(&argc, &argv, NULL);
        conn = virConnectOpen("test:///default");
        g_assert_nonnull(conn);

        g_test_add_func("/event-rows/header-is-covered", test_header_is_covered);
        g_test_add_func("/event-rows/since", test_since);
        g_test_add_func("/event-rows/signals", test_signals);
        g_test_add_func("/event-rows/kinds", test_kinds);
        g_test_add_func("/event-rows/first", test_first);

        g_test_add_func("/event-rows/memory-failure", test_memory_failure);
        g_test_add_func("/event-rows/memory-device-size-change", test_memory_device_size_change);
        g_test_add_func("/event-rows/nic-mac-change", test_nic_mac_change);
#if LIBVIR_CHECK_VERSION(12, 4, 0)
        g_test_add_func("/event-rows/channel", test_channel);
        g_test_add_func("/event-rows/vcpu-removed", test_vcpu_removed);
#endif
        g_test_add_func("/event-rows/network-metadata-change", test_network_metadata_change);

        result = g_test_run();
        virConnectClose(conn);

        return result;
}
