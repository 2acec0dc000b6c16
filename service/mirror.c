/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeping objects, and finding out what a new answer changes.
 *
 * Values are GVariants, which are immutable and may have been made on a worker thread. Those that many
 * objects have (states, booleans) are kept once: a domain takes less than 1 KiB. */

#include "mirror.h"

#include "members.h"
#include "path.h"

#include <string.h>

const Kind *const mirrored_kinds[] = {&kind_domain, &kind_network, &kind_storage_pool, NULL};

G_STATIC_ASSERT(G_N_ELEMENTS(mirrored_kinds) == N_MIRRORED + 1);

static const Slots slots[N_MIRRORED] = {
        {DOMAIN1_ACTIVE, DOMAIN1_AUTOSTART, DOMAIN1_NAME, DOMAIN1_PERSISTENT, DOMAIN1_STALE, DOMAIN1_UUID},
        {NETWORK1_ACTIVE, NETWORK1_AUTOSTART, NETWORK1_NAME, NETWORK1_PERSISTENT, NETWORK1_STALE,
         NETWORK1_UUID},
        {STORAGE_POOL1_ACTIVE, STORAGE_POOL1_AUTOSTART, STORAGE_POOL1_NAME, STORAGE_POOL1_PERSISTENT,
         STORAGE_POOL1_STALE, STORAGE_POOL1_UUID},
};

struct Mirror {
        const char *connection_path;
        const MirrorOwner *owner;
        void *data;
        GHashTable *items[N_MIRRORED]; /* Item by leaf */
        GHashTable *shared;            /* a set of values */
        GVariant *scheduler;           /* the last that was set: most domains have the same */
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

static void item_free(void *data)
{
        Item *item = data;

        for (size_t i = 0; i < item->kind->native->n_properties; i++)
                g_variant_unref(item->values[i]);
        g_clear_pointer(&item->scheduler, g_variant_unref);
        g_free(item->values);
        g_free(item->path);
        g_free(item);
}

Mirror *mirror_new(const char *connection_path, const MirrorOwner *owner, void *data)
{
        Mirror *mirror = g_new0(Mirror, 1);

        mirror->connection_path = connection_path;
        mirror->owner = owner;
        mirror->data = data;
        for (size_t i = 0; i < N_MIRRORED; i++)
                mirror->items[i] = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, item_free);
        mirror->shared =
                g_hash_table_new_full(g_variant_hash, g_variant_equal, (GDestroyNotify)g_variant_unref, NULL);
        return mirror;
}

void mirror_free(Mirror *mirror)
{
        if (!mirror)
                return;

        for (size_t i = 0; i < N_MIRRORED; i++)
                g_hash_table_unref(mirror->items[i]);
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
        g_autofree char *leaf = path_uuid_leaf(uuid);

        return g_hash_table_lookup(mirror->items[mirrored_index(kind)], leaf);
}

/* Sets the values that are given, and returns the dictionary of those that changed, floating, or NULL. */
static GVariant *item_set(Mirror *mirror, Item *item, GVariant **values)
{
        const Interface *interface = item->kind->native;
        const Member *property = interface_properties(interface);
        GVariantBuilder builder;
        gboolean changed = FALSE;

        for (unsigned i = 0; i < interface->n_properties; i++) {
                if (!values[i])
                        continue;

                if (g_variant_equal(values[i], item->values[i])) {
                        g_variant_unref(values[i]);
                        continue;
                }

                if (!changed)
                        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
                changed = TRUE;
                g_variant_unref(item->values[i]);
                item->values[i] = share(mirror, item->kind, i, values[i]);
                g_variant_builder_add(&builder, "{sv}", property[i].name, item->values[i]);
        }

        return changed ? g_variant_builder_end(&builder) : NULL;
}

/* The domain has another number: it was started, or stopped. The event of a start may come before that is
 * seen, or after. */
static void note_start(Item *item)
{
        gboolean told = item->start_told;

        item->start_told = item->start_first = FALSE;
        item->start_seen = !told && item_boolean(item, DOMAIN1_ACTIVE);
}

static void item_change(Mirror *mirror, Item *item, GVariant **values)
{
        size_t n = item->kind->native->n_properties;
        g_autofree GVariant **before = g_new(GVariant *, n);
        g_autoptr(GVariant) changed = NULL;

        for (size_t i = 0; i < n; i++)
                before[i] = g_variant_ref(item->values[i]);

        changed = item_set(mirror, item, values);
        if (changed) {
                g_variant_ref_sink(changed);
                mirror->owner->changed(item, before, changed, mirror->data);
                if (item->kind == &kind_domain && before[DOMAIN1_ID] != item->values[DOMAIN1_ID])
                        note_start(item);
        }

        for (size_t i = 0; i < n; i++)
                g_variant_unref(before[i]);
}

