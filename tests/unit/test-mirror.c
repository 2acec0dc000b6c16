/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mirror: what it keeps, and what it says has changed. */

#include "members.h"
#include "mirror/mirror.h"

#include <string.h>

#define ROOT  "/org/libvirt/Test"
#define UUID  "00000000-1111-2222-3333-444444444444"
#define LEAF  "_00000000_1111_2222_3333_444444444444"
#define OTHER "00000000-1111-2222-3333-555555555555"

static Mirror *mirror;

static void set_up(void)
{
        mirror = mirror_new(ROOT);
}

static void tear_down(void)
{
        mirror_free(mirror);
}

/* Returns the names of what changed, and "+" for an object that is new. */
static char *update(const Kind *kind, const char *uuid, const char *name, int active)
{
        const Member *property = interface_properties(kind->native);
        gboolean known = mirror_find_uuid(mirror, kind, uuid) != NULL;
        GVariant *values[N_DOMAIN1] = {};
        GString *names = g_string_new(known ? "" : "+");
        guint32 changed = 0;

        if (name)
                values[kind_slots(kind)->name] = g_variant_ref_sink(g_variant_new_string(name));
        if (active >= 0)
                values[kind_slots(kind)->active] = g_variant_ref_sink(g_variant_new_boolean(active > 0));
        mirror_update(mirror, kind, uuid, values, &changed);
        for (unsigned i = 0; i < kind->native->n_properties; i++)
                if (changed & (1u << i))
                        g_string_append_printf(names, "%s ", property[i].name);

        return g_string_free(names, FALSE);
}

static void check_update(const Kind *kind, const char *uuid, const char *name, int active,
                         const char *expected)
{
        g_autofree char *changed = update(kind, uuid, name, active);

        g_assert_cmpstr(changed, ==, expected);
}

static void forget(const Kind *kind, const char *uuid)
{
        item_free(mirror_take(mirror, mirror_find_uuid(mirror, kind, uuid)));
        g_assert_null(mirror_find_uuid(mirror, kind, uuid));
}

static void test_a_life(void)
{
        const Item *item;

        set_up();
        check_update(&kind_domain, UUID, "a", FALSE, "+");
        check_update(&kind_domain, UUID, "a", FALSE, "");
        check_update(&kind_domain, UUID, "b", TRUE, "Active Name ");
        /* What is not given stays. */
        check_update(&kind_domain, UUID, NULL, FALSE, "Active ");

        item = mirror_find_uuid(mirror, &kind_domain, UUID);
        g_assert_cmpstr(item->path, ==, ROOT "/domain/" LEAF);
        g_assert_cmpstr(item->leaf, ==, LEAF);
        g_assert_cmpstr(item_string(item, DOMAIN1_UUID), ==, UUID);
        g_assert_cmpstr(item_string(item, DOMAIN1_NAME), ==, "b");
        forget(&kind_domain, UUID);
        tear_down();
}

/* Every value is there and has the declared type before libvirt was asked. */
static void test_defaults(void)
{
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                const Kind *kind = mirrored_kinds[i];
                const Interface *native = kind->native;
                const Item *item;

                set_up();
                g_assert_true(kind_is_mirrored(kind));
                check_update(kind, UUID, NULL, -1, "+");
                item = mirror_find(mirror, kind, LEAF);
                for (size_t j = 0; j < native->n_members; j++) {
                        const Member *member = &native->members[j];

                        if (member->kind == MEMBER_PROPERTY)
                                g_assert_true(g_variant_is_of_type(item->values[member->slot],
                                                                   G_VARIANT_TYPE(member->out_type)));
                }
                tear_down();
        }
        g_assert_false(kind_is_mirrored(&kind_node_device));
        g_assert_false(kind_is_mirrored(&kind_connect));
}

/* The same UUID in another kind is another object. */
static void test_kinds(void)
{
        set_up();
        for (size_t i = 0; mirrored_kinds[i]; i++)
                check_update(mirrored_kinds[i], UUID, mirrored_kinds[i]->collection, TRUE, "+");
        forget(&kind_network, UUID);
        g_assert_cmpuint(mirror_size(mirror, &kind_domain), ==, 1);
        g_assert_cmpuint(mirror_size(mirror, &kind_network), ==, 0);
        g_assert_cmpuint(mirror_size(mirror, &kind_storage_pool), ==, 1);
        tear_down();
}

static void check_name(const char *name, const char *uuid)
{
        const Item *found = mirror_find_name(mirror, &kind_domain, name);

        g_assert_cmpstr(found ? item_string(found, DOMAIN1_UUID) : NULL, ==, uuid);
}

/* An object is found by the name that it has now; while two have one, by the later one. */
static void test_names(void)
{
        set_up();
        check_update(&kind_domain, UUID, "a", TRUE, "+");
        check_update(&kind_network, UUID, "n", TRUE, "+");
        check_name("a", UUID);
        check_name("n", NULL);
        check_update(&kind_domain, UUID, "b", -1, "Name ");
        check_name("a", NULL);
        check_name("b", UUID);

        check_update(&kind_domain, OTHER, "b", TRUE, "+");
        check_name("b", OTHER);
        forget(&kind_domain, UUID);
        check_name("b", OTHER);
        forget(&kind_domain, OTHER);
        check_name("b", NULL);
        tear_down();
}

static void on_stale(const Item *item, void *data)
{
        ++*(unsigned *)data;
}

/* Returns how many became another. */
static unsigned set_stale(const Kind *kind, gboolean stale)
{
        unsigned n = 0;

        mirror_set_stale(mirror, kind, stale, on_stale, &n);
        return n;
}

