/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One table of events. Events whose callbacks have the same C type share one callback: what differs is the
 * row that comes with it. In callbacks libvirt is not asked anything; names and UUIDs come with the object.
 */

#include "events.h"

#include "error.h"
#include "members.h"
#include "path.h"
#include "text.h"

#include <libvirt/virterror.h>

/* What a callback gets: the signal that it makes. */
typedef struct Binding {
        Events *events;
        const Interface *interface;
        const Member *signal;
} Binding;

struct Events {
        const char *connection_path;
        const EventsOwner *owner;
        void *data;
        Binding *bindings; /* one for each row */
};

static void emit_on_domain(const Binding *binding, virDomainPtr domain, GVariant *arguments)
{
        const Events *events = binding->events;
        char uuid[VIR_UUID_STRING_BUFLEN] = "";
        g_autofree char *path = NULL;

        virDomainGetUUIDString(domain, uuid);
        path = path_domain(events->connection_path, uuid);
        events->owner->signal(path, binding->interface, binding->signal, arguments, events->data);
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

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *opaque)
{
        const Binding *binding = opaque;
        const Events *events = binding->events;
        char uuid[VIR_UUID_STRING_BUFLEN] = "";
        g_autofree char *path = NULL;

        virDomainGetUUIDString(domain, uuid);
        path = path_domain(events->connection_path, uuid);
        events->owner->signal(events->connection_path, binding->interface, binding->signal,
                              g_variant_new("(oii)", path, event, detail), events->data);
        if (changes_presence(event))
                events->owner->changed(uuid, events->data);

        return 0;
}

static void on_plain(virConnectPtr conn, virDomainPtr domain, void *opaque)
{
        emit_on_domain(opaque, domain, g_variant_new_tuple(NULL, 0));
}

static void on_balloon_change(virConnectPtr conn, virDomainPtr domain, unsigned long long actual,
                              void *opaque)
{
        emit_on_domain(opaque, domain, g_variant_new("(t)", (guint64)actual));
}

static void on_device(virConnectPtr conn, virDomainPtr domain, const char *alias, void *opaque)
{
        GVariant *device = text_variant(alias);

        emit_on_domain(opaque, domain, g_variant_new_tuple(&device, 1));
}

typedef struct EventRow {
        int id;
        const Interface *interface;
        const char *signal;
        virConnectDomainEventGenericCallback callback;
} EventRow;

#define DOMAIN(id, signal, callback)                                                                         \
        {                                                                                                    \
                VIR_DOMAIN_EVENT_ID_##id, &interface_org_libvirt_domain, signal,                             \
                        VIR_DOMAIN_EVENT_CALLBACK(callback)                                                  \
        }

static const EventRow event_rows[] = {
        {VIR_DOMAIN_EVENT_ID_LIFECYCLE, &interface_org_libvirt_connect, "DomainEvent",
         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
        DOMAIN(REBOOT, "Reboot", on_plain),
        DOMAIN(BALLOON_CHANGE, "BalloonChange", on_balloon_change),
        DOMAIN(DEVICE_ADDED, "DeviceAdded", on_device),
        DOMAIN(DEVICE_REMOVED, "DeviceRemoved", on_device),
        DOMAIN(DEVICE_REMOVAL_FAILED, "DeviceRemovalFailed", on_device),
};

Events *events_new(const char *connection_path, const EventsOwner *owner, void *data)
{
        Events *events = g_new0(Events, 1);

        events->connection_path = connection_path;
        events->owner = owner;
        events->data = data;
        events->bindings = g_new(Binding, G_N_ELEMENTS(event_rows));
        for (size_t i = 0; i < G_N_ELEMENTS(event_rows); i++) {
                const EventRow *row = &event_rows[i];
                const Member *signal = interface_find(row->interface, MEMBER_SIGNAL, row->signal);

                g_assert(signal);
                events->bindings[i] = (Binding){events, row->interface, signal};
        }

        return events;
}

void events_free(Events *events)
{
        if (!events)
                return;

        g_free(events->bindings);
        g_free(events);
}

void *events_register(Events *events, virConnectPtr conn, GError **error)
{
        GArray *registered = g_array_new(FALSE, FALSE, sizeof(int));

        for (size_t i = 0; i < G_N_ELEMENTS(event_rows); i++) {
                int id = virConnectDomainEventRegisterAny(conn, NULL, event_rows[i].id,
                                                          event_rows[i].callback, &events->bindings[i], NULL);

                if (id >= 0) {
                        g_array_append_val(registered, id);
                } else if (event_rows[i].id == VIR_DOMAIN_EVENT_ID_LIFECYCLE &&
                           virGetLastErrorCode() != VIR_ERR_NO_SUPPORT) {
                        /* An event that the driver does not know is left out. But a connection that says
                         * nothing of the lifecycle, and could, would look alive and be deaf. */
                        error_take_libvirt(error);
                        events_deregister(conn, registered);
                        return NULL;
                }
        }

        virResetLastError();
        return registered;
}

void events_deregister(virConnectPtr conn, void *registered)
{
        GArray *ids = registered;

        for (guint i = 0; i < ids->len; i++)
                virConnectDomainEventDeregisterAny(conn, g_array_index(ids, int, i));

        virResetLastError();
        g_array_unref(ids);
}
