/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each change is told twice: those who keep properties hear the signals of D-Bus's own, those who follow the
 * stream hear an event with a number, so that they know when they missed one. Whether an object is stale is
 * no event: it follows from those of the connection, and would push all others out of the stream. */

#include "tell.h"

#include "append.h"
#include "details.h"
#include "members.h"
#include "path.h"

#include <string.h>

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

void tell_properties(Bus *bus, const Kind *kind, const char *path, GVariant *changed)
{
        bus_signal(bus, path, INTERFACE_PROPERTIES, "PropertiesChanged",
                   g_variant_new("(s@a{sv}as)", kind->native->name, changed, NULL));
}

static void add_found(GVariantBuilder *details, gboolean found)
{
        if (found)
                details_add(details, "synthetic", g_variant_new_boolean(TRUE));
}

static const char *name_of(const Item *item)
{
        return item_string(item, kind_slots(item->kind)->name);
}

/* About what the properties of an object take. */
#define ITEM_BYTES 1024

void tell_added(Bus *bus, Stream *stream, const Item *item, gboolean found)
{
        const Slots *slots = kind_slots(item->kind);
        const Member *property = interface_properties(item->kind->native);
        sd_bus_message *message = bus_new_signal(bus, PATH_ROOT, OBJECT_MANAGER, "InterfacesAdded");
        GVariantBuilder details;

        bus_send(bus, message, ITEM_BYTES, message ? append_item(message, item) : 0);

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        for (unsigned i = 0; i < item->kind->native->n_properties; i++)
                if (i != slots->stale)
                        details_add(&details, property[i].name, item->values[i]);
        add_found(&details, found);
        stream_add(stream, item->kind, item->path, "added", name_of(item), g_variant_builder_end(&details),
                   found);
}

static gboolean is_stale(GVariant *entry)
{
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);

        return strcmp(g_variant_get_string(key, NULL), "Stale") == 0;
}

/* What an event tells of the properties in @changed, owned; NULL where that is nothing. */
static GVariant *details_of_changed(GVariant *changed, gboolean found)
{
        GVariantBuilder details;
        size_t n = g_variant_n_children(changed), told = 0;

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < n; i++) {
                g_autoptr(GVariant) entry = g_variant_get_child_value(changed, i);

                if (is_stale(entry))
                        continue;

                g_variant_builder_add_value(&details, entry);
                told++;
        }

        if (told > 0 && (told < n || found)) {
                add_found(&details, found);
                return g_variant_ref_sink(g_variant_builder_end(&details));
        }

        g_variant_builder_clear(&details);
        return told > 0 ? g_variant_ref(changed) : NULL;
}

void tell_changed(Bus *bus, Stream *stream, const Item *item, GVariant *changed, gboolean found)
{
        g_autoptr(GVariant) details = NULL;

        tell_properties(bus, item->kind, item->path, changed);
        details = details_of_changed(changed, found);
        if (details)
                stream_add(stream, item->kind, item->path, "changed", name_of(item), details, found);
}

void tell_removed(Bus *bus, Stream *stream, const Item *item, gboolean found)
{
        const char *interfaces[] = {item->kind->native->name, item->kind->interface->name, NULL};
        GVariantBuilder details;

        bus_signal(bus, PATH_ROOT, OBJECT_MANAGER, "InterfacesRemoved",
                   g_variant_new("(o^as)", item->path, interfaces));

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        add_found(&details, found);
        stream_add(stream, item->kind, item->path, "removed", name_of(item), g_variant_builder_end(&details),
                   found);
}

static void tell_event(Stream *stream, const Item *item, int event)
{
        stream_add(stream, item->kind, item->path, "lifecycle", name_of(item),
                   details_of_found(item->kind, event), TRUE);
}

/* The numbers of libvirt's enumerations are the same for all kinds where the words are. */
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_DEFINED == (int)VIR_NETWORK_EVENT_DEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_DEFINED == (int)VIR_STORAGE_POOL_EVENT_DEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_UNDEFINED == (int)VIR_NETWORK_EVENT_UNDEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_UNDEFINED == (int)VIR_STORAGE_POOL_EVENT_UNDEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_STARTED == (int)VIR_NETWORK_EVENT_STARTED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_STARTED == (int)VIR_STORAGE_POOL_EVENT_STARTED);
G_STATIC_ASSERT((int)VIR_NETWORK_EVENT_STOPPED == (int)VIR_STORAGE_POOL_EVENT_STOPPED);

