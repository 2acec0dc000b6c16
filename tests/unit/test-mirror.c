/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mirror: what it tells its owner of what it is told. */

#include "members.h"
#include "mirror.h"

#include <string.h>

#define ROOT  "/org/libvirt/Test"
#define UUID  "00000000-1111-2222-3333-444444444444"
#define LEAF  "_00000000_1111_2222_3333_444444444444"
#define OTHER "00000000-1111-2222-3333-555555555555"

typedef struct Told {
        Mirror *mirror;
        GString *log; /* + added, * changed, - removed, each with the name */
        GVariant *changed;
        char *name_before;
} Told;

static const char *name_of(const Item *item)
{
        return item_string(item, kind_slots(item->kind)->name);
}

static void on_added(const Item *item, void *data)
{
        Told *told = data;

        g_string_append_printf(told->log, "+%s", name_of(item));
        g_assert_true(mirror_find(told->mirror, item->kind, item->leaf) == item);
}

static void on_changed(const Item *item, GVariant *const *before, GVariant *changed, void *data)
{
        Told *told = data;

        g_string_append_printf(told->log, "*%s", name_of(item));
        g_clear_pointer(&told->changed, g_variant_unref);
        told->changed = g_variant_ref(changed);
        g_free(told->name_before);
        told->name_before = g_variant_dup_string(before[kind_slots(item->kind)->name], NULL);
}

static void on_removed(const Item *item, void *data)
{
        Told *told = data;

        g_string_append_printf(told->log, "-%s", name_of(item));
        g_assert_null(mirror_find(told->mirror, item->kind, item->leaf));
}

static const MirrorOwner owner = {.added = on_added, .changed = on_changed, .removed = on_removed};

static Told *told_new(void)
{
        Told *told = g_new0(Told, 1);

        told->log = g_string_new("");
        told->mirror = mirror_new(ROOT, &owner, told);
        return told;
}

static void told_free(Told *told)
{
        mirror_free(told->mirror);
        g_string_free(told->log, TRUE);
        g_clear_pointer(&told->changed, g_variant_unref);
        g_free(told->name_before);
        g_free(told);
}

/* What was told since the last time. */
static void check_log(Told *told, const char *expected)
{
        g_assert_cmpstr(told->log->str, ==, expected);
        g_string_truncate(told->log, 0);
}

static void update(Told *told, const Kind *kind, const char *uuid, const char *name, int active)
{
        GVariant *values[N_DOMAIN1] = {};

        if (name)
                values[kind_slots(kind)->name] = g_variant_ref_sink(g_variant_new_string(name));
        if (active >= 0)
                values[kind_slots(kind)->active] = g_variant_ref_sink(g_variant_new_boolean(active > 0));
        mirror_update(told->mirror, kind, uuid, values);
}

static void check_changed(const Told *told, const char *expected)
{
        g_autofree char *text = g_variant_print(told->changed, FALSE);

        g_assert_cmpstr(text, ==, expected);
}

static void test_a_life(void)
{
        Told *told = told_new();
        const Item *item;

        update(told, &kind_domain, UUID, "a", FALSE);
        check_log(told, "+a");
        update(told, &kind_domain, UUID, "a", FALSE);
        check_log(told, "");
        update(told, &kind_domain, UUID, "b", TRUE);
        check_log(told, "*b");
        check_changed(told, "{'Active': <true>, 'Name': <'b'>}");
        g_assert_cmpstr(told->name_before, ==, "a");

        /* What was not asked stays. */
        update(told, &kind_domain, UUID, NULL, FALSE);
        check_log(told, "*b");
        check_changed(told, "{'Active': <false>}");

        item = mirror_find_uuid(told->mirror, &kind_domain, UUID);
        g_assert_cmpstr(item->path, ==, ROOT "/domain/" LEAF);
        g_assert_cmpstr(item->leaf, ==, LEAF);
        g_assert_cmpstr(item_string(item, DOMAIN1_UUID), ==, UUID);

        mirror_remove(told->mirror, &kind_domain, UUID);
        check_log(told, "-b");
        mirror_remove(told->mirror, &kind_domain, UUID);
        check_log(told, "");
        told_free(told);
}