static void test_stale(void)
{
        set_up();
        g_assert_cmpuint(set_stale(&kind_domain, TRUE), ==, 0);
        check_update(&kind_domain, UUID, "a", TRUE, "+");
        check_update(&kind_domain, OTHER, "b", TRUE, "+");
        check_update(&kind_storage_pool, UUID, "p", TRUE, "+");
        g_assert_cmpuint(set_stale(&kind_domain, FALSE), ==, 0);
        g_assert_cmpuint(set_stale(&kind_domain, TRUE), ==, 2);
        g_assert_true(item_boolean(mirror_find(mirror, &kind_domain, LEAF), DOMAIN1_STALE));
        g_assert_cmpuint(set_stale(&kind_domain, TRUE), ==, 0);
        g_assert_cmpuint(set_stale(&kind_domain, FALSE), ==, 2);
        g_assert_cmpuint(set_stale(&kind_storage_pool, TRUE), ==, 1);
        tear_down();
}

/* Equal values of many objects are one; those that differ from one to the other are each its own. */
static void test_shares(void)
{
        const Item *first, *second;

        set_up();
        g_free(update(&kind_domain, UUID, "same", TRUE));
        g_free(update(&kind_domain, OTHER, "same", TRUE));
        first = mirror_find_uuid(mirror, &kind_domain, UUID);
        second = mirror_find_uuid(mirror, &kind_domain, OTHER);
        g_assert_true(first->values[DOMAIN1_ACTIVE] == second->values[DOMAIN1_ACTIVE]);
        g_assert_true(first->values[DOMAIN1_STATE] == second->values[DOMAIN1_STATE]);
        g_assert_true(first->values[DOMAIN1_NAME] != second->values[DOMAIN1_NAME]);
        g_free(update(&kind_domain, OTHER, NULL, FALSE));
        g_assert_true(item_boolean(first, DOMAIN1_ACTIVE));
        g_assert_false(item_boolean(second, DOMAIN1_ACTIVE));
        tear_down();
}

/* What was asked for before the domain was defined anew does not count. */
static void test_scheduler(void)
{
        const Item *item;
        guint64 before;

        set_up();
        mirror_set_scheduler(mirror, UUID, 0, g_variant_new("(si)", "posix", 5));
        g_free(update(&kind_domain, UUID, "a", TRUE));
        item = mirror_find_uuid(mirror, &kind_domain, UUID);
        g_assert_null(item->scheduler);
        before = item->version;
        mirror_set_scheduler(mirror, UUID, before, g_variant_new("(si)", "posix", 5));
        g_assert_true(g_variant_is_of_type(item->scheduler, G_VARIANT_TYPE("(si)")));
        mirror_forget_scheduler(mirror, UUID);
        g_assert_null(item->scheduler);
        mirror_set_scheduler(mirror, UUID, before, g_variant_new("(si)", "posix", 5));
        g_assert_null(item->scheduler);
        mirror_set_scheduler(mirror, UUID, item->version, g_variant_new_tuple(NULL, 0));
        g_assert_nonnull(item->scheduler);

        /* One that went and came again is another one. */
        before = item->version;
        item_free(mirror_take(mirror, item));
        g_free(update(&kind_domain, UUID, "a", TRUE));
        item = mirror_find_uuid(mirror, &kind_domain, UUID);
        mirror_set_scheduler(mirror, UUID, before, g_variant_new("(si)", "posix", 5));
        g_assert_null(item->scheduler);
        tear_down();
}

/* What no list tells is known for as long as its connection lives, and stays shown. */
static void test_untold(void)
{
        GVariant *values[N_DOMAIN1] = {[DOMAIN1_OS_TYPE] = g_variant_ref_sink(g_variant_new_string("hvm"))};
        const Item *item;

        set_up();
        g_free(update(&kind_domain, UUID, "a", TRUE));
        item = mirror_find_uuid(mirror, &kind_domain, UUID);
        g_assert_false(item->system_known);
        mirror_update(mirror, &kind_domain, UUID, values, NULL);
        g_assert_true(item->system_known);
        mirror_set_scheduler(mirror, UUID, item->version, g_variant_new_tuple(NULL, 0));
        mirror_forget_untold(mirror);
        g_assert_false(item->system_known);
        g_assert_null(item->scheduler);
        g_assert_cmpstr(item_string(item, DOMAIN1_OS_TYPE), ==, "hvm");
        tear_down();
}

static void test_iterate(void)
{
        GHashTableIter iter;
        gpointer leaf, item;
        unsigned n = 0;

        set_up();
        g_free(update(&kind_network, UUID, "a", TRUE));
        g_free(update(&kind_network, OTHER, "b", TRUE));
        mirror_iterate(mirror, &kind_network, &iter);
        while (g_hash_table_iter_next(&iter, &leaf, &item)) {
                g_assert_cmpstr(leaf, ==, ((const Item *)item)->leaf);
                n++;
        }
        g_assert_cmpuint(n, ==, 2);
        tear_down();
        mirror_free(NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/mirror/a-life", test_a_life);
        g_test_add_func("/mirror/defaults", test_defaults);
        g_test_add_func("/mirror/kinds", test_kinds);
        g_test_add_func("/mirror/names", test_names);
        g_test_add_func("/mirror/stale", test_stale);
        g_test_add_func("/mirror/shares", test_shares);
        g_test_add_func("/mirror/scheduler", test_scheduler);
        g_test_add_func("/mirror/untold", test_untold);
        g_test_add_func("/mirror/iterate", test_iterate);
        return g_test_run();
}