static int stopped_event(const Kind *kind)
{
        return kind == &kind_domain ? (int)VIR_DOMAIN_EVENT_STOPPED : (int)VIR_NETWORK_EVENT_STOPPED;
}

/* What an active domain is doing, as events tell it: that it waits for its host, or shuts down, they do not
 * tell for sure. */
static const char *doing(const Item *item)
{
        static const char *const others[] = {"paused", "pmsuspended", "crashed", NULL};
        const char *state;

        if (item->kind != &kind_domain)
                return "active";

        state = item_string(item, DOMAIN1_STATE);
        return g_strv_contains(others, state) ? g_intern_string(state) : "running";
}

gboolean tell_is_active(const char *told)
{
        return told && strcmp(told, "inactive") != 0 && strcmp(told, "shutoff") != 0;
}

/* The event that brings a domain there. */
static int event_to(const char *state)
{
        return strcmp(state, "paused") == 0        ? VIR_DOMAIN_EVENT_SUSPENDED
               : strcmp(state, "pmsuspended") == 0 ? VIR_DOMAIN_EVENT_PMSUSPENDED
               : strcmp(state, "crashed") == 0     ? VIR_DOMAIN_EVENT_CRASHED
                                                   : VIR_DOMAIN_EVENT_RESUMED;
}

const char *tell_state(const Item *item)
{
        if (item_boolean(item, kind_slots(item->kind)->active))
                return doing(item);

        return item->kind == &kind_domain ? "shutoff" : "inactive";
}

/* A guest that is being started is paused for a moment. libvirt tells of the start when it is complete. */
static gboolean is_starting(const Item *item)
{
        return item->kind == &kind_domain &&
               strcmp(item_string(item, DOMAIN1_STATE_REASON), "starting-up") == 0;
}

const char *tell_found(Stream *stream, const Item *item, gboolean is_new)
{
        const char *told = item->told;
        const char *now = tell_state(item);

        if (is_new && item_boolean(item, kind_slots(item->kind)->persistent))
                tell_event(stream, item, VIR_DOMAIN_EVENT_DEFINED);
        if (is_starting(item))
                return told;

        if (!item_boolean(item, kind_slots(item->kind)->active)) {
                if (tell_is_active(told))
                        tell_event(stream, item, stopped_event(item->kind));
                return now;
        }

        if (!tell_is_active(told)) {
                tell_event(stream, item, VIR_DOMAIN_EVENT_STARTED);
                told = item->kind == &kind_domain ? "running" : "active";
        }

        /* A domain that was told to shut down runs until it has stopped. */
        if (strcmp(told, "shutdown") == 0)
                told = "running";
        if (strcmp(told, now) != 0)
                tell_event(stream, item, event_to(now));

        return now;
}

void tell_found_restart(Stream *stream, const Item *item)
{
        tell_event(stream, item, VIR_DOMAIN_EVENT_STOPPED);
        tell_event(stream, item, VIR_DOMAIN_EVENT_STARTED);
}

void tell_found_definition(Stream *stream, const Item *item, GVariant *const *before, int told)
{
        const Slots *slots = kind_slots(item->kind);
        gboolean was = g_variant_get_boolean(before[slots->persistent]);
        gboolean is = item_boolean(item, slots->persistent);

        if (was && !is && told != VIR_DOMAIN_EVENT_UNDEFINED)
                tell_event(stream, item, VIR_DOMAIN_EVENT_UNDEFINED);
        if (is && told != VIR_DOMAIN_EVENT_DEFINED &&
            (!was || !g_variant_equal(before[slots->name], item->values[slots->name])))
                tell_event(stream, item, VIR_DOMAIN_EVENT_DEFINED);
}

void tell_found_removed(Stream *stream, const Item *item, gboolean definition)
{
        if (tell_is_active(item->told))
                tell_event(stream, item, stopped_event(item->kind));
        if (definition && item_boolean(item, kind_slots(item->kind)->persistent))
                tell_event(stream, item, VIR_DOMAIN_EVENT_UNDEFINED);
}
