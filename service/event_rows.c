/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one table of events: libvirt's event, its callback, the signal. Events whose callbacks have the same C
 * type share one. In callbacks libvirt is not asked anything; names and UUIDs come with the object. */

#include "event_rows.h"

#include "members.h"
#include "params.h"
#include "text.h"

static void on_plain(virConnectPtr conn, virDomainPtr domain, void *opaque)
{
        event_emit(opaque, domain, g_variant_new_tuple(NULL, 0));
}

static void on_number(virConnectPtr conn, virDomainPtr domain, int number, void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(i)", number));
}

static void on_two_numbers(virConnectPtr conn, virDomainPtr domain, int first, int second, void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(ii)", first, second));
}

static void on_text(virConnectPtr conn, virDomainPtr domain, const char *text, void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(@s)", text_variant(text)));
}

static void on_text_and_number(virConnectPtr conn, virDomainPtr domain, const char *text, int number,
                               void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(@si)", text_variant(text), number));
}

static void on_number_and_text(virConnectPtr conn, virDomainPtr domain, int number, const char *text,
                               void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(i@s)", number, text_variant(text)));
}

static void on_rtc_change(virConnectPtr conn, virDomainPtr domain, long long offset, void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(x)", (gint64)offset));
}

static void on_balloon_change(virConnectPtr conn, virDomainPtr domain, unsigned long long actual,
                              void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(t)", (guint64)actual));
}

static void on_io_error(virConnectPtr conn, virDomainPtr domain, const char *path, const char *device,
                        int action, const char *reason, void *opaque)
{
        event_emit(opaque, domain,
                   g_variant_new("(@s@si@s)", text_variant(path), text_variant(device), action,
                                 text_variant(reason)));
}

static void on_block_job(virConnectPtr conn, virDomainPtr domain, const char *disk, int type, int status,
                         void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(@sii)", text_variant(disk), type, status));
}

static void on_disk_change(virConnectPtr conn, virDomainPtr domain, const char *old_path,
                           const char *new_path, const char *device, int reason, void *opaque)
{
        event_emit(opaque, domain,
                   g_variant_new("(@s@s@si)", text_variant(old_path), text_variant(new_path),
                                 text_variant(device), reason));
}

static void on_block_threshold(virConnectPtr conn, virDomainPtr domain, const char *device, const char *path,
                               unsigned long long threshold, unsigned long long excess, void *opaque)
{
        event_emit(opaque, domain,
                   g_variant_new("(@s@stt)", text_variant(device), text_variant(path), (guint64)threshold,
                                 (guint64)excess));
}

/* The array stays libvirt's, in both events that have one. */
static void on_params(virConnectPtr conn, virDomainPtr domain, virTypedParameterPtr params, int n,
                      void *opaque)
{
        event_emit(opaque, domain, g_variant_new("(@a{sv})", params_to_variant(params, n)));
}

static GVariant *graphics_address(const virDomainEventGraphicsAddress *address)
{
        return g_variant_new("(i@s@s)", address ? address->family : 0,
                             text_variant(address ? address->node : NULL),
                             text_variant(address ? address->service : NULL));
}

static void on_graphics(virConnectPtr conn, virDomainPtr domain, int phase,
                        const virDomainEventGraphicsAddress *local,
                        const virDomainEventGraphicsAddress *remote, const char *scheme,
                        const virDomainEventGraphicsSubject *subject, void *opaque)
{
        GVariantBuilder identities;

        g_variant_builder_init(&identities, G_VARIANT_TYPE("a(ss)"));
        for (int i = 0; subject && i < subject->nidentity; i++)
                g_variant_builder_add(&identities, "(@s@s)", text_variant(subject->identities[i].type),
                                      text_variant(subject->identities[i].name));

        event_emit(opaque, domain,
                   g_variant_new("(i@(iss)@(iss)@sa(ss))", phase, graphics_address(local),
                                 graphics_address(remote), text_variant(scheme), &identities));
}

/* Whether the domain's being there may have changed, and not just what it does. */
static gboolean changes_presence(int event)
{
        switch (event) {
        case VIR_DOMAIN_EVENT_DEFINED:
        case VIR_DOMAIN_EVENT_UNDEFINED:
        case VIR_DOMAIN_EVENT_STARTED:
        case VIR_DOMAIN_EVENT_STOPPED:
        case VIR_DOMAIN_EVENT_CRASHED:
                return TRUE;
        default:
                return FALSE;
        }
}

static int on_domain_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *opaque)
{
        char uuid[VIR_UUID_STRING_BUFLEN];

        event_emit_lifecycle(opaque, domain, event, detail);
        if (changes_presence(event) && virDomainGetUUIDString(domain, uuid) == 0)
                event_tell_changed(opaque, uuid);

        return 0;
}