/* Every value is there and has the declared type before anybody was asked. */
static void test_defaults(void)
{
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                const Kind *kind = mirrored_kinds[i];
                const Interface *native = kind->native;
                Told *told = told_new();
                const Item *item;

                g_assert_true(kind_is_mirrored(kind));
                update(told, kind, UUID, NULL, -1);
                check_log(told, "+");
                item = mirror_find(told->mirror, kind, LEAF);
                for (size_t j = 0; j < native->n_members; j++) {
                        const Member *member = &native->members[j];

                        if (member->kind == MEMBER_PROPERTY)
                                g_assert_true(g_variant_is_of_type(item->values[member->slot],
                                                                   G_VARIANT_TYPE(member->out_type)));
                }
                told_free(told);
        }
        g_assert_false(kind_is_mirrored(&kind_node_device));
        g_assert_false(kind_is_mirrored(&kind_connect));
}

/* The same UUID in another kind is another object. */
static void test_kinds(void)
{
        Told *told = told_new();

        for (size_t i = 0; mirrored_kinds[i]; i++)
                update(told, mirrored_kinds[i], UUID, mirrored_kinds[i]->collection, TRUE);
        check_log(told, "+domain+network+storagepool");
        mirror_remove(told->mirror, &kind_network, UUID);
        check_log(told, "-network");
        g_assert_cmpuint(mirror_size(told->mirror, &kind_domain), ==, 1);
        g_assert_cmpuint(mirror_size(told->mirror, &kind_network), ==, 0);
        g_assert_cmpuint(mirror_size(told->mirror, &kind_storage_pool), ==, 1);
        told_free(told);
}

static void test_keep(void)
{
        g_autoptr(GHashTable) leaves = g_hash_table_new(g_str_hash, g_str_equal);
        Told *told = told_new();

        update(told, &kind_domain, UUID, "a", TRUE);
        update(told, &kind_domain, OTHER, "b", TRUE);
        update(told, &kind_network, OTHER, "n", TRUE);
        check_log(told, "+a+b+n");

        g_hash_table_add(leaves, (void *)LEAF);
        mirror_keep(told->mirror, &kind_domain, leaves);
        check_log(told, "-b");
        mirror_keep(told->mirror, &kind_domain, leaves);
        check_log(told, "");
        g_hash_table_remove_all(leaves);
        mirror_keep(told->mirror, &kind_domain, leaves);
        check_log(told, "-a");
        g_assert_cmpuint(mirror_size(told->mirror, &kind_network), ==, 1);
        told_free(told);
}

static void set_stale(Told *told, gboolean stale)
{
        for (size_t i = 0; mirrored_kinds[i]; i++)
                mirror_set_stale(told->mirror, mirrored_kinds[i], stale);
}

static void test_stale(void)
{
        Told *told = told_new();

        set_stale(told, TRUE);
        check_log(told, "");
        update(told, &kind_domain, UUID, "a", TRUE);
        update(told, &kind_storage_pool, UUID, "p", TRUE);
        check_log(told, "+a+p");
        set_stale(told, FALSE);
        check_log(told, "");
        set_stale(told, TRUE);
        check_log(told, "*a*p");
        check_changed(told, "{'Stale': <true>}");
        g_assert_true(item_boolean(mirror_find(told->mirror, &kind_domain, LEAF), DOMAIN1_STALE));
        set_stale(told, FALSE);
        check_log(told, "*a*p");
        check_changed(told, "{'Stale': <false>}");
        mirror_set_stale(told->mirror, &kind_storage_pool, TRUE);
        check_log(told, "*p");
        told_free(told);
}

/* Equal values of many objects are one; those that differ from one to the other are each its own. */
static void test_shares(void)
{
        Told *told = told_new();
        const Item *first, *second;

        update(told, &kind_domain, UUID, "same", TRUE);
        update(told, &kind_domain, OTHER, "same", TRUE);
        first = mirror_find_uuid(told->mirror, &kind_domain, UUID);
        second = mirror_find_uuid(told->mirror, &kind_domain, OTHER);
        g_assert_true(first->values[DOMAIN1_ACTIVE] == second->values[DOMAIN1_ACTIVE]);
        g_assert_true(first->values[DOMAIN1_STATE] == second->values[DOMAIN1_STATE]);
        g_assert_true(first->values[DOMAIN1_NAME] != second->values[DOMAIN1_NAME]);
        update(told, &kind_domain, OTHER, NULL, FALSE);
        g_assert_true(item_boolean(first, DOMAIN1_ACTIVE));
        g_assert_false(item_boolean(second, DOMAIN1_ACTIVE));
        told_free(told);
}

