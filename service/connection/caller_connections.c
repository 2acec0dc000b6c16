/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Views of callers.
 *
 * There is no way from here to the service's own identity: a caller that cannot be forwarded gets an error,
 * and root has a view like everybody else. A view whose last name has left the bus is idle: it is kept for a
 * while, for a process that connects anew, and makes room when another one is wanted. */

#include "connection/caller_connections.h"

#include "base/error.h"
#include "base/thread.h"
#include "connection/connection.h"
#include "virt/identity.h"

#include <unistd.h>

/* How often a closed view is looked at, until libvirt has let go of it: that takes a few round trips. */
#define CLOSING_MS 100

struct CallerConnection {
        struct CallerConnections *views;
        Identity *identity;
        User *user;              /* NULL for one that is trusted */
        char *epoch_name;        /* another view of the same caller has another */
        Epoch epoch;             /* of its events */
        Bus *bus;                /* that reaches @names alone */
        GHashTable *names;       /* a set: the names on the bus that it serves */
        GHashTable *connections; /* name to Connection; the shared ones, too */
        GPtrArray *own;          /* of Connection: the caller's */
        guint64 used;            /* the number of the entry that was the last */
        unsigned idle_timer;
};

struct CallerConnections {
        const Config *config;
        Bus *bus;
        EventNumbers *numbers;
        GHashTable *shared; /* name to Connection */
        ConnectionChanged *changed;
        void *data;
        GHashTable *by_identity; /* Identity to View */
        GPtrArray *closing;      /* of CallerConnection: stopped, but libvirt has not let go yet */
        unsigned closing_timer;
        guint64 entries;
};

static void for_each(const CallerConnection *view, void (*func)(Connection *))
{
        for (guint i = 0; i < view->own->len; i++)
                func(g_ptr_array_index(view->own, i));
}

static void add_connection(CallerConnection *view, const ConnectionConfig *config)
{
        const CallerConnections *views = view->views;
        Connection *connection = g_hash_table_lookup(views->shared, config->name);

        if (config->forward) {
                connection = connection_new(config, view->identity, &views->config->limits, view->bus,
                                            &view->epoch, views->changed, views->data);
                g_ptr_array_add(view->own, connection);
        }

        g_hash_table_insert(view->connections, (void *)connection_name(connection), connection);
}

static CallerConnection *view_new(CallerConnections *views, Identity *identity, User *user)
{
        CallerConnection *view = g_new0(CallerConnection, 1);

        view->views = views;
        view->identity = identity;
        view->user = user ? user_ref(user) : NULL;
        view->epoch_name = g_uuid_string_random();
        view->epoch = (Epoch){view->epoch_name, views->numbers};
        view->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        view->bus = bus_narrow(views->bus, view->names);
        view->connections = g_hash_table_new(g_str_hash, g_str_equal);
        view->own = g_ptr_array_new();
        for (guint i = 0; i < views->config->connections->len; i++)
                add_connection(view, g_ptr_array_index(views->config->connections, i));
        g_hash_table_insert(views->by_identity, view->identity, view);
        g_info("process %d of user %u is forwarded to libvirt", (int)identity->pid, (unsigned)identity->uid);
        return view;
}

static void view_free(void *data)
{
        CallerConnection *view = data;

        g_clear_handle_id(&view->idle_timer, g_source_remove);
        for_each(view, connection_free);
        g_ptr_array_unref(view->own);
        g_hash_table_unref(view->connections);
        bus_unnarrow(view->bus);
        g_hash_table_unref(view->names);
        g_free(view->epoch_name);
        g_free(view->identity);
        user_unref(view->user);
        g_free(view);
}

static gboolean is_over(const CallerConnection *view)
{
        for (guint i = 0; i < view->own->len; i++)
                if (!connection_is_over(g_ptr_array_index(view->own, i)))
                        return FALSE;

        return TRUE;
}

