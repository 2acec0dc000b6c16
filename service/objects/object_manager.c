/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ObjectManager.GetManagedObjects.
 *
 * The answer is the largest that the service gives, and the one that a client begins with, so it goes from
 * memory into the message directly. */

#include "base/error.h"
#include "base/thread.h"
#include "call/handler.h"
#include "connection/connection.h"
#include "members.h"
#include "mirror/marshal.h"
#include "objects/dispatch.h"
#include "objects/native_interfaces.h"
#include "objects/object.h"

#include <errno.h>
#include <string.h>

/* What an object takes besides its path and its name, generously: the values of a domain are some 500 bytes,
 * those of a connection some 2,000. */
#define OBJECT_BYTES     1024
#define CONNECTION_BYTES 8192

static int append_connection(sd_bus_message *reply, const Connection *connection)
{
        GVariant *values[N_CONNECTION1];
        int r = sd_bus_message_open_container(reply, 'e', "oa{sa{sv}}");

        for (unsigned i = 0; i < N_CONNECTION1; i++)
                values[i] = connection_value(connection, i);
        if (r >= 0)
                r = marshal_object(reply, connection_path(connection), &kind_connect, values);
        for (unsigned i = 0; i < N_CONNECTION1; i++)
                g_variant_unref(values[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);

        for (size_t i = 0; mirrored_kinds[i]; i++) {
                GHashTableIter iter;
                gpointer each;

                mirror_iterate(connection_mirror(connection), mirrored_kinds[i], &iter);
                while (r >= 0 && g_hash_table_iter_next(&iter, NULL, &each)) {
                        r = sd_bus_message_open_container(reply, 'e', "oa{sa{sv}}");
                        if (r >= 0)
                                r = marshal_item(reply, each);
                        if (r >= 0)
                                r = sd_bus_message_close_container(reply);
                }
        }

        return r;
}

static int write_objects(const Call *call, sd_bus_message *reply)
{
        GHashTableIter iter;
        gpointer connection;
        int r = sd_bus_message_open_container(reply, 'a', "{oa{sa{sv}}}");

        g_hash_table_iter_init(&iter, call->connections);
        while (r >= 0 && g_hash_table_iter_next(&iter, NULL, &connection))
                r = append_connection(reply, connection);

        return r >= 0 ? sd_bus_message_close_container(reply) : r;
}

static size_t objects_size(GHashTable *shown)
{
        GHashTableIter connections, items;
        gpointer connection, each;
        size_t size = 0;

        g_hash_table_iter_init(&connections, shown);
        while (g_hash_table_iter_next(&connections, NULL, &connection)) {
                size += CONNECTION_BYTES;
                for (size_t i = 0; mirrored_kinds[i]; i++) {
                        mirror_iterate(connection_mirror(connection), mirrored_kinds[i], &items);
                        while (g_hash_table_iter_next(&items, NULL, &each)) {
                                const Item *item = each;

                                size += OBJECT_BYTES + strlen(item->path) +
                                        strlen(item_string(item, kind_slots(item->kind)->name));
                        }
                }
        }

        return size;
}

/* The picture is one only when all connections are in it that can be: the call goes from one that is being
 * opened to the next. */
GVariant *object_manager_get_managed_objects(Call *call, const Object *object, GError **error)
{
        GHashTableIter iter;
        gpointer connection;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, call->connections);
        while (g_hash_table_iter_next(&iter, NULL, &connection)) {
                /* A client that compares this with what was there would take all that is missing for gone. */
                if (connection_is_connected(connection) && connection_missing(connection)) {
                        g_propagate_error(error, g_error_copy(connection_missing(connection)));
                        return NULL;
                }

                if (connection_is_settled(connection))
                        continue;

                call->conclude = native_conclude;
                connection_submit_listed(connection, call);
                return NULL;
        }

        g_hash_table_iter_init(&iter, call->connections);
        while (g_hash_table_iter_next(&iter, NULL, &connection))
                connection_flush(connection);

        call->written = objects_size(call->connections);
        /* The bus disconnects a peer that sends more than it can bear. */
        if (call->written > (size_t)call->limits->reply_bytes * 2) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "there are more objects than one reply of %u bytes holds",
                            call->limits->reply_bytes);
                return NULL;
        }

        call->write = write_objects;
        return call_done();
}
