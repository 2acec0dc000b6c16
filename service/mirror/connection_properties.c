/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection's own values. */

#include "mirror/connection_properties.h"

#include "base/thread.h"
#include "base/utf8.h"
#include "members.h"
#include "mirror/emit.h"
#include "virt/kind.h"

struct ConnectionProperties {
        Bus *bus;
        const char *path;
        GVariant *values[N_CONNECTION1];
};

/* The values are the packer's. */
static void tell(const ConnectionProperties *properties, Packer *packer)
{
        g_autoptr(PackedValue) changed = packer_end(packer);

        emit_properties(properties->bus, &kind_connect, properties->path, changed);
}

/* Returns whether that is something new. */
static gboolean own_set_value(ConnectionProperties *properties, unsigned slot, GVariant *value)
{
        g_autoptr(GVariant) before = g_steal_pointer(&properties->values[slot]);

        properties->values[slot] = g_variant_ref_sink(value);
        return !before || !g_variant_equal(before, properties->values[slot]);
}

/* The same of a text, which is not one of the values. */
static gboolean own_set(ConnectionProperties *properties, unsigned slot, const char *text)
{
        return own_set_value(properties, slot, utf8_variant(text));
}

ConnectionProperties *connection_properties_new(Bus *bus, const char *path, const char *uri,
                                                const char *epoch)
{
        ConnectionProperties *properties = g_new0(ConnectionProperties, 1);

        ASSERT_MAIN();
        properties->bus = bus;
        properties->path = path;
        own_set(properties, CONNECTION1_STATE, "connecting");
        own_set(properties, CONNECTION1_DRIVER, "");
        own_set_value(properties, CONNECTION1_CHANGES, g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
        own_set(properties, CONNECTION1_LAST_ERROR, "");
        own_set(properties, CONNECTION1_URI, uri);
        own_set(properties, CONNECTION1_EPOCH, epoch);
        return properties;
}

void connection_properties_free(ConnectionProperties *properties)
{
        ASSERT_MAIN();
        if (!properties)
                return;

        for (size_t i = 0; i < N_CONNECTION1; i++)
                g_clear_pointer(&properties->values[i], g_variant_unref);
        g_free(properties);
}

void connection_properties_set_state(ConnectionProperties *properties, const char *state, const char *driver,
                                     const char *error)
{
        const struct {
                unsigned slot;
                const char *name, *value;
        } news[] = {
                {CONNECTION1_STATE, "State", state},
                {CONNECTION1_DRIVER, "Driver", driver},
                {CONNECTION1_LAST_ERROR, "LastError", error},
        };
        gboolean any = FALSE;
        Packer changed;

        ASSERT_MAIN();
        for (size_t i = 0; i < G_N_ELEMENTS(news); i++) {
                if (!news[i].value || !own_set(properties, news[i].slot, news[i].value))
                        continue;

                if (!any)
                        packer_begin(&changed);
                any = TRUE;
                packer_add(&changed, news[i].name, properties->values[news[i].slot]);
        }

        if (any)
                tell(properties, &changed);
}

void connection_properties_set_changes(ConnectionProperties *properties, GVariant *changes)
{
        Packer changed;

        ASSERT_MAIN();
        if (!own_set_value(properties, CONNECTION1_CHANGES, changes))
                return;

        packer_begin(&changed);
        packer_add(&changed, "Changes", properties->values[CONNECTION1_CHANGES]);
        tell(properties, &changed);
}

GVariant *connection_properties_value(const ConnectionProperties *properties, unsigned slot)
{
        ASSERT_MAIN();
        return properties->values[slot];
}
