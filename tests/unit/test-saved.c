/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mirror's objects, from one start of the service to the next. */

#include "members.h"
#include "mirror/saved.h"

#define UUID "00000000-1111-2222-3333-444444444444"
#define NET  "00000000-1111-2222-3333-555555555555"

static Mirror *filled(void)
{
        Mirror *mirror = mirror_new("/org/libvirt/Test");
        GVariant *domain[N_DOMAIN1] = {
                [DOMAIN1_NAME] = g_variant_ref_sink(g_variant_new_string("a \xc3\xa4")),
                [DOMAIN1_STATE] = g_variant_ref_sink(g_variant_new_string("running")),
                [DOMAIN1_ACTIVE] = g_variant_ref_sink(g_variant_new_boolean(TRUE)),
                [DOMAIN1_ID] = g_variant_ref_sink(g_variant_new_uint32(7)),
                [DOMAIN1_OS_TYPE] = g_variant_ref_sink(g_variant_new_string("hvm")),
        };
        GVariant *network[N_DOMAIN1] = {
                [NETWORK1_NAME] = g_variant_ref_sink(g_variant_new_string("n")),
                [NETWORK1_STALE] = g_variant_ref_sink(g_variant_new_boolean(TRUE)),
        };

        mirror_update(mirror, &kind_domain, UUID, domain, NULL);
        mirror_update(mirror, &kind_network, NET, network, NULL);
        return mirror;
}

static void test_there_and_back(void)
{
        Mirror *mirror = filled(), *next = mirror_new("/org/libvirt/Test");
        g_autoptr(GVariant) saved = g_variant_ref_sink(saved_objects(mirror));

        g_assert_true(g_variant_is_of_type(saved, G_VARIANT_TYPE(SAVED_OBJECTS)));
        saved_restore(saved, next);
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                GHashTableIter iter;
                gpointer leaf, each;

                g_assert_cmpuint(mirror_size(next, mirrored_kinds[i]), ==,
                                 mirror_size(mirror, mirrored_kinds[i]));
                mirror_iterate(mirror, mirrored_kinds[i], &iter);
                while (g_hash_table_iter_next(&iter, &leaf, &each)) {
                        const Item *before = each, *after = mirror_find(next, mirrored_kinds[i], leaf);

                        g_assert_nonnull(after);
                        g_assert_cmpstr(after->path, ==, before->path);
                        for (unsigned slot = 0; slot < before->kind->native->n_properties; slot++)
                                g_assert_true(g_variant_equal(after->values[slot], before->values[slot]));
                }
        }

        /* It was told, but may be another by now. */
        g_assert_false(mirror_find_uuid(next, &kind_domain, UUID)->system_known);
        g_assert_nonnull(mirror_find_name(next, &kind_network, "n"));
        mirror_free(mirror);
        mirror_free(next);
}

/* Another version may have had other kinds and properties. */
static void test_what_is_not_known(void)
{
        Mirror *mirror = mirror_new("/org/libvirt/Test");
        g_autoptr(GVariant) saved =
                g_variant_parse(G_VARIANT_TYPE(SAVED_OBJECTS),
                                "[('domain', '" UUID
                                "', {'Name': <'a'>, 'Novelty': <1>, 'Id': <'7'>, 'UUID': <'x'>}),"
                                " ('spaceship', '" UUID "', {'Name': <'b'>}), ('secret', '" UUID "', {}),"
                                " ('network', 'none', {'Name': <'c'>}), ('network', '" NET "', {})]",
                                NULL, NULL, NULL);
        const Item *item;

        g_assert_nonnull(saved);
        saved_restore(saved, mirror);
        g_assert_cmpuint(mirror_size(mirror, &kind_domain), ==, 1);
        g_assert_cmpuint(mirror_size(mirror, &kind_network), ==, 1);
        item = mirror_find_uuid(mirror, &kind_domain, UUID);
        g_assert_cmpstr(item_string(item, DOMAIN1_NAME), ==, "a");
        g_assert_cmpstr(item_string(item, DOMAIN1_UUID), ==, UUID);
        g_assert_cmpuint(g_variant_get_uint32(item->values[DOMAIN1_ID]), ==, 0);
        mirror_free(mirror);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/saved/there-and-back", test_there_and_back);
        g_test_add_func("/saved/what-is-not-known", test_what_is_not_known);
        return g_test_run();
}
