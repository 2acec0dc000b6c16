/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service's own interfaces: properties are values in memory, methods look into it. */

#include "objects/native_interfaces.h"

#include "base/error.h"
#include "base/thread.h"
#include "call/handler.h"
#include "members.h"
#include "mirror/marshal.h"

#include <string.h>

static GVariant *manager_value(const Call *call, unsigned slot)
{
        GVariantBuilder paths;
        GHashTableIter iter;
        gpointer connection;

        if (slot == MANAGER1_VERSION)
                return g_variant_ref_sink(g_variant_new_string(GUESTBUS_VERSION));

        g_variant_builder_init(&paths, G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
        g_hash_table_iter_init(&iter, call->connections);
        while (g_hash_table_iter_next(&iter, NULL, &connection))
                g_variant_builder_add(&paths, "o", connection_path(connection));
        return g_variant_ref_sink(g_variant_builder_end(&paths));
}

/* The object in the mirror, or NULL and an error. */
static const Item *find_item(const Object *object, GError **error)
{
        const Item *item = object_item(object);
        const GError *missing = connection_missing(object->connection);

        if (item && item->kind == &kind_domain && !item->system_known)
                connection_want_systems(object->connection);
        if (item)
                return item;

        if (missing)
                g_propagate_error(error, g_error_copy(missing));
        else
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_OBJECT,
                            "%s has no %s with that UUID", connection_name(object->connection),
                            object->kind->collection);
        return NULL;
}

/* A value, owned, or NULL and an error. */
static GVariant *value_of(const Call *call, const Object *object, unsigned slot, GError **error)
{
        const Item *item;

        if (object->level == OBJECT_ROOT)
                return manager_value(call, slot);
        if (object->level == OBJECT_CONNECTION)
                return connection_value(object->connection, slot);

        item = find_item(object, error);
        return item ? g_variant_ref(item->values[slot]) : NULL;
}

static int write_item(const Call *call, sd_bus_message *reply)
{
        const Item *item = call->source;

        return marshal_values(reply, call->interface, item->values);
}

/* Of those there are thousands, which are read one after the other: from memory into the message. */
static GVariant *all_of_item(Call *call, const Object *object, GError **error)
{
        const Item *item = find_item(object, error);

        if (!item)
                return NULL;

        for (size_t i = 0; i < call->interface->n_properties; i++)
                call->written += g_variant_get_size(item->values[i]);
        call->source = item;
        call->write = write_item;
        return call_done();
}

static GVariant *all_values(Call *call, const Object *object, GError **error)
{
        const Interface *interface = call->interface;
        GVariantBuilder builder;

        if (object->level == OBJECT_LEAF)
                return all_of_item(call, object, error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < interface->n_members; i++) {
                const Member *member = &interface->members[i];
                g_autoptr(GVariant) value = NULL;

                if (member->kind != MEMBER_PROPERTY)
                        continue;

                value = value_of(call, object, member->slot, error);
                if (!value) {
                        g_variant_builder_clear(&builder);
                        return NULL;
                }

                g_variant_builder_add(&builder, "{sv}", member->name, value);
        }

        return g_variant_builder_end(&builder);
}

static GVariant *serve(Call *call, const Object *object, GError **error)
{
        switch (call->type) {
        case CALL_METHOD:
                return call->member->local(call, object, error);
        case CALL_GET:
                return value_of(call, object, call->member->slot, error);
        case CALL_GET_ALL:
                return all_values(call, object, error);
        case CALL_SET:
        case CALL_INTROSPECT:
                break;
        }

        /* No property of these interfaces is written. */
        g_return_val_if_reached(NULL);
}

gboolean native_conclude(Call *call)
{
        g_auto(Object) object = {};
        GError *error = NULL;
        GVariant *result;

        ASSERT_MAIN();
        object_resolve(call->connections, call->path, &object);
        /* Whoever keeps the call has its own end for it, which may have come already. */
        call->conclude = NULL;
        result = serve(call, &object, &error);
        if (!result && !error)
                return FALSE;

        call->error = error;
        call->result = result ? g_variant_take_ref(result) : NULL;
        return TRUE;
}

/* All was listed, once, or cannot be; but the object may have come since, and who heard of that wants to read
 * it. */
static gboolean conclude_listed(Call *call)
{
        g_auto(Object) object = {};

        object_resolve(call->connections, call->path, &object);
        call->conclude = native_conclude;
        if (object_item(&object) || connection_missing(object.connection))
                return native_conclude(call);

        connection_submit_settled(object.connection, call, object.kind, object.key);
        return FALSE;
}

void native_submit(Call *call, const Object *object)
{
        gboolean mirrored = object->level == OBJECT_LEAF && kind_is_mirrored(object->kind);

        ASSERT_MAIN();
        call->conclude = mirrored && !object_item(object) ? conclude_listed : native_conclude;
        if (mirrored)
                connection_submit_listed(object->connection, call);
        else if (object->connection)
                connection_submit_known(object->connection, call);
        else
                call_answer(call);
}

static int write_events(const Call *call, sd_bus_message *reply)
{
        return event_log_append(reply, call->source);
}

GVariant *connection1_get_events(Call *call, const Object *object, GError **error)
{
        const EventLog *event_log = inventory_stream(connection_inventory(object->connection));
        EventLogPage page;
        const char *epoch;
        guint64 after;
        guint32 max;

        ASSERT_MAIN();
        g_variant_get(call->args, "(&stu)", &epoch, &after, &max);
        if (!event_log_find(event_log, epoch, after, max, &page, error))
                return NULL;

        call->source = call->own_source = g_memdup2(&page, sizeof page);
        call->written = page.size;
        call->write = write_events;
        return call_done();
}

GVariant *connection1_resync(Call *call, const Object *object, GError **error)
{
        ASSERT_MAIN();
        connection_submit_resync(object->connection, call);
        return NULL;
}

GVariant *domain1_wait_for_state(Call *call, const Object *object, GError **error)
{
        const GError *missing = connection_missing(object->connection);

        ASSERT_MAIN();
        if (missing)
                g_propagate_error(error, g_error_copy(missing));
        else
                connection_submit_wait(object->connection, call, object->leaf);

        return NULL;
}
