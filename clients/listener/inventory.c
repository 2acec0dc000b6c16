/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is known of all objects. */

#include "listener/inventory.h"

#include "listener/names.h"

struct Inventory {
        GHashTable *objects; /* path to the properties: name to GVariant */
};

static GHashTable *properties_new(void)
{
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
}

static void take_over(GHashTable *properties, GVariant *values)
{
        GVariantIter iter;
        const char *name;
        GVariant *value;

        g_variant_iter_init(&iter, values);
        while (g_variant_iter_next(&iter, "{&sv}", &name, &value))
                g_hash_table_replace(properties, g_strdup(name), value);
}

/* The object's, made if need be. */
static GHashTable *properties_of(Inventory *inventory, const char *path)
{
        GHashTable *properties = g_hash_table_lookup(inventory->objects, path);

        if (!properties) {
                properties = properties_new();
                g_hash_table_insert(inventory->objects, g_strdup(path), properties);
        }

        return properties;
}

/* One interface of each object has its properties; those of libvirt-dbus have none here. */
static void add_objects(Inventory *inventory, GVariant *objects)
{
        GVariantIter iter, *interfaces;
        const char *path, *interface;
        GVariant *values;

        g_variant_iter_init(&iter, objects);
        while (g_variant_iter_loop(&iter, "{&oa{sa{sv}}}", &path, &interfaces)) {
                while (g_variant_iter_loop(interfaces, "{&s@a{sv}}", &interface, &values))
                        if (g_str_has_prefix(interface, IFACE_NATIVE))
                                take_over(properties_of(inventory, path), values);
        }
}

static gboolean is_missing(const Inventory *inventory, const char *path)
{
        g_autofree char *connection = path_connection(path);

        return connection && inventory_has(inventory, connection) &&
               !inventory_is_connected(inventory, connection) && !inventory_has(inventory, path);
}

/* Guests that cannot be seen are not gone. */
static void keep_unseen(Inventory *inventory, const Inventory *before)
{
        GHashTableIter iter;
        gpointer path, properties;

        g_hash_table_iter_init(&iter, before->objects);
        while (g_hash_table_iter_next(&iter, &path, &properties))
                if (is_missing(inventory, path))
                        g_hash_table_insert(inventory->objects, g_strdup(path), g_hash_table_ref(properties));
}

Inventory *inventory_new(GVariant *objects, const Inventory *before)
{
        Inventory *inventory = g_new0(Inventory, 1);

        inventory->objects =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_hash_table_unref);
        add_objects(inventory, objects);
        if (before)
                keep_unseen(inventory, before);
        return inventory;
}

void inventory_free(Inventory *inventory)
{
        if (!inventory)
                return;

        g_hash_table_unref(inventory->objects);
        g_free(inventory);
}

static void set_state(Inventory *inventory, const char *connection, const char *state)
{
        g_hash_table_replace(properties_of(inventory, connection), g_strdup("State"),
                             g_variant_ref_sink(g_variant_new_string(state)));
}

void inventory_apply(Inventory *inventory, const Event *event)
{
        if (g_str_equal(event->kind, "added") || g_str_equal(event->kind, "changed"))
                take_over(properties_of(inventory, event->path), event->details);
        else if (g_str_equal(event->kind, "removed"))
                g_hash_table_remove(inventory->objects, event->path);
        else if (g_str_equal(event->kind, "closed"))
                set_state(inventory, event->connection, "disconnected");
        else if (g_str_equal(event->kind, "opened"))
                set_state(inventory, event->connection, "connected");
}

static int compare_paths(gconstpointer a, gconstpointer b)
{
        return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *inventory_paths(const Inventory *inventory)
{
        GPtrArray *paths = g_ptr_array_new();
        GHashTableIter iter;
        gpointer path;

        g_hash_table_iter_init(&iter, inventory->objects);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                g_ptr_array_add(paths, path);
        g_ptr_array_sort(paths, compare_paths);
        return paths;
}

gboolean inventory_has(const Inventory *inventory, const char *path)
{
        return g_hash_table_contains(inventory->objects, path);
}

GVariant *inventory_value(const Inventory *inventory, const char *path, const char *property)
{
        GHashTable *properties = g_hash_table_lookup(inventory->objects, path);

        return properties ? g_hash_table_lookup(properties, property) : NULL;
}

const char *inventory_text(const Inventory *inventory, const char *path, const char *property)
{
        GVariant *value = inventory_value(inventory, path, property);

        return value && g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) ? g_variant_get_string(value, NULL)
                                                                           : "";
}

gboolean inventory_flag(const Inventory *inventory, const char *path, const char *property)
{
        GVariant *value = inventory_value(inventory, path, property);

        return value && g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean(value);
}

gboolean inventory_is_connection(const Inventory *inventory, const char *path)
{
        return inventory_value(inventory, path, "Epoch") != NULL;
}

gboolean inventory_is_connected(const Inventory *inventory, const char *connection)
{
        return g_str_equal(inventory_text(inventory, connection, "State"), "connected");
}

static guint64 number_in(GVariant *counters, const char *name)
{
        guint64 number = 0;

        if (counters && g_variant_is_of_type(counters, G_VARIANT_TYPE("a{st}")))
                g_variant_lookup(counters, name, "t", &number);
        return number;
}

StreamPicture inventory_stream(const Inventory *inventory, const char *connection)
{
        GVariant *sequence = inventory_value(inventory, connection, "Sequence");
        GVariant *counters = inventory_value(inventory, connection, "Counters");
        guint64 number = sequence && g_variant_is_of_type(sequence, G_VARIANT_TYPE_UINT64)
                                 ? g_variant_get_uint64(sequence)
                                 : 0;
        guint64 forgotten = number_in(counters, "events.forgotten");
        guint64 kept = number_in(counters, "events") - forgotten;

        return (StreamPicture){
                .epoch = inventory_text(inventory, connection, "Epoch"),
                .number = number,
                .oldest = number - MIN(kept, number),
                .entire = forgotten == 0,
        };
}