void mirror_update(Mirror *mirror, const Kind *kind, const char *uuid, GVariant **values)
{
        Item *item = find(mirror, kind, uuid);
        GVariant *changed;

        if (item) {
                item_change(mirror, item, values);
                return;
        }

        item = item_new(mirror, kind, uuid);
        changed = item_set(mirror, item, values);
        if (changed)
                g_variant_unref(g_variant_ref_sink(changed));
        item->start_first = kind == &kind_domain && item_boolean(item, DOMAIN1_ACTIVE);
        g_hash_table_insert(mirror->items[mirrored_index(kind)], (void *)item->leaf, item);
        mirror->owner->added(item, mirror->data);
}

void mirror_remove(Mirror *mirror, const Kind *kind, const char *uuid)
{
        Item *item = find(mirror, kind, uuid);

        if (!item)
                return;

        /* Nobody who is told finds it any more. */
        g_hash_table_steal(mirror->items[mirrored_index(kind)], item->leaf);
        mirror->owner->removed(item, mirror->data);
        item_free(item);
}

void mirror_keep(Mirror *mirror, const Kind *kind, GHashTable *leaves)
{
        g_autoptr(GPtrArray) gone = g_ptr_array_new();
        GHashTableIter iter;
        gpointer leaf, item;

        g_hash_table_iter_init(&iter, mirror->items[mirrored_index(kind)]);
        while (g_hash_table_iter_next(&iter, &leaf, &item))
                if (!g_hash_table_contains(leaves, leaf))
                        g_ptr_array_add(gone, item);

        for (guint i = 0; i < gone->len; i++)
                mirror_remove(mirror, kind, item_string(g_ptr_array_index(gone, i), kind_slots(kind)->uuid));
}

void mirror_set_scheduler(Mirror *mirror, const char *uuid, GVariant *scheduler)
{
        Item *item = find(mirror, &kind_domain, uuid);
        g_autoptr(GVariant) owned = scheduler ? g_variant_ref_sink(scheduler) : NULL;

        if (!item)
                return;

        g_clear_pointer(&item->scheduler, g_variant_unref);
        if (!owned)
                return;

        if (!mirror->scheduler || !g_variant_equal(mirror->scheduler, owned)) {
                g_clear_pointer(&mirror->scheduler, g_variant_unref);
                mirror->scheduler = g_variant_ref(owned);
        }
        item->scheduler = g_variant_ref(mirror->scheduler);
}

void mirror_tell(const Item *told, const char *state, gboolean started)
{
        Item *item = (Item *)told; /* constant for all others */

        item->told = g_intern_string(state);
        /* The next start is another one. */
        if (g_strcmp0(state, "shutoff") == 0)
                item->start_first = FALSE;
        if (!started)
                return;

        item->start_told = !item->start_seen && !item->start_first;
        item->start_seen = item->start_first = FALSE;
}

void mirror_set_stale(Mirror *mirror, const Kind *kind, gboolean stale)
{
        GHashTableIter iter;
        gpointer item;

        mirror_iterate(mirror, kind, &iter);
        while (g_hash_table_iter_next(&iter, NULL, &item)) {
                GVariant *values[N_DOMAIN1] = {};

                /* While nobody tells, it may be started anew. */
                if (stale)
                        ((Item *)item)->start_first = FALSE;
                values[kind_slots(kind)->stale] = g_variant_ref_sink(g_variant_new_boolean(stale));
                item_change(mirror, item, values);
        }
}

const Item *mirror_find(const Mirror *mirror, const Kind *kind, const char *leaf)
{
        return g_hash_table_lookup(mirror->items[mirrored_index(kind)], leaf);
}

const Item *mirror_find_uuid(const Mirror *mirror, const Kind *kind, const char *uuid)
{
        return find(mirror, kind, uuid);
}

void mirror_iterate(const Mirror *mirror, const Kind *kind, GHashTableIter *iter)
{
        g_hash_table_iter_init(iter, mirror->items[mirrored_index(kind)]);
}

unsigned mirror_size(const Mirror *mirror, const Kind *kind)
{
        return g_hash_table_size(mirror->items[mirrored_index(kind)]);
}

gboolean item_boolean(const Item *item, unsigned slot)
{
        return g_variant_get_boolean(item->values[slot]);
}

const char *item_string(const Item *item, unsigned slot)
{
        return g_variant_get_string(item->values[slot], NULL);
}
