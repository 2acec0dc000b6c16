/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeping objects, and finding out what a new value changes.
 *
 * Values are GVariants, which are immutable and may have been made on a worker thread. Those that many
 * objects have (states, booleans) are kept once: a domain takes less than 1 KiB. */

#include "mirror/mirror.h"

#include "base/thread.h"
#include "bus/path.h"
#include "members.h"

#include <string.h>

const Kind *const mirrored_kinds[] = {&kind_domain, &kind_network, &kind_storage_pool, NULL};

G_STATIC_ASSERT(G_N_ELEMENTS(mirrored_kinds) == N_MIRRORED + 1);
/* As many as a set of slots has bits. */
G_STATIC_ASSERT(N_DOMAIN1 <= 32);

static const Slots slots[N_MIRRORED] = {
        {DOMAIN1_ACTIVE, DOMAIN1_AUTOSTART, DOMAIN1_NAME, DOMAIN1_PERSISTENT, DOMAIN1_STALE, DOMAIN1_UUID},
        {NETWORK1_ACTIVE, NETWORK1_AUTOSTART, NETWORK1_NAME, NETWORK1_PERSISTENT, NETWORK1_STALE,
         NETWORK1_UUID},
        {STORAGE_POOL1_ACTIVE, STORAGE_POOL1_AUTOSTART, STORAGE_POOL1_NAME, STORAGE_POOL1_PERSISTENT,
         STORAGE_POOL1_STALE, STORAGE_POOL1_UUID},
};

struct Mirror {
        const char *connection_path;
        GHashTable *items[N_MIRRORED]; /* Item by leaf or UUID */
        GHashTable *names[N_MIRRORED]; /* Item by name, which is its value's own; of two, the last */
        GHashTable *shared;            /* a set of values */
        GVariant *scheduler;           /* the last that was set: most domains have the same */
        guint64 version;               /* the last that an object was given */
};

size_t mirrored_index(const Kind *kind)
{
        size_t i = 0;

        while (mirrored_kinds[i] != kind)
                i++;

        return i;
}

gboolean kind_is_mirrored(const Kind *kind)
{
        for (size_t i = 0; i < N_MIRRORED; i++)
                if (mirrored_kinds[i] == kind)
                        return TRUE;

        return FALSE;
}

const Slots *kind_slots(const Kind *kind)
{
        return &slots[mirrored_index(kind)];
}

void item_free(Item *item)
{
        ASSERT_MAIN();
        for (size_t i = 0; i < item->kind->native->n_properties; i++)
                g_variant_unref(item->values[i]);
        g_clear_pointer(&item->scheduler, g_variant_unref);
        g_free(item->values);
        g_free(item->path);
        g_free(item);
}

/* An object is found by its UUID and by the last element of its path, "_" and the UUID with "_" for each "-",
 * and neither is made of the other first: each event looks for its object several times. */

static const char *key_digits(gconstpointer key)
{
        const char *text = key;

        return *text == '_' ? text + 1 : text;
}

static char key_char(char c)
{
        return c == '-' ? '_' : c;
}

static guint key_hash(gconstpointer key)
{
        guint hash = 5381;

        for (const char *c = key_digits(key); *c; c++)
                hash = hash * 33 + (guint)key_char(*c);

        return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
        const char *one = key_digits(a), *other = key_digits(b);

        while (*one && key_char(*one) == key_char(*other)) {
                one++;
                other++;
        }

        return *one == *other;
}

Mirror *mirror_new(const char *connection_path)
{
        Mirror *mirror = g_new0(Mirror, 1);

        ASSERT_MAIN();
        mirror->connection_path = connection_path;
        for (size_t i = 0; i < N_MIRRORED; i++) {
                mirror->items[i] =
                        g_hash_table_new_full(key_hash, key_equal, NULL, (GDestroyNotify)item_free);
                mirror->names[i] = g_hash_table_new(g_str_hash, g_str_equal);
        }
        mirror->shared =
                g_hash_table_new_full(g_variant_hash, g_variant_equal, (GDestroyNotify)g_variant_unref, NULL);
        return mirror;
}