static gboolean free_closed(gpointer user_data)
{
        CallerConnections *views = user_data;

        for (guint i = views->closing->len; i > 0; i--)
                if (is_over(g_ptr_array_index(views->closing, i - 1)))
                        g_ptr_array_remove_index_fast(views->closing, i - 1);
        if (views->closing->len > 0)
                return G_SOURCE_CONTINUE;

        views->closing_timer = 0;
        return G_SOURCE_REMOVE;
}

/* No caller finds it any more; it is freed when libvirt has let go. */
static void view_close(CallerConnection *view)
{
        CallerConnections *views = view->views;

        g_clear_handle_id(&view->idle_timer, g_source_remove);
        g_hash_table_remove(views->by_identity, view->identity);
        g_info("process %d of user %u is forwarded no longer", (int)view->identity->pid,
               (unsigned)view->identity->uid);
        for_each(view, connection_stop);
        g_ptr_array_add(views->closing, view);
        if (views->closing_timer == 0)
                views->closing_timer = g_timeout_add(CLOSING_MS, free_closed, views);
}

/* A console that it has open outlives its names. */
static gboolean has_streams(const CallerConnection *view)
{
        for (guint i = 0; i < view->own->len; i++)
                if (connection_has_streams(g_ptr_array_index(view->own, i)))
                        return TRUE;

        return FALSE;
}

static gboolean on_idle(gpointer user_data)
{
        CallerConnection *view = user_data;

        if (has_streams(view))
                return G_SOURCE_CONTINUE;

        view->idle_timer = 0;
        view_close(view);
        return G_SOURCE_REMOVE;
}

CallerConnections *caller_connections_new(const Config *config, Bus *bus, EventNumbers *numbers,
                                          GHashTable *connections, ConnectionChanged *changed, void *data)
{
        gboolean wanted = FALSE;
        CallerConnections *views;

        ASSERT_MAIN();
        for (guint i = 0; i < config->connections->len; i++)
                wanted |= ((const ConnectionConfig *)g_ptr_array_index(config->connections, i))->forward;
        if (!wanted)
                return NULL;

        if (access("/proc/1/stat", F_OK) < 0)
                g_warning("/proc does not show the processes of other users: their calls cannot be "
                          "forwarded to libvirt; see ProtectProc in guestbusd(8)");

        views = g_new0(CallerConnections, 1);
        views->config = config;
        views->bus = bus;
        views->numbers = numbers;
        views->shared = connections;
        views->changed = changed;
        views->data = data;
        views->by_identity = g_hash_table_new(identity_hash, identity_equal);
        views->closing = g_ptr_array_new_with_free_func(view_free);
        return views;
}

/* Whether it counts for the user of that identity. */
static gboolean is_of(const CallerConnection *view, const Identity *identity, User *user)
{
        return view->identity->uid == identity->uid || user_is_same(view->user, user);
}

/* How many views there are, of that user or, for NULL, of all; @idle is the one that was idle for longest, or
 * NULL. */
static unsigned count(const CallerConnections *views, const Identity *identity, User *user,
                      CallerConnection **idle)
{
        GHashTableIter iter;
        gpointer each;
        unsigned n = 0;

        *idle = NULL;
        g_hash_table_iter_init(&iter, views->by_identity);
        while (g_hash_table_iter_next(&iter, NULL, &each)) {
                CallerConnection *view = each;

                if (identity && !is_of(view, identity, user))
                        continue;

                n++;
                if (g_hash_table_size(view->names) == 0 && !has_streams(view) &&
                    (!*idle || view->used < (*idle)->used))
                        *idle = view;
        }

        return n;
}

static gboolean make_room_within(CallerConnections *views, const Identity *identity, User *user, unsigned max,
                                 GError **error)
{
        CallerConnection *idle;

        if (count(views, identity, user, &idle) < max)
                return TRUE;

        if (!idle) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "at most %u processes%s are forwarded to libvirt at once", max,
                            identity ? " of one user" : "");
                return FALSE;
        }

        view_close(idle);
        return TRUE;
}

