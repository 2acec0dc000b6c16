/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each change is told twice: those who keep properties hear the signals of D-Bus's own, those who follow the
 * stream hear an event with a number, so that they know when they missed one. Whether an object is stale is
 * no event: it follows from those of the connection, and would push all others out of the stream. */

#include "mirror/emit.h"

#include "bus/path.h"
#include "members.h"
#include "mirror/marshal.h"
#include "virt/event_details.h"

#include <string.h>

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

void emit_properties(Bus *bus, const Kind *kind, const char *path, GVariant *changed)
{
        bus_signal(bus, path, INTERFACE_PROPERTIES, "PropertiesChanged",
                   g_variant_new("(s@a{sv}as)", kind->native->name, changed, NULL));
}

static void add_found(GVariantBuilder *details, gboolean found)
{
        if (found)
                event_details_add(details, "synthetic", g_variant_new_boolean(TRUE));
}

static const char *name_of(const Item *item)
{
        return item_string(item, kind_slots(item->kind)->name);
}

/* About what the properties of an object take. */
#define ITEM_BYTES 1024

void emit_added(Bus *bus, EventLog *event_log, const Item *item, gboolean found)
{
        const Slots *slots = kind_slots(item->kind);
        const Member *property = interface_properties(item->kind->native);
        sd_bus_message *message = bus_new_signal(bus, PATH_ROOT, OBJECT_MANAGER, "InterfacesAdded");
        GVariantBuilder details;

        bus_send(bus, message, ITEM_BYTES, message ? marshal_item(message, item) : 0);

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        for (unsigned i = 0; i < item->kind->native->n_properties; i++)
                if (i != slots->stale)
                        event_details_add(&details, property[i].name, item->values[i]);
        add_found(&details, found);
        event_log_add(event_log, item->kind, item->path, "added", name_of(item),
                      g_variant_builder_end(&details), found);
}

/* A dictionary of the values in those slots, floating. */
static GVariant *values_of(const Item *item, guint32 slots, gboolean found)
{
        const Member *property = interface_properties(item->kind->native);
        GVariantBuilder values;

        g_variant_builder_init(&values, G_VARIANT_TYPE_VARDICT);
        for (unsigned i = 0; i < item->kind->native->n_properties; i++)
                if (slots & (1u << i))
                        event_details_add(&values, property[i].name, item->values[i]);
        add_found(&values, found);
        return g_variant_builder_end(&values);
}

void emit_changed(Bus *bus, EventLog *event_log, const Item *item, guint32 slots, gboolean found)
{
        guint32 told = slots & ~(1u << kind_slots(item->kind)->stale);

        emit_properties(bus, item->kind, item->path, values_of(item, slots, FALSE));
        if (told != 0)
                event_log_add(event_log, item->kind, item->path, "changed", name_of(item),
                              values_of(item, told, found), found);
}

void emit_removed(Bus *bus, EventLog *event_log, const Item *item, gboolean found)
{
        const char *interfaces[] = {item->kind->native->name, item->kind->interface->name, NULL};
        GVariantBuilder details;

        bus_signal(bus, PATH_ROOT, OBJECT_MANAGER, "InterfacesRemoved",
                   g_variant_new("(o^as)", item->path, interfaces));

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        add_found(&details, found);
        event_log_add(event_log, item->kind, item->path, "removed", name_of(item),
                      g_variant_builder_end(&details), found);
}

void emit_event(EventLog *event_log, const Item *item, const char *name, int event)
{
        event_log_add(event_log, item->kind, item->path, "lifecycle", name,
                      event_details_of_found(item->kind, event), TRUE);
}

void emit_checked(EventLog *event_log, const Item *item, guint64 of, GVariant *state, GVariant *reason)
{
        GVariantBuilder details;

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        event_details_add(&details, "of", g_variant_new_uint64(of));
        event_details_add(&details, "state", state ? state : g_variant_new_string("gone"));
        event_details_add(&details, "reason", reason ? reason : g_variant_new_string(""));
        event_log_add(event_log, item->kind, item->path, "state-checked", name_of(item),
                      g_variant_builder_end(&details), FALSE);
}