static void test_scheduler(void)
{
        Told *told = told_new();
        const Item *item;

        mirror_set_scheduler(told->mirror, UUID, g_variant_new("(si)", "posix", 5));
        update(told, &kind_domain, UUID, "a", TRUE);
        item = mirror_find_uuid(told->mirror, &kind_domain, UUID);
        g_assert_null(item->scheduler);
        mirror_set_scheduler(told->mirror, UUID, g_variant_new("(si)", "posix", 5));
        g_assert_true(g_variant_is_of_type(item->scheduler, G_VARIANT_TYPE("(si)")));
        mirror_set_scheduler(told->mirror, UUID, NULL);
        g_assert_null(item->scheduler);
        /* It is nobody's property. */
        check_log(told, "+a");
        told_free(told);
}

/* What events told of a start holds until the values show it. */
static void test_told(void)
{
        GVariant *values[N_DOMAIN1] = {[DOMAIN1_ID] = g_variant_ref_sink(g_variant_new_uint32(7))};
        Told *told = told_new();
        const Item *item;

        update(told, &kind_domain, UUID, "a", FALSE);
        item = mirror_find_uuid(told->mirror, &kind_domain, UUID);
        g_assert_null(item->told);
        mirror_tell(item, "running", TRUE);
        g_assert_cmpstr(item->told, ==, "running");
        g_assert_true(item->start_told);
        update(told, &kind_domain, UUID, "b", -1);
        g_assert_true(item->start_told);
        mirror_update(told->mirror, &kind_domain, UUID, values);
        g_assert_false(item->start_told);
        g_assert_cmpstr(item->told, ==, "running");
        mirror_tell(item, NULL, FALSE);
        g_assert_null(item->told);
        told_free(told);
}

static void check_start(const Item *item, gboolean told)
{
        mirror_tell(item, "running", TRUE);
        g_assert_cmpint(item->start_told, ==, told);
}

/* A domain that is active at first sight: the event of its start may come after that, or never. */
static void test_started_at_first(void)
{
        Told *told = told_new();
        const Item *one, *other;

        update(told, &kind_domain, UUID, "a", TRUE);
        one = mirror_find_uuid(told->mirror, &kind_domain, UUID);
        mirror_tell(one, "paused", FALSE);
        check_start(one, FALSE);
        check_start(one, TRUE);

        update(told, &kind_domain, OTHER, "b", TRUE);
        other = mirror_find_uuid(told->mirror, &kind_domain, OTHER);
        mirror_tell(other, "shutoff", FALSE);
        check_start(other, TRUE);
        told_free(told);

        told = told_new();
        update(told, &kind_domain, UUID, "a", TRUE);
        mirror_set_stale(told->mirror, &kind_domain, TRUE);
        check_start(mirror_find_uuid(told->mirror, &kind_domain, UUID), TRUE);
        told_free(told);
}

static void test_iterate(void)
{
        Told *told = told_new();
        GHashTableIter iter;
        gpointer leaf, item;
        unsigned n = 0;

        update(told, &kind_network, UUID, "a", TRUE);
        update(told, &kind_network, OTHER, "b", TRUE);
        mirror_iterate(told->mirror, &kind_network, &iter);
        while (g_hash_table_iter_next(&iter, &leaf, &item)) {
                g_assert_cmpstr(leaf, ==, ((const Item *)item)->leaf);
                n++;
        }
        g_assert_cmpuint(n, ==, 2);
        told_free(told);
        mirror_free(NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/mirror/a-life", test_a_life);
        g_test_add_func("/mirror/defaults", test_defaults);
        g_test_add_func("/mirror/kinds", test_kinds);
        g_test_add_func("/mirror/keep", test_keep);
        g_test_add_func("/mirror/stale", test_stale);
        g_test_add_func("/mirror/shares", test_shares);
        g_test_add_func("/mirror/scheduler", test_scheduler);
        g_test_add_func("/mirror/told", test_told);
        g_test_add_func("/mirror/started-at-first", test_started_at_first);
        g_test_add_func("/mirror/iterate", test_iterate);
        return g_test_run();
}
