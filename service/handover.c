/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A sealed file in the service manager's store of descriptors. */

#include "handover.h"

#include "base/log.h"
#include "base/sealed_file.h"
#include "base/service_manager.h"
#include "base/thread.h"

#include <unistd.h>

/* Its name in the store, and the version of what it holds. What an earlier or a later version of the service
 * cannot read begins with another number; it is then an end as any other. */
#define STORE_NAME "handover"
#define VERSION    1

/* The version, the epoch, and of each connection its name, its URI and what it saved. */
#define CONNECTION "(ss" INVENTORY_SAVED ")"
#define STATE      "(sa" CONNECTION ")"
#define STORED     "(uv)"

/* A manager that is busy is not waited for longer: the time to stop is short. */
#define WAIT_MS 300

struct Handover {
        GVariant *state;
        const char *epoch;
};

static GVariant *read_state(int fd, GError **error)
{
        g_autoptr(GVariant) stored = sealed_file_read(fd, STORED, error), state = NULL;
        guint32 version;

        if (!stored)
                return NULL;

        g_variant_get(stored, "(uv)", &version, &state);
        if (version != VERSION || !g_variant_is_of_type(state, G_VARIANT_TYPE(STATE))) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                            "it is of version %u, and this service reads version %u", version, VERSION);
                return NULL;
        }

        return g_steal_pointer(&state);
}

Handover *handover_take(void)
{
        g_autoptr(GVariant) state = NULL;
        g_autoptr(GError) error = NULL;
        Handover *handover;
        int fd;

        ASSERT_MAIN();
        fd = service_manager_take(STORE_NAME);
        if (fd < 0)
                return NULL;

        state = read_state(fd, &error);
        close(fd);
        if (!state) {
                g_message("what the service has left before its restart is not used: %s", error->message);
                return NULL;
        }

        handover = g_new0(Handover, 1);
        handover->state = g_steal_pointer(&state);
        g_variant_get_child(handover->state, 0, "&s", &handover->epoch);
        return handover;
}

void handover_free(Handover *handover)
{
        ASSERT_MAIN();
        if (!handover)
                return;

        g_variant_unref(handover->state);
        g_free(handover);
}

const char *handover_epoch(const Handover *handover)
{
        ASSERT_MAIN();
        return handover->epoch;
}

void handover_restore(const Handover *handover, Connection *connection)
{
        g_autoptr(GVariant) all = NULL;
        const char *name, *uri;
        GVariantIter iter;
        GVariant *saved;

        ASSERT_MAIN();
        if (!handover || connection_is_forwarded(connection))
                return;

        all = g_variant_get_child_value(handover->state, 1);
        g_variant_iter_init(&iter, all);
        while (g_variant_iter_loop(&iter, "(&s&s@" INVENTORY_SAVED ")", &name, &uri, &saved))
                if (g_str_equal(name, connection_name(connection)) &&
                    g_str_equal(uri, connection_uri(connection)) && !connection_restore(connection, saved))
                        g_message("%s: what the service has left before its restart is not used", name);
}

/* Without a manager this is nobody's. */
void handover_leave(const char *epoch, GHashTable *connections)
{
        g_autoptr(GVariant) stored = NULL;
        g_autoptr(GError) error = NULL;
        GVariantBuilder all;
        GHashTableIter iter;
        gpointer each;
        int fd;

        ASSERT_MAIN();
        if (!service_manager_is_wanted())
                return;

        g_variant_builder_init(&all, G_VARIANT_TYPE("a" CONNECTION));
        g_hash_table_iter_init(&iter, connections);
        while (g_hash_table_iter_next(&iter, NULL, &each)) {
                const Connection *connection = each;
                GVariant *saved = connection_is_forwarded(connection) ? NULL : connection_save(connection);

                if (saved)
                        g_variant_builder_add(&all, "(ss@" INVENTORY_SAVED ")", connection_name(connection),
                                              connection_uri(connection), saved);
        }

        stored = g_variant_ref_sink(
                g_variant_new("(uv)", VERSION, g_variant_new("(sa" CONNECTION ")", epoch, &all)));
        fd = sealed_file_new("guestbusd", stored, &error);
        if (fd < 0) {
                g_message("listeners have to begin anew after the restart: %s", error->message);
                return;
        }

        service_manager_keep(STORE_NAME, fd, WAIT_MS);
        close(fd);
}
