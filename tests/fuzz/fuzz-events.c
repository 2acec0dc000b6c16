/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events with hostile payloads: whatever libvirt tells of a guest, both signals have their types and can be
 * sent.
 *
 * Input: events, each a byte that chooses the row, then strings and numbers as the callback has them. */

#include "bus/codec.h"
#include "fuzz.h"
#include "members.h"
#include "mirror/event_log.h"
#include "virt/event_details.h"
#include "virt/event_table.h"
#include "wire.h"

#include <libvirt/virterror.h>

static virConnectPtr conn;
static virDomainPtr domain;
static virNetworkPtr network;
static virStoragePoolPtr pool;

/* What is of two bytes is what libvirt's own events never are, but their strings have no limit either. */
#define REPEAT 3000

typedef struct Told {
        unsigned signals, events;
} Told;

static void check_sendable(GVariant *value, gboolean tuple)
{
        g_autoptr(sd_bus_message) message = wire_new();
        int r = tuple ? codec_append_children(message, value, NULL) : codec_append(message, value, NULL);

        g_assert_cmpint(r, ==, 0);
        wire_finish(message);
}

static void check_details(const PackedValue *details)
{
        g_autoptr(sd_bus_message) message = wire_new();

        g_assert_cmpint(packed_value_append(message, details), ==, 0);
        wire_finish(message);
        g_assert_cmpstr(sd_bus_message_get_signature(message, TRUE), ==, "a{sv}");
}

static void on_signal(const char *path, const Interface *interface, const Member *signal, GVariant *arguments,
                      void *data)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(arguments);

        g_assert_true(g_variant_is_object_path(path));
        g_assert_true(g_variant_is_of_type(owned, G_VARIANT_TYPE(signal->out_type)));
        check_sendable(owned, TRUE);
        ((Told *)data)->signals++;
}

static void on_lifecycle(const Interface *interface, const Member *signal, const char *path, int event,
                         int detail, void *data)
{
        g_assert_true(g_variant_is_object_path(path));
        ((Told *)data)->signals++;
}

static void on_event(const Event *event, void *data)
{
        g_autoptr(GVariant) name = g_variant_ref_sink(g_variant_new_string(event->name));

        g_assert_true(g_variant_is_object_path(event->path));
        check_sendable(name, FALSE);
        check_details(event->details);
        ((Told *)data)->events++;
}

/* A string, NULL, or a long one; freed at the end of the iteration. */
static const char *text_of(Input *input, GPtrArray *strings)
{
        guint8 choice = input_byte(input);
        char *text;

        if (choice == 0)
                return NULL;

        text = input_string(input);
        if (choice == 0xff) {
                GString *longer = g_string_new(NULL);

                for (int i = 0; i < REPEAT; i++)
                        g_string_append(longer, text);
                g_free(text);
                text = g_string_free(longer, FALSE);
        }

        g_ptr_array_add(strings, text);
        return text;
}

static void tell_params(const EventRow *row, EventBinding *binding, Input *input, GPtrArray *strings)
{
        int n = input_below(input, 8);
        g_autofree virTypedParameterPtr params = g_new0(virTypedParameter, n);

        for (int i = 0; i < n; i++) {
                const char *name = text_of(input, strings);

                /* libvirt's own array ends in a zero byte, too. */
                g_strlcpy(params[i].field, name ? name : "", sizeof params[i].field);
                params[i].type = input_below(input, 10);
                if (params[i].type == VIR_TYPED_PARAM_STRING)
                        params[i].value.s = (char *)text_of(input, strings);
                else
                        params[i].value.ul = input_number(input);
        }

        ((virConnectDomainEventTunableCallback)(void (*)(void))row->callback)(conn, domain, params, n,
                                                                              binding);
}