void mirror_free(Mirror *mirror)
{
        ASSERT_MAIN();
        if (!mirror)
                return;

        for (size_t i = 0; i < N_MIRRORED; i++) {
                g_hash_table_unref(mirror->names[i]);
                g_hash_table_unref(mirror->items[i]);
        }
        g_hash_table_unref(mirror->shared);
        g_clear_pointer(&mirror->scheduler, g_variant_unref);
        g_free(mirror);
}

/* The one value that is equal to @value, which is consumed. What differs from object to object is not shared:
 * nothing would ever be found, and the set would grow. */
static GVariant *share(Mirror *mirror, const Kind *kind, unsigned slot, GVariant *value)
{
        const Slots *own = kind_slots(kind);
        GVariant *known;

        if (slot == own->name || slot == own->uuid || (kind == &kind_domain && slot == DOMAIN1_ID))
                return value;

        known = g_hash_table_lookup(mirror->shared, value);
        if (!known) {
                g_hash_table_add(mirror->shared, g_variant_ref(value));
                return value;
        }

        g_variant_unref(value);
        return g_variant_ref(known);
}

/* What a property is until libvirt said something else. */
static GVariant *default_value(const Member *property)
{
        GVariant *value;

        switch (property->out_type[0]) {
        case 'b':
                value = g_variant_new_boolean(FALSE);
                break;
        case 'u':
                value = g_variant_new_uint32(0);
                break;
        default:
                value = g_variant_new_string("");
                break;
        }

        return g_variant_ref_sink(value);
}

static Item *item_new(Mirror *mirror, const Kind *kind, const char *uuid)
{
        const Member *property = interface_properties(kind->native);
        Item *item = g_new0(Item, 1);

        item->kind = kind;
        item->version = ++mirror->version;
        item->path = path_uuid(mirror->connection_path, kind->collection, uuid);
        item->leaf = strrchr(item->path, '/') + 1;
        item->values = g_new(GVariant *, kind->native->n_properties);
        for (unsigned i = 0; i < kind->native->n_properties; i++)
                item->values[i] = share(mirror, kind, i, default_value(&property[i]));

        g_variant_unref(item->values[kind_slots(kind)->uuid]);
        item->values[kind_slots(kind)->uuid] = g_variant_ref_sink(g_variant_new_string(uuid));
        return item;
}

static Item *find(const Mirror *mirror, const Kind *kind, const char *uuid)
{
        return g_hash_table_lookup(mirror->items[mirrored_index(kind)], uuid);
}

static void add_name(Mirror *mirror, Item *item)
{
        g_hash_table_replace(mirror->names[mirrored_index(item->kind)],
                             (void *)item_string(item, kind_slots(item->kind)->name), item);
}

static void drop_name(Mirror *mirror, const Item *item)
{
        GHashTable *names = mirror->names[mirrored_index(item->kind)];
        const char *name = item_string(item, kind_slots(item->kind)->name);

        if (g_hash_table_lookup(names, name) == item)
                g_hash_table_remove(names, name);
}

/* @value is consumed. */
static void set_value(Mirror *mirror, Item *item, unsigned slot, GVariant *value)
{
        gboolean is_name = slot == kind_slots(item->kind)->name;

        if (is_name)
                drop_name(mirror, item);
        g_variant_unref(item->values[slot]);
        item->values[slot] = share(mirror, item->kind, slot, value);
        if (is_name)
                add_name(mirror, item);
}

/* Sets the values that are given, and returns the slots of those that are new, one bit each. */
static guint32 item_set(Mirror *mirror, Item *item, GVariant **values)
{
        guint32 changed = 0;

        for (unsigned i = 0; i < item->kind->native->n_properties; i++) {
                if (!values[i])
                        continue;

                if (g_variant_equal(values[i], item->values[i])) {
                        g_variant_unref(values[i]);
                        continue;
                }

                changed |= 1u << i;
                set_value(mirror, item, i, values[i]);
        }

        return changed;
}

const Item *mirror_update(Mirror *mirror, const Kind *kind, const char *uuid, GVariant **values,
                          guint32 *changed)
{
        Item *item = find(mirror, kind, uuid);
        gboolean known = item != NULL;
        guint32 news;

        ASSERT_MAIN();
        if (!item) {
                item = item_new(mirror, kind, uuid);
                g_hash_table_insert(mirror->items[mirrored_index(kind)], (void *)item->leaf, item);
                add_name(mirror, item);
        }

        if (kind == &kind_domain && values[DOMAIN1_OS_TYPE])
                item->system_known = TRUE;
        news = item_set(mirror, item, values);
        if (changed)
                *changed = known ? news : 0;
        return item;
}

