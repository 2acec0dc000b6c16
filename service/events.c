/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Registering the table of events, and what its callbacks say. */

#include "events.h"

#include "error.h"
#include "event_rows.h"

#include <libvirt/virterror.h>

struct Events {
        const char *connection_path;
        const EventsOwner *owner;
        void *data;
        EventBinding *bindings; /* one for each row */
};

typedef struct Registration {
        const EventFamily *family;
        int id;
} Registration;

void event_emit(const EventBinding *binding, void *object, GVariant *arguments)
{
        const Events *events = binding->events;
        g_autofree char *path = binding->row->family->kind->path(events->connection_path, object);

        events->owner->signal(path, binding->row->interface, binding->signal, arguments, events->data);
}

void event_emit_lifecycle(const EventBinding *binding, void *object, int event, int detail)
{
        const Events *events = binding->events;
        g_autofree char *path = binding->row->family->kind->path(events->connection_path, object);
        gboolean with_detail = g_str_equal(binding->signal->out_type, "(oii)");
        GVariant *arguments = with_detail ? g_variant_new("(oii)", path, event, detail)
                                          : g_variant_new("(oi)", path, event);

        events->owner->signal(events->connection_path, binding->row->interface, binding->signal, arguments,
                              events->data);
}

void event_tell_changed(const EventBinding *binding, const char *uuid)
{
        binding->events->owner->changed(uuid, binding->events->data);
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

        for (size_t i = 0; i < n_event_rows; i++) {
                const EventFamily *family = event_rows[i].family;
                const Registration registration = {family, family->enroll(conn, event_rows[i].id,
                                                                          event_rows[i].callback,
                                                                          &events->bindings[i])};

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

void events_deregister(virConnectPtr conn, void *registered)
{
        GArray *registrations = registered;

        for (guint i = 0; i < registrations->len; i++) {
                const Registration *registration = &g_array_index(registrations, Registration, i);

                registration->family->dismiss(conn, registration->id);
        }

        virResetLastError();
        g_array_unref(registrations);
}
