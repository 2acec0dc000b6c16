/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one table of events: libvirt's event, its callback, the signal. Events whose callbacks have the same C
 * type share one. In callbacks libvirt is not asked anything; names and UUIDs come with the object. */

#include "virt/event_table.h"

#include "base/utf8.h"
#include "bus/path.h"
#include "members.h"
#include "virt/event_details.h"
#include "virt/object_path.h"
#include "virt/typed_params.h"

/* Events that are newer than the headers of libvirt 9.0. The library may well be newer than the headers too,
 * so that these events are asked for when it is, whatever the service was built with. */
#if !LIBVIR_CHECK_VERSION(9, 8, 0)
#define VIR_NETWORK_EVENT_ID_METADATA_CHANGE 1
#endif
#if !LIBVIR_CHECK_VERSION(11, 2, 0)
#define VIR_DOMAIN_EVENT_ID_NIC_MAC_CHANGE 27
#endif

/* What an event is about: its path, owned, and its UUID where the kind has one (else ""). libvirt makes text
 * of a UUID anew each time that it is asked for it, so that is done once for both. */
static char *identify(const EventBinding *binding, void *object, char *uuid)
{
        const Kind *kind = binding->row->family->kind;
        const char *connection_path = binding->connection_path;

        uuid[0] = '\0';
        if (!kind->uuid)
                return kind->path(connection_path, object);

        kind->uuid(object, uuid);
        return path_uuid(connection_path, kind->collection, uuid);
}

/* Announces an event as the service does, after libvirt-dbus's signal. */
static void announce(const EventBinding *binding, void *object, Event *event)
{
        const Kind *kind = binding->row->family->kind;
        g_autofree char *name =
                kind->name ? utf8_make_valid(kind->name(object)) : g_strdup(event->uuid ? event->uuid : "");

        event->name = name;
        event->kind = kind;
        event->word = binding->row->kind;
        binding->owner->event(event, binding->data);
}

/* An event with arguments in their order, each a floating value. */
#define EMIT(binding, object, ...)                                                                           \
        emit((binding), (object), (GVariant *[]){__VA_ARGS__},                                               \
             sizeof((GVariant *[]){__VA_ARGS__}) / sizeof(GVariant *))

static void emit(const EventBinding *binding, void *object, GVariant **arguments, size_t n)
{
        char uuid[VIR_UUID_STRING_BUFLEN];
        g_autofree char *path = identify(binding, object, uuid);
        g_autoptr(GVariant) owned = g_variant_ref_sink(g_variant_new_tuple(arguments, n));
        g_autoptr(PackedValue) details = NULL;
        Event event = {
                .path = path,
                .uuid = *uuid ? uuid : NULL,
                .lifecycle = -1,
                .may_change = binding->row->may_change,
        };

        if (!object_path_check(path))
                return;

        binding->owner->signal(path, binding->row->interface, binding->signal, owned, binding->data);
        event.details = details = event_details_of_arguments(binding->signal, owned);
        announce(binding, object, &event);
}

/* An event comes with the number that its domain has at that time. */
static guint32 id_of(const Kind *kind, void *object)
{
        unsigned id = kind == &kind_domain ? virDomainGetID(object) : 0;

        return id == (unsigned)-1 ? 0 : id;
}

static void emit_lifecycle(const EventBinding *binding, void *object, int number, int detail)
{
        const Kind *kind = binding->row->family->kind;
        char uuid[VIR_UUID_STRING_BUFLEN];
        g_autofree char *path = identify(binding, object, uuid);
        gboolean with_detail = g_str_equal(binding->signal->out_type, "(oii)");
        g_autoptr(PackedValue) details = NULL;
        Event event = {
                .path = path,
                .uuid = *uuid ? uuid : NULL,
                .lifecycle = number,
                .detail = detail,
                .may_change = TRUE,
        };

        if (!object_path_check(path))
                return;

        binding->owner->lifecycle(binding->row->interface, binding->signal, path, number, detail,
                                  binding->data);
        event.details = details = event_details_of_lifecycle(kind, number, detail, with_detail);
        event.id = id_of(kind, object);
        announce(binding, object, &event);
}

static void on_plain(virConnectPtr conn, virDomainPtr domain, void *opaque)
{
        emit(opaque, domain, NULL, 0);
}

static void on_number(virConnectPtr conn, virDomainPtr domain, int number, void *opaque)
{
        EMIT(opaque, domain, g_variant_new_int32(number));
}

static void on_two_numbers(virConnectPtr conn, virDomainPtr domain, int first, int second, void *opaque)
{
        EMIT(opaque, domain, g_variant_new_int32(first), g_variant_new_int32(second));
}

