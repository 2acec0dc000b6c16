/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection's own values. */

#include "own.h"

#include "kind.h"
#include "members.h"
#include "tell.h"
#include "text.h"

struct Own {
        Bus *bus;
        const char *path;
        GVariant *values[N_CONNECTION1];
};

/* Returns whether that is something new. */
static gboolean own_set_value(Own *own, unsigned slot, GVariant *value)
{
        g_autoptr(GVariant) before = g_steal_pointer(&own->values[slot]);

        own->values[slot] = g_variant_ref_sink(value);
        return !before || !g_variant_equal(before, own->values[slot]);
}

/* The same of a text, which is not one of the values. */
static gboolean own_set(Own *own, unsigned slot, const char *text)
{
        return own_set_value(own, slot, text_variant(text));
}

Own *own_new(Bus *bus, const char *path, const char *uri, const char *epoch)
{
        Own *own = g_new0(Own, 1);

        own->bus = bus;
        own->path = path;
        own_set(own, CONNECTION1_STATE, "connecting");
        own_set(own, CONNECTION1_DRIVER, "");
        own_set_value(own, CONNECTION1_CHANGES, g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
        own_set(own, CONNECTION1_LAST_ERROR, "");
        own_set(own, CONNECTION1_URI, uri);
        own_set(own, CONNECTION1_EPOCH, epoch);
        return own;
}

void own_free(Own *own)
{
        if (!own)
                return;

        for (size_t i = 0; i < N_CONNECTION1; i++)
                g_clear_pointer(&own->values[i], g_variant_unref);
        g_free(own);
}

void own_set_state(Own *own, const char *state, const char *driver, const char *error)
{
        const struct {
                unsigned slot;
                const char *name, *value;
        } news[] = {
                {CONNECTION1_STATE, "State", state},
                {CONNECTION1_DRIVER, "Driver", driver},
                {CONNECTION1_LAST_ERROR, "LastError", error},
        };
        GVariantBuilder changed;
        gboolean any = FALSE;

        g_variant_builder_init(&changed, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < G_N_ELEMENTS(news); i++) {
                if (!news[i].value || !own_set(own, news[i].slot, news[i].value))
                        continue;

                any = TRUE;
                g_variant_builder_add(&changed, "{sv}", news[i].name, own->values[news[i].slot]);
        }

        if (any)
                tell_properties(own->bus, &kind_connect, own->path, g_variant_builder_end(&changed));
        else
                g_variant_builder_clear(&changed);
}

void own_set_changes(Own *own, GVariant *changes)
{
        GVariantBuilder changed;

        if (!own_set_value(own, CONNECTION1_CHANGES, changes))
                return;

        g_variant_builder_init(&changed, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&changed, "{sv}", "Changes", own->values[CONNECTION1_CHANGES]);
        tell_properties(own->bus, &kind_connect, own->path, g_variant_builder_end(&changed));
}

GVariant *own_value(const Own *own, unsigned slot)
{
        return own->values[slot];
}
