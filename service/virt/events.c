/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Registering the table of events, and what its callbacks say. */

#include "virt/events.h"

#include "base/error.h"
#include "base/utf8.h"
#include "bus/path.h"
#include "virt/event_details.h"
#include "virt/event_table.h"
#include "virt/object_path.h"

#include <libvirt/virterror.h>

struct Events {
        const char *connection_path;
        const EventsOwner *owner;
        void *data;
        EventBinding *bindings; /* one for each row */
};

typedef struct Registration {
        const EventRow *row;
        int id;
} Registration;

/* What an event is about: its path, owned, and its UUID where the kind has one (else ""). libvirt makes text
 * of a UUID anew each time that it is asked for it, so that is done once for both. */
static char *identify(const EventBinding *binding, void *object, char *uuid)
{
        const Kind *kind = binding->row->family->kind;
        const char *connection_path = binding->events->connection_path;

        uuid[0] = '\0';
        if (!kind->uuid)
                return kind->path(connection_path, object);

        kind->uuid(object, uuid);
        return path_uuid(connection_path, kind->collection, uuid);
}

/* Tells of an event both ways: as libvirt-dbus does, then as the service does. */
static void tell(const EventBinding *binding, void *object, const char *signal_path, GVariant *arguments,
                 Event *event)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(arguments);
        g_autoptr(GVariant) details = event->details;
        const Events *events = binding->events;
        const Kind *kind = binding->row->family->kind;
        g_autofree char *name = NULL;

        if (!object_path_check(event->path))
                return;

        events->owner->signal(signal_path, binding->row->interface, binding->signal, arguments, events->data);

        event->name = name =
                kind->name ? utf8_make_valid(kind->name(object)) : g_strdup(event->uuid ? event->uuid : "");
        event->kind = kind;
        event->word = binding->row->kind;
        events->owner->event(event, events->data);
}

void event_emit(const EventBinding *binding, void *object, GVariant *arguments)
{
        char uuid[VIR_UUID_STRING_BUFLEN];
        g_autofree char *path = identify(binding, object, uuid);
        g_autoptr(GVariant) owned = g_variant_ref_sink(arguments);
        Event event = {
                .path = path,
                .uuid = *uuid ? uuid : NULL,
                .details = g_variant_ref_sink(event_details_of_arguments(binding->signal, owned)),
                .lifecycle = -1,
                .may_change = binding->row->may_change,
        };

        tell(binding, object, path, owned, &event);
}

/* An event comes with the number that its domain has at that time. */
static guint32 id_of(const Kind *kind, void *object)
{
        unsigned id = kind == &kind_domain ? virDomainGetID(object) : 0;

        return id == (unsigned)-1 ? 0 : id;
}

void event_emit_lifecycle(const EventBinding *binding, void *object, int number, int detail)
{
        const Kind *kind = binding->row->family->kind;
        char uuid[VIR_UUID_STRING_BUFLEN];
        g_autofree char *path = identify(binding, object, uuid);
        gboolean with_detail = g_str_equal(binding->signal->out_type, "(oii)");
        GVariant *arguments = with_detail ? g_variant_new("(oii)", path, number, detail)
                                          : g_variant_new("(oi)", path, number);
        Event event = {
                .path = path,
                .uuid = *uuid ? uuid : NULL,
                .details = g_variant_ref_sink(event_details_of_lifecycle(kind, number, detail, with_detail)),
                .lifecycle = number,
                .detail = detail,
                .id = id_of(kind, object),
                .may_change = TRUE,
        };

        tell(binding, object, binding->events->connection_path, arguments, &event);
}

Events *events_new(const char *connection_path, const EventsOwner *owner, void *data)
{
        Events *events = g_new0(Events, 1);

        events->connection_path = connection_path;
        events->owner = owner;
        events->data = data;
        events->bindings = g_new(EventBinding, n_event_rows);
        for (size_t i = 0; i < n_event_rows; i++) {
                const EventRow *row = &event_rows[i];
                const Member *signal = interface_find(row->interface, MEMBER_SIGNAL, row->signal);

                g_assert(signal);
                events->bindings[i] = (EventBinding){events, row, signal};
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
        GArray *registered = g_array_new(FALSE, FALSE, sizeof(Registration));
        unsigned long library = 0;

        virGetVersion(&library, NULL, NULL);
        for (size_t i = 0; i < n_event_rows; i++) {
                const EventFamily *family = event_rows[i].family;
                Registration registration = {.row = &event_rows[i]};

                if (event_rows[i].since > library)
                        continue;

                registration.id =
                        family->enroll(conn, event_rows[i].id, event_rows[i].callback, &events->bindings[i]);
                if (registration.id >= 0) {
                        g_array_append_val(registered, registration);
                        continue;
                }

                g_debug("no %s from this driver: %s", event_rows[i].signal, virGetLastErrorMessage());
                if (i == 0 && virGetLastErrorCode() != VIR_ERR_NO_SUPPORT) {
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

gboolean events_tell_of(const void *registered, const Kind *kind)
{
        const GArray *registrations = registered;

        for (guint i = 0; i < registrations->len; i++) {
                const EventRow *row = g_array_index(registrations, Registration, i).row;

                if (row->family->kind == kind && g_str_equal(row->kind, "lifecycle"))
                        return TRUE;
        }

        return FALSE;
}

void events_deregister(virConnectPtr conn, void *registered)
{
        GArray *registrations = registered;

        for (guint i = 0; i < registrations->len; i++) {
                const Registration *registration = &g_array_index(registrations, Registration, i);

                registration->row->family->dismiss(conn, registration->id);
        }

        virResetLastError();
        g_array_unref(registrations);
}