Item *mirror_take(Mirror *mirror, const Item *item)
{
        gpointer taken = NULL;

        ASSERT_MAIN();
        drop_name(mirror, item);
        g_hash_table_steal_extended(mirror->items[mirrored_index(item->kind)], item->leaf, NULL, &taken);
        return taken;
}

void mirror_set_scheduler(Mirror *mirror, const char *uuid, guint64 version, GVariant *scheduler)
{
        Item *item = find(mirror, &kind_domain, uuid);
        g_autoptr(GVariant) owned = g_variant_ref_sink(scheduler);

        ASSERT_MAIN();
        if (!item || item->version != version)
                return;

        if (!mirror->scheduler || !g_variant_equal(mirror->scheduler, owned)) {
                g_clear_pointer(&mirror->scheduler, g_variant_unref);
                mirror->scheduler = g_variant_ref(owned);
        }

        g_clear_pointer(&item->scheduler, g_variant_unref);
        item->scheduler = g_variant_ref(mirror->scheduler);
}

static void forget_scheduler(Mirror *mirror, Item *item)
{
        item->version = ++mirror->version;
        g_clear_pointer(&item->scheduler, g_variant_unref);
}

void mirror_forget_scheduler(Mirror *mirror, const char *uuid)
{
        Item *item = find(mirror, &kind_domain, uuid);

        ASSERT_MAIN();
        if (item)
                forget_scheduler(mirror, item);
}

void mirror_forget_untold(Mirror *mirror)
{
        GHashTableIter iter;
        gpointer key;

        ASSERT_MAIN();
        mirror_iterate(mirror, &kind_domain, &iter);
        while (g_hash_table_iter_next(&iter, NULL, &key)) {
                Item *item = key;

                item->system_known = FALSE;
                forget_scheduler(mirror, item);
        }
}

void mirror_set_stale(Mirror *mirror, const Kind *kind, gboolean stale, MirrorFunc *func, void *data)
{
        GHashTableIter iter;
        gpointer item;

        ASSERT_MAIN();
        mirror_iterate(mirror, kind, &iter);
        while (g_hash_table_iter_next(&iter, NULL, &item)) {
                GVariant *values[N_DOMAIN1] = {};

                values[kind_slots(kind)->stale] = g_variant_ref_sink(g_variant_new_boolean(stale));
                if (item_set(mirror, item, values) != 0)
                        func(item, data);
        }
}

const Item *mirror_find(const Mirror *mirror, const Kind *kind, const char *leaf)
{
        ASSERT_MAIN();
        return g_hash_table_lookup(mirror->items[mirrored_index(kind)], leaf);
}

const Item *mirror_find_uuid(const Mirror *mirror, const Kind *kind, const char *uuid)
{
        ASSERT_MAIN();
        return find(mirror, kind, uuid);
}

const Item *mirror_find_name(const Mirror *mirror, const Kind *kind, const char *name)
{
        ASSERT_MAIN();
        return g_hash_table_lookup(mirror->names[mirrored_index(kind)], name);
}

const Item *mirror_find_namesake(const Mirror *mirror, const Kind *kind, const char *uuid, const char *name)
{
        const Item *other = *name ? mirror_find_name(mirror, kind, name) : NULL;

        ASSERT_MAIN();
        return other && strcmp(item_string(other, kind_slots(kind)->uuid), uuid) != 0 ? other : NULL;
}

void mirror_iterate(const Mirror *mirror, const Kind *kind, GHashTableIter *iter)
{
        ASSERT_MAIN();
        g_hash_table_iter_init(iter, mirror->items[mirrored_index(kind)]);
}

unsigned mirror_size(const Mirror *mirror, const Kind *kind)
{
        ASSERT_MAIN();
        return g_hash_table_size(mirror->items[mirrored_index(kind)]);
}

gboolean item_boolean(const Item *item, unsigned slot)
{
        ASSERT_MAIN();
        return g_variant_get_boolean(item->values[slot]);
}

const char *item_string(const Item *item, unsigned slot)
{
        ASSERT_MAIN();
        return g_variant_get_string(item->values[slot], NULL);
}
