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

/* Why the mirror does not have the object. */
static void set_missing(const Object *object, GError **error)
{
        const GError *missing = connection_missing(object->connection);

        if (missing)
                g_propagate_error(error, g_error_copy(missing));
        else
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_OBJECT,
                            "%s has no %s with that UUID", connection_name(object->connection),
                            object->kind->collection);
}

/* A value of what is no leaf, owned. */
static GVariant *value_of(const Call *call, unsigned slot)
{
        return call->object.connection ? connection_value(call->object.connection, slot)
                                       : manager_value(call, slot);
}

static int write_item(const Call *call, sd_bus_message *reply)
{
        const Item *item = call->source;

        return marshal_values(reply, call->interface, item->values);
}

/* Of those there are thousands, which are read one after the other: from memory into the message. */
static GVariant *all_of_item(Call *call, const Item *item)
{
        for (size_t i = 0; i < call->interface->n_properties; i++)
                call->written += g_variant_get_size(item->values[i]);
        call->source = item;
        call->write = write_item;
        return call_done();
}

static GVariant *all_values(const Call *call)
{
        const Interface *interface = call->interface;
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < interface->n_members; i++) {
                const Member *member = &interface->members[i];

                if (member->kind == MEMBER_PROPERTY) {
                        g_autoptr(GVariant) value = value_of(call, member->slot);

                        g_variant_builder_add(&builder, "{sv}", member->name, value);
                }
        }

        return g_variant_builder_end(&builder);
}

/* @item is what the mirror has of a leaf, or NULL. */
static GVariant *serve(Call *call, const Item *item, GError **error)
{
        if (call->type == CALL_METHOD)
                return call->member->local(call, &call->object, error);

        /* No property of these interfaces is written. */
        g_assert(call->type == CALL_GET || call->type == CALL_GET_ALL);
        if (call->object.level != OBJECT_LEAF)
                return call->type == CALL_GET ? value_of(call, call->member->slot) : all_values(call);

        if (!item) {
                set_missing(&call->object, error);
                return NULL;
        }

        if (item->kind == &kind_domain && !item->system_known)
                connection_want_systems(call->object.connection);
        return call->type == CALL_GET ? g_variant_ref(item->values[call->member->slot])
                                      : all_of_item(call, item);
}

static gboolean conclude(Call *call, const Item *item)
{
        GError *error = NULL;
        GVariant *result;

        /* What keeps the call has its own end for it, which may have come already. */
        call->conclude = NULL;
        result = serve(call, item, &error);
        if (!result && !error)
                return FALSE;

        call->error = error;
        call->result = result ? g_variant_take_ref(result) : NULL;
        return TRUE;
}

gboolean native_conclude(Call *call)
{
        ASSERT_MAIN();
        return conclude(call, object_item(&call->object));
}

/* All was listed, once, or cannot be; but the object may have come since, and a client that heard of that
 * wants to read it. */
static gboolean conclude_listed(Call *call)
{
        const Object *object = &call->object;
        const Item *item = object_item(object);

        if (item || connection_missing(object->connection))
                return conclude(call, item);

        call->conclude = native_conclude;
        connection_submit_settled(object->connection, call, object->kind, object->key);
        return FALSE;
}

void native_submit(Call *call)
{
        const Object *object = &call->object;
        gboolean mirrored = object->level == OBJECT_LEAF && kind_is_mirrored(object->kind);

        ASSERT_MAIN();
        call->conclude = mirrored ? conclude_listed : native_conclude;
        if (mirrored)
                connection_submit_listed(object->connection, call);
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
                connection_submit_wait(object->connection, call);

        return NULL;
}