static void on_text(virConnectPtr conn, virDomainPtr domain, const char *text, void *opaque)
{
        EMIT(opaque, domain, utf8_variant(text));
}

#if LIBVIR_CHECK_VERSION(12, 4, 0)
static void on_vcpu_removed(virConnectPtr conn, virDomainPtr domain, unsigned vcpu, void *opaque)
{
        EMIT(opaque, domain, g_variant_new_uint32(vcpu));
}
#endif

static void on_text_and_number(virConnectPtr conn, virDomainPtr domain, const char *text, int number,
                               void *opaque)
{
        EMIT(opaque, domain, utf8_variant(text), g_variant_new_int32(number));
}

static void on_number_and_text(virConnectPtr conn, virDomainPtr domain, int number, const char *text,
                               void *opaque)
{
        EMIT(opaque, domain, g_variant_new_int32(number), utf8_variant(text));
}

static void on_rtc_change(virConnectPtr conn, virDomainPtr domain, long long offset, void *opaque)
{
        EMIT(opaque, domain, g_variant_new_int64(offset));
}

static void on_balloon_change(virConnectPtr conn, virDomainPtr domain, unsigned long long actual,
                              void *opaque)
{
        EMIT(opaque, domain, g_variant_new_uint64(actual));
}

static void on_memory_failure(virConnectPtr conn, virDomainPtr domain, int recipient, int action,
                              unsigned flags, void *opaque)
{
        EMIT(opaque, domain, g_variant_new_int32(recipient), g_variant_new_int32(action),
             g_variant_new_uint32(flags));
}

static void on_memory_device_size_change(virConnectPtr conn, virDomainPtr domain, const char *device,
                                         unsigned long long size, void *opaque)
{
        EMIT(opaque, domain, utf8_variant(device), g_variant_new_uint64(size));
}

static void on_nic_mac_change(virConnectPtr conn, virDomainPtr domain, const char *device,
                              const char *old_mac, const char *new_mac, void *opaque)
{
        EMIT(opaque, domain, utf8_variant(device), utf8_variant(old_mac), utf8_variant(new_mac));
}

static void on_io_error(virConnectPtr conn, virDomainPtr domain, const char *path, const char *device,
                        int action, const char *reason, void *opaque)
{
        EMIT(opaque, domain, utf8_variant(path), utf8_variant(device), g_variant_new_int32(action),
             utf8_variant(reason));
}

static void on_text_and_two_numbers(virConnectPtr conn, virDomainPtr domain, const char *text, int first,
                                    int second, void *opaque)
{
        EMIT(opaque, domain, utf8_variant(text), g_variant_new_int32(first), g_variant_new_int32(second));
}

static void on_disk_change(virConnectPtr conn, virDomainPtr domain, const char *old_path,
                           const char *new_path, const char *device, int reason, void *opaque)
{
        EMIT(opaque, domain, utf8_variant(old_path), utf8_variant(new_path), utf8_variant(device),
             g_variant_new_int32(reason));
}

static void on_block_threshold(virConnectPtr conn, virDomainPtr domain, const char *device, const char *path,
                               unsigned long long threshold, unsigned long long excess, void *opaque)
{
        EMIT(opaque, domain, utf8_variant(device), utf8_variant(path), g_variant_new_uint64(threshold),
             g_variant_new_uint64(excess));
}

/* The array stays libvirt's, in both events that have one. */
static void on_params(virConnectPtr conn, virDomainPtr domain, virTypedParameterPtr params, int n,
                      void *opaque)
{
        EMIT(opaque, domain, typed_params_to_variant(params, n));
}

static GVariant *graphics_address(const virDomainEventGraphicsAddress *address)
{
        return g_variant_new("(i@s@s)", address ? address->family : 0,
                             utf8_variant(address ? address->node : NULL),
                             utf8_variant(address ? address->service : NULL));
}

static void on_graphics(virConnectPtr conn, virDomainPtr domain, int phase,
                        const virDomainEventGraphicsAddress *local,
                        const virDomainEventGraphicsAddress *remote, const char *scheme,
                        const virDomainEventGraphicsSubject *subject, void *opaque)
{
        GVariantBuilder identities;

        g_variant_builder_init(&identities, G_VARIANT_TYPE("a(ss)"));
        for (int i = 0; subject && i < subject->nidentity; i++)
                g_variant_builder_add(&identities, "(@s@s)", utf8_variant(subject->identities[i].type),
                                      utf8_variant(subject->identities[i].name));

        EMIT(opaque, domain, g_variant_new_int32(phase), graphics_address(local), graphics_address(remote),
             utf8_variant(scheme), g_variant_builder_end(&identities));
}

