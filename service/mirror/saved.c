/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the mirror, and into another one. */

#include "mirror/saved.h"

#include "base/thread.h"
#include "members.h"

static GVariant *properties_of(const Item *item)
{
        const Member *property = interface_properties(item->kind->native);
        GVariantBuilder properties;

        g_variant_builder_init(&properties, G_VARIANT_TYPE_VARDICT);
        for (unsigned i = 0; i < item->kind->native->n_properties; i++)
                g_variant_builder_add(&properties, "{sv}", property[i].name, item->values[i]);
        return g_variant_builder_end(&properties);
}

GVariant *saved_objects(const Mirror *mirror)
{
        GVariantBuilder objects;

        ASSERT_MAIN();
        g_variant_builder_init(&objects, G_VARIANT_TYPE(SAVED_OBJECTS));
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                const Kind *kind = mirrored_kinds[i];
                GHashTableIter iter;
                gpointer item;

                mirror_iterate(mirror, kind, &iter);
                while (g_hash_table_iter_next(&iter, NULL, &item))
                        g_variant_builder_add(&objects, "(ss@a{sv})", kind->collection,
                                              item_string(item, kind_slots(kind)->uuid), properties_of(item));
        }

        return g_variant_builder_end(&objects);
}

static void restore(Mirror *mirror, const Kind *kind, const char *uuid, GVariant *properties)
{
        const Member *property = interface_properties(kind->native);
        GVariant *values[N_DOMAIN1] = {};

        for (unsigned i = 0; i < kind->native->n_properties; i++)
                if (i != kind_slots(kind)->uuid)
                        values[i] = g_variant_lookup_value(properties, property[i].name,
                                                           G_VARIANT_TYPE(property[i].out_type));
        mirror_update(mirror, kind, uuid, values, NULL);
}

void saved_restore(GVariant *objects, Mirror *mirror)
{
        const char *collection, *uuid;
        GVariant *properties;
        GVariantIter iter;

        ASSERT_MAIN();
        g_variant_iter_init(&iter, objects);
        while (g_variant_iter_loop(&iter, "(&s&s@a{sv})", &collection, &uuid, &properties)) {
                const Kind *kind = kind_find(collection);

                if (kind && kind_is_mirrored(kind) && g_uuid_string_is_valid(uuid))
                        restore(mirror, kind, uuid, properties);
        }

        /* Of those that were defined anew meanwhile it may be another. */
        mirror_forget_untold(mirror);
}