static void on_network_lifecycle(virConnectPtr conn, virNetworkPtr network, int event, int detail,
                                 void *opaque)
{
        event_emit_lifecycle(opaque, network, event, detail);
}

static void on_pool_lifecycle(virConnectPtr conn, virStoragePoolPtr pool, int event, int detail, void *opaque)
{
        event_emit_lifecycle(opaque, pool, event, detail);
}

static void on_pool_plain(virConnectPtr conn, virStoragePoolPtr pool, void *opaque)
{
        event_emit(opaque, pool, g_variant_new_tuple(NULL, 0));
}

static void on_device_lifecycle(virConnectPtr conn, virNodeDevicePtr device, int event, int detail,
                                void *opaque)
{
        event_emit_lifecycle(opaque, device, event, detail);
}

static void on_secret_lifecycle(virConnectPtr conn, virSecretPtr secret, int event, int detail, void *opaque)
{
        event_emit_lifecycle(opaque, secret, event, detail);
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

#define LIFECYCLE(family, id, signal, callback)                                                              \
        {                                                                                                    \
                &family##_family, id, &interface_connect, signal, VIR_DOMAIN_EVENT_CALLBACK(callback)        \
        }
#define DOMAIN(id, signal, callback)                                                                         \
        {                                                                                                    \
                &domain_family, VIR_DOMAIN_EVENT_ID_##id, &interface_domain, signal,                         \
                        VIR_DOMAIN_EVENT_CALLBACK(callback)                                                  \
        }

/* The lifecycle of domains stands first: a connection that has everything but that is of no use. */
const EventRow event_rows[] = {
        LIFECYCLE(domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE, "DomainEvent", on_domain_lifecycle),
        LIFECYCLE(network, VIR_NETWORK_EVENT_ID_LIFECYCLE, "NetworkEvent", on_network_lifecycle),
        LIFECYCLE(storage_pool, VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, "StoragePoolEvent", on_pool_lifecycle),
        LIFECYCLE(node_device, VIR_NODE_DEVICE_EVENT_ID_LIFECYCLE, "NodeDeviceEvent", on_device_lifecycle),
        LIFECYCLE(secret, VIR_SECRET_EVENT_ID_LIFECYCLE, "SecretEvent", on_secret_lifecycle),
        DOMAIN(AGENT_LIFECYCLE, "AgentEvent", on_two_numbers),
        DOMAIN(BALLOON_CHANGE, "BalloonChange", on_balloon_change),
        /* Of the two events of a block job, the one that names the disk's target and not its file. */
        DOMAIN(BLOCK_JOB_2, "BlockJob", on_block_job),
        DOMAIN(BLOCK_THRESHOLD, "BlockThreshold", on_block_threshold),
        DOMAIN(CONTROL_ERROR, "ControlError", on_plain),
        DOMAIN(DEVICE_ADDED, "DeviceAdded", on_text),
        DOMAIN(DEVICE_REMOVAL_FAILED, "DeviceRemovalFailed", on_text),
        DOMAIN(DEVICE_REMOVED, "DeviceRemoved", on_text),
        DOMAIN(DISK_CHANGE, "DiskChange", on_disk_change),
        DOMAIN(GRAPHICS, "Graphics", on_graphics),
        DOMAIN(IO_ERROR_REASON, "IOError", on_io_error),
        DOMAIN(JOB_COMPLETED, "JobCompleted", on_params),
        DOMAIN(METADATA_CHANGE, "MetadataChange", on_number_and_text),
        DOMAIN(MIGRATION_ITERATION, "MigrationIteration", on_number),
        DOMAIN(PMSUSPEND, "PMSuspend", on_number),
        DOMAIN(PMSUSPEND_DISK, "PMSuspendDisk", on_number),
        DOMAIN(PMWAKEUP, "PMWakeup", on_number),
        DOMAIN(REBOOT, "Reboot", on_plain),
        DOMAIN(RTC_CHANGE, "RTCChange", on_rtc_change),
        DOMAIN(TRAY_CHANGE, "TrayChange", on_text_and_number),
        DOMAIN(TUNABLE, "Tunable", on_params),
        DOMAIN(WATCHDOG, "Watchdog", on_number),
        {&storage_pool_family, VIR_STORAGE_POOL_EVENT_ID_REFRESH, &interface_storage_pool, "Refresh",
         VIR_DOMAIN_EVENT_CALLBACK(on_pool_plain)},
};

const size_t n_event_rows = G_N_ELEMENTS(event_rows);