static void tell_graphics(const EventRow *row, EventBinding *binding, Input *input, GPtrArray *strings)
{
        virDomainEventGraphicsAddress addresses[2] = {};
        virDomainEventGraphicsSubjectIdentity identities[4] = {};
        virDomainEventGraphicsSubject subject = {.nidentity = input_below(input, 5),
                                                 .identities = identities};
        guint8 absent = input_byte(input);

        for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
                addresses[i].family = (int)input_number(input);
                addresses[i].node = (char *)text_of(input, strings);
                addresses[i].service = (char *)text_of(input, strings);
        }
        for (int i = 0; i < subject.nidentity; i++) {
                identities[i].type = (char *)text_of(input, strings);
                identities[i].name = (char *)text_of(input, strings);
        }

        ((virConnectDomainEventGraphicsCallback)(void (*)(void))row->callback)(
                conn, domain, (int)input_number(input), absent & 1 ? NULL : &addresses[0],
                absent & 2 ? NULL : &addresses[1], text_of(input, strings), absent & 4 ? NULL : &subject,
                binding);
}

/* What the events of domains get, by their numbers. Arguments are evaluated in no order that C would name, so
 * that they are taken from the input before. */
static void tell_domain(const EventRow *row, EventBinding *binding, Input *input, GPtrArray *strings)
{
        void (*callback)(void) = (void (*)(void))row->callback;
        long long n[] = {(long long)input_number(input), (long long)input_number(input),
                         (long long)input_number(input)};
        const char *s[] = {text_of(input, strings), text_of(input, strings), text_of(input, strings)};
        typedef void (*Three)(virConnectPtr, virDomainPtr, const char *, const char *, const char *, void *);

        switch (row->id) {
        case VIR_DOMAIN_EVENT_ID_LIFECYCLE:
                ((virConnectDomainEventCallback)callback)(conn, domain, (int)n[0], (int)n[1], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_REBOOT:
        case VIR_DOMAIN_EVENT_ID_CONTROL_ERROR:
                ((virConnectDomainEventGenericCallback)callback)(conn, domain, binding);
                break;
        case VIR_DOMAIN_EVENT_ID_RTC_CHANGE:
                ((virConnectDomainEventRTCChangeCallback)callback)(conn, domain, n[0], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE:
                ((virConnectDomainEventBalloonChangeCallback)callback)(conn, domain, (guint64)n[0], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_WATCHDOG:
        case VIR_DOMAIN_EVENT_ID_PMWAKEUP:
        case VIR_DOMAIN_EVENT_ID_PMSUSPEND:
        case VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK:
        case VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION:
                ((virConnectDomainEventWatchdogCallback)callback)(conn, domain, (int)n[0], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON:
                ((virConnectDomainEventIOErrorReasonCallback)callback)(conn, domain, s[0], s[1], (int)n[0],
                                                                       s[2], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_GRAPHICS:
                tell_graphics(row, binding, input, strings);
                break;
        case VIR_DOMAIN_EVENT_ID_DISK_CHANGE:
                ((virConnectDomainEventDiskChangeCallback)callback)(conn, domain, s[0], s[1], s[2], (int)n[0],
                                                                    binding);
                break;
        case VIR_DOMAIN_EVENT_ID_TRAY_CHANGE:
                ((virConnectDomainEventTrayChangeCallback)callback)(conn, domain, s[0], (int)n[0], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_DEVICE_ADDED:
        case VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED:
        case VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED:
                ((virConnectDomainEventDeviceAddedCallback)callback)(conn, domain, s[0], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2:
                ((virConnectDomainEventBlockJobCallback)callback)(conn, domain, s[0], (int)n[0], (int)n[1],
                                                                  binding);
                break;
        case VIR_DOMAIN_EVENT_ID_TUNABLE:
        case VIR_DOMAIN_EVENT_ID_JOB_COMPLETED:
                tell_params(row, binding, input, strings);
                break;
        case VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE:
                ((virConnectDomainEventAgentLifecycleCallback)callback)(conn, domain, (int)n[0], (int)n[1],
                                                                        binding);
                break;
        case VIR_DOMAIN_EVENT_ID_METADATA_CHANGE:
                ((virConnectDomainEventMetadataChangeCallback)callback)(conn, domain, (int)n[0], s[0],
                                                                        binding);
                break;
        case VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD:
                ((virConnectDomainEventBlockThresholdCallback)callback)(conn, domain, s[0], s[1],
                                                                        (guint64)n[0], (guint64)n[1],
                                                                        binding);
                break;
        case VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE:
                ((virConnectDomainEventMemoryFailureCallback)callback)(conn, domain, (int)n[0], (int)n[1],
                                                                       (unsigned)n[2], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE:
                ((virConnectDomainEventMemoryDeviceSizeChangeCallback)callback)(conn, domain, s[0],
                                                                                (guint64)n[0], binding);
                break;
#if LIBVIR_CHECK_VERSION(12, 4, 0)
        case VIR_DOMAIN_EVENT_ID_CHANNEL_LIFECYCLE:
                ((virConnectDomainEventChannelLifecycleCallback)callback)(conn, domain, s[0], (int)n[0],
                                                                          (int)n[1], binding);
                break;
        case VIR_DOMAIN_EVENT_ID_VCPU_REMOVED:
                ((virConnectDomainEventVcpuRemovedCallback)callback)(conn, domain, (unsigned)n[0], binding);
                break;
#endif
        default: /* newer than the header: a device's old and new address */
                g_assert_cmpstr(row->signal, ==, "NICMACChange");
                ((Three)callback)(conn, domain, s[0], s[1], s[2], binding);
        }
}

/* All other families have a lifecycle and at most one event besides. What the test driver has no object of
 * has NULL, which libvirt takes for none. */
static void tell_other(const EventRow *row, EventBinding *binding, Input *input, GPtrArray *strings)
{
        void (*callback)(void) = (void (*)(void))row->callback;
        typedef void (*Lifecycle)(virConnectPtr, void *, int, int, void *);
        typedef void (*Metadata)(virConnectPtr, void *, int, const char *, void *);
        typedef void (*Plain)(virConnectPtr, void *, void *);
        const Kind *kind = row->family->kind;
        void *object = kind == &kind_network        ? (void *)network
                       : kind == &kind_storage_pool ? (void *)pool
                                                    : NULL;
        int number = (int)input_number(input);

        if (row->id == 0)
                ((Lifecycle)callback)(conn, object, number, (int)input_number(input), binding);
        else if (kind == &kind_network)
                ((Metadata)callback)(conn, object, number, text_of(input, strings), binding);
        else
                ((Plain)callback)(conn, object, binding);
}

static void no_complaint(void *data, virErrorPtr error)
{
}

/* The domain's name has what XML allows and sd-bus does not. */
static void open_once(void)
{
        if (conn)
                return;

        virSetErrorFunc(NULL, no_complaint);
        conn = virConnectOpen("test:///default");
        g_assert_nonnull(conn);
        domain = virDomainDefineXML(conn, "<domain type='test'><name>a\xef\xb7\x90 b</name><memory>1</memory>"
                                          "<os><type>hvm</type></os></domain>");
        network = virNetworkLookupByName(conn, "default");
        pool = virStoragePoolLookupByName(conn, "default-pool");
        g_assert_true(domain && network && pool);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        static const EventsOwner owner = {.signal = on_signal, .lifecycle = on_lifecycle, .event = on_event};
        Input input = {data, size};
        g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
        Told told = {};
        unsigned n = 0;

        open_once();
        for (; input.left > 0; n++) {
                const EventRow *row = &event_rows[input_below(&input, (guint8)n_event_rows)];
                EventBinding binding = {.row = row,
                                        .signal = interface_find(row->interface, MEMBER_SIGNAL, row->signal),
                                        .connection_path = "/org/libvirt/Test",
                                        .owner = &owner,
                                        .data = &told};

                if (row->family->kind == &kind_domain)
                        tell_domain(row, &binding, &input, strings);
                else
                        tell_other(row, &binding, &input, strings);
        }

        g_assert_cmpuint(told.signals, ==, n);
        g_assert_cmpuint(told.events, ==, n);
        return 0;
}