static gboolean make_room(CallerConnections *views, const Identity *identity, User *user, GError **error)
{
        unsigned max = views->config->limits.views, closing = 0;

        for (guint i = 0; i < views->closing->len; i++)
                closing += (guint)is_of(g_ptr_array_index(views->closing, i), identity, user);
        /* Where libvirt does not let go, this is as far as it goes. */
        if (closing >= max) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "connections to libvirt of %u processes that have left are not closed yet", max);
                return FALSE;
        }

        return make_room_within(views, identity, user, user_part(max), error) &&
               make_room_within(views, NULL, NULL, max, error);
}

/* The view of that caller, which has none under this name. */
static CallerConnection *find_or_open(CallerConnections *views, const Peer *peer, GError **error)
{
        g_autofree Identity *identity = credentials_identity(&peer->credentials, error);
        CallerConnection *view;

        if (!identity)
                return NULL;

        view = g_hash_table_lookup(views->by_identity, identity);
        if (view)
                return view;

        return make_room(views, identity, peer->user, error)
                       ? view_new(views, g_steal_pointer(&identity), peer->user)
                       : NULL;
}

GHashTable *caller_connections_enter(CallerConnections *views, Peer *peer, GError **error)
{
        ASSERT_MAIN();
        if (!peer->view) {
                CallerConnection *view = find_or_open(views, peer, error);

                if (!view)
                        return NULL;

                g_hash_table_add(view->names, g_strdup(peer->name));
                g_clear_handle_id(&view->idle_timer, g_source_remove);
                peer->view = view;
                peer->peers->forwarded++;
        }

        peer->view->used = ++views->entries;
        return peer->view->connections;
}

void caller_connections_drop_peer(Peer *peer)
{
        CallerConnection *view = g_steal_pointer(&peer->view);

        ASSERT_MAIN();
        if (!view)
                return;

        peer->peers->forwarded--;
        g_hash_table_remove(view->names, peer->name);
        if (g_hash_table_size(view->names) == 0)
                view->idle_timer =
                        g_timeout_add_seconds(view->views->config->limits.view_idle, on_idle, view);
}

void caller_connections_compare(CallerConnections *views)
{
        GHashTableIter iter;
        gpointer view;

        ASSERT_MAIN();
        if (!views)
                return;

        g_hash_table_iter_init(&iter, views->by_identity);
        while (g_hash_table_iter_next(&iter, NULL, &view))
                for_each(view, connection_compare);
}

void caller_connections_stop(CallerConnections *views)
{
        GHashTableIter iter;
        gpointer view;

        ASSERT_MAIN();
        if (!views)
                return;

        g_hash_table_iter_init(&iter, views->by_identity);
        while (g_hash_table_iter_next(&iter, NULL, &view)) {
                /* It is stopped once. */
                g_clear_handle_id(&((CallerConnection *)view)->idle_timer, g_source_remove);
                for_each(view, connection_stop);
        }
}

gboolean caller_connections_are_busy(const CallerConnections *views)
{
        GHashTableIter iter;
        gpointer view;

        ASSERT_MAIN();
        if (!views)
                return FALSE;

        g_hash_table_iter_init(&iter, views->by_identity);
        while (g_hash_table_iter_next(&iter, NULL, &view))
                if (!is_over(view))
                        return TRUE;

        return views->closing->len > 0;
}

void caller_connections_free(CallerConnections *views)
{
        GHashTableIter iter;
        gpointer view;

        ASSERT_MAIN();
        if (!views)
                return;

        g_clear_handle_id(&views->closing_timer, g_source_remove);
        g_hash_table_iter_init(&iter, views->by_identity);
        while (g_hash_table_iter_next(&iter, NULL, &view))
                view_free(view);
        g_hash_table_unref(views->by_identity);
        g_ptr_array_unref(views->closing);
        g_free(views);
}