static int on_domain_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *opaque)
{
        emit_lifecycle(opaque, domain, event, detail);
        return 0;
}

static void on_network_lifecycle(virConnectPtr conn, virNetworkPtr network, int event, int detail,
                                 void *opaque)
{
        emit_lifecycle(opaque, network, event, detail);
}

static void on_network_metadata_change(virConnectPtr conn, virNetworkPtr network, int type, const char *nsuri,
                                       void *opaque)
{
        EMIT(opaque, network, g_variant_new_int32(type), utf8_variant(nsuri));
}

static void on_pool_lifecycle(virConnectPtr conn, virStoragePoolPtr pool, int event, int detail, void *opaque)
{
        emit_lifecycle(opaque, pool, event, detail);
}

static void on_pool_plain(virConnectPtr conn, virStoragePoolPtr pool, void *opaque)
{
        emit(opaque, pool, NULL, 0);
}

static void on_device_lifecycle(virConnectPtr conn, virNodeDevicePtr device, int event, int detail,
                                void *opaque)
{
        emit_lifecycle(opaque, device, event, detail);
}

static void on_device_plain(virConnectPtr conn, virNodeDevicePtr device, void *opaque)
{
        emit(opaque, device, NULL, 0);
}

static void on_secret_lifecycle(virConnectPtr conn, virSecretPtr secret, int event, int detail, void *opaque)
{
        emit_lifecycle(opaque, secret, event, detail);
}

static void on_secret_plain(virConnectPtr conn, virSecretPtr secret, void *opaque)
{
        emit(opaque, secret, NULL, 0);
}

#define DEFINE_FAMILY(symbol, Type, callback_type)                                                           \
        static int symbol##_enroll(virConnectPtr conn, int id,                                               \
                                   virConnectDomainEventGenericCallback callback, void *opaque)              \
        {                                                                                                    \
                return virConnect##Type##EventRegisterAny(conn, NULL, id, callback_type(callback), opaque,   \
                                                          NULL);                                             \
        }                                                                                                    \
        static const EventFamily symbol##_family = {&kind_##symbol, symbol##_enroll,                         \
                                                    virConnect##Type##EventDeregisterAny};

DEFINE_FAMILY(domain, Domain, VIR_DOMAIN_EVENT_CALLBACK)
DEFINE_FAMILY(network, Network, VIR_NETWORK_EVENT_CALLBACK)
DEFINE_FAMILY(storage_pool, StoragePool, VIR_STORAGE_POOL_EVENT_CALLBACK)
DEFINE_FAMILY(node_device, NodeDevice, VIR_NODE_DEVICE_EVENT_CALLBACK)
DEFINE_FAMILY(secret, Secret, VIR_SECRET_EVENT_CALLBACK)

#define EVENT(family, id, since, kind, interface, signal, callback)                                          \
        {                                                                                                    \
                &family##_family, id, since, kind, &interface, signal, FALSE,                                \
                        VIR_DOMAIN_EVENT_CALLBACK(callback)                                                  \
        }
#define LIFECYCLE(family, id, signal, callback)                                                              \
        EVENT(family, id, 0, "lifecycle", interface_connect, signal, callback)
