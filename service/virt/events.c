/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Registering the table of events. */

#include "virt/events.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/thread.h"

#include <libvirt/virterror.h>

struct Events {
        EventBinding *bindings; /* one for each row */
};

typedef struct Registration {
        const EventRow *row;
        int id;
} Registration;

Events *events_new(const char *connection_path, const EventsOwner *owner, void *data)
{
        Events *events = g_new0(Events, 1);

        ASSERT_MAIN();
        events->bindings = g_new(EventBinding, n_event_rows);
        for (size_t i = 0; i < n_event_rows; i++) {
                const EventRow *row = &event_rows[i];
                const Member *signal = interface_find(row->interface, MEMBER_SIGNAL, row->signal);

                ASSERT(signal);
                events->bindings[i] = (EventBinding){.row = row,
                                                     .signal = signal,
                                                     .connection_path = connection_path,
                                                     .owner = owner,
                                                     .data = data};
        }

        return events;
}

void events_free(Events *events)
{
        ASSERT_MAIN();
        if (!events)
                return;

        g_free(events->bindings);
        g_free(events);
}

/* An event that the driver does not know is left out. But a connection that says nothing of the lifecycle,
 * and could, would look alive and be deaf. */
static gboolean is_needed(const EventRow *row, const Kind *only)
{
        return row->family->kind == (only ? only : &kind_domain) && g_str_equal(row->kind, "lifecycle");
}

void *events_register(Events *events, virConnectPtr conn, const Kind *only, GError **error)
{
        GArray *registered = g_array_new(FALSE, FALSE, sizeof(Registration));
        unsigned long library = 0;

        ASSERT_WORKER();
        virGetVersion(&library, NULL, NULL);
        for (size_t i = 0; i < n_event_rows; i++) {
                const EventFamily *family = event_rows[i].family;
                Registration registration = {.row = &event_rows[i]};

                if (event_rows[i].since > library || (only && family->kind != only))
                        continue;

                registration.id =
                        family->enroll(conn, event_rows[i].id, event_rows[i].callback, &events->bindings[i]);
                if (registration.id >= 0) {
                        g_array_append_val(registered, registration);
                        continue;
                }

                g_debug("no %s from this driver: %s", event_rows[i].signal, virGetLastErrorMessage());
                if (is_needed(&event_rows[i], only) && virGetLastErrorCode() != VIR_ERR_NO_SUPPORT) {
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

        ASSERT_WORKER();
        for (guint i = 0; i < registrations->len; i++) {
                const Registration *registration = &g_array_index(registrations, Registration, i);

                registration->row->family->dismiss(conn, registration->id);
        }

        virResetLastError();
        g_array_unref(registrations);
}