#define DOMAIN(id, kind, signal, callback)                                                                   \
        EVENT(domain, VIR_DOMAIN_EVENT_ID_##id, 0, kind, interface_domain, signal, callback)

/* An event after which the state may have changed although no lifecycle event says so: a guest that crashed
 * is paused or runs after a reset, which libvirt reports as a reboot. */
#define DOMAIN_STATE(id, kind, signal, callback)                                                             \
        {                                                                                                    \
                &domain_family, VIR_DOMAIN_EVENT_ID_##id, 0, kind, &interface_domain, signal, TRUE,          \
                        VIR_DOMAIN_EVENT_CALLBACK(callback)                                                  \
        }

/* The lifecycle of domains stands first: a connection that has everything but that is of no use.
 *
 * Two of libvirt's events have no row: IO_ERROR (4) and BLOCK_JOB (8). Beside each of them libvirt sends a
 * newer one that says the same and more: IO_ERROR_REASON (6) has the reason, BLOCK_JOB_2 (16) the disk's
 * target, which remains the same when its file changes. With both, everything would be announced twice. */
const EventRow event_rows[] = {
        LIFECYCLE(domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE, "DomainEvent", on_domain_lifecycle),
        LIFECYCLE(network, VIR_NETWORK_EVENT_ID_LIFECYCLE, "NetworkEvent", on_network_lifecycle),
        LIFECYCLE(storage_pool, VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, "StoragePoolEvent", on_pool_lifecycle),
        LIFECYCLE(node_device, VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE, "NodeDeviceEvent", on_device_lifecycle),
        LIFECYCLE(secret, VIR_SECRET_EVENT_ID_LIFECYCLE, "SecretEvent", on_secret_lifecycle),
        DOMAIN(AGENT_LIFECYCLE, "agent-lifecycle", "AgentEvent", on_two_numbers),
        DOMAIN(BALLOON_CHANGE, "balloon-change", "BalloonChange", on_balloon_change),
        DOMAIN(BLOCK_JOB_2, "block-job", "BlockJob", on_text_and_two_numbers),
        DOMAIN(BLOCK_THRESHOLD, "block-threshold", "BlockThreshold", on_block_threshold),
        DOMAIN_STATE(CONTROL_ERROR, "control-error", "ControlError", on_plain),
        DOMAIN(DEVICE_ADDED, "device-added", "DeviceAdded", on_text),
        DOMAIN(DEVICE_REMOVAL_FAILED, "device-removal-failed", "DeviceRemovalFailed", on_text),
        DOMAIN(DEVICE_REMOVED, "device-removed", "DeviceRemoved", on_text),
        DOMAIN(DISK_CHANGE, "disk-change", "DiskChange", on_disk_change),
        DOMAIN(GRAPHICS, "graphics", "Graphics", on_graphics),
        DOMAIN_STATE(IO_ERROR_REASON, "io-error", "IOError", on_io_error),
        DOMAIN_STATE(JOB_COMPLETED, "job-completed", "JobCompleted", on_params),
        DOMAIN(MEMORY_DEVICE_SIZE_CHANGE, "memory-device-size-change", "MemoryDeviceSizeChange",
               on_memory_device_size_change),
        DOMAIN_STATE(MEMORY_FAILURE, "memory-failure", "MemoryFailure", on_memory_failure),
        DOMAIN(METADATA_CHANGE, "metadata-change", "MetadataChange", on_number_and_text),
        DOMAIN(MIGRATION_ITERATION, "migration-iteration", "MigrationIteration", on_number),
        EVENT(domain, VIR_DOMAIN_EVENT_ID_NIC_MAC_CHANGE, 11002000, "nic-mac-change", interface_domain,
              "NICMACChange", on_nic_mac_change),
        DOMAIN_STATE(PMSUSPEND, "pm-suspend", "PMSuspend", on_number),
        DOMAIN_STATE(PMSUSPEND_DISK, "pm-suspend-disk", "PMSuspendDisk", on_number),
        DOMAIN_STATE(PMWAKEUP, "pm-wakeup", "PMWakeup", on_number),
        DOMAIN_STATE(REBOOT, "reboot", "Reboot", on_plain),
        DOMAIN(RTC_CHANGE, "rtc-change", "RTCChange", on_rtc_change),
        DOMAIN(TRAY_CHANGE, "tray-change", "TrayChange", on_text_and_number),
        DOMAIN(TUNABLE, "tunable", "Tunable", on_params),
        DOMAIN_STATE(WATCHDOG, "watchdog", "Watchdog", on_number),
#if LIBVIR_CHECK_VERSION(12, 4, 0) /* as in the interface, which has neither signal before */
        EVENT(domain, VIR_DOMAIN_EVENT_ID_CHANNEL_LIFECYCLE, 12004000, "channel-lifecycle", interface_domain,
              "ChannelEvent", on_text_and_two_numbers),
        EVENT(domain, VIR_DOMAIN_EVENT_ID_VCPU_REMOVED, 12004000, "vcpu-removed", interface_domain,
              "VcpuRemoved", on_vcpu_removed),
#endif
        EVENT(network, VIR_NETWORK_EVENT_ID_METADATA_CHANGE, 9008000, "metadata-change", interface_network,
              "MetadataChange", on_network_metadata_change),
        EVENT(storage_pool, VIR_STORAGE_POOL_EVENT_ID_REFRESH, 0, "refresh", interface_storage_pool,
              "Refresh", on_pool_plain),
        EVENT(node_device, VIR_NODE_DEVICE_EVENT_ID_UPDATE, 0, "update", interface_node_device, "Update",
              on_device_plain),
        EVENT(secret, VIR_SECRET_EVENT_ID_VALUE_CHANGED, 0, "value-changed", interface_secret, "ValueChanged",
              on_secret_plain),
};

const size_t n_event_rows = G_N_ELEMENTS(event_rows);
