/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Putting the pieces together, in the order that the bus needs (objects before names), and taking them apart
 * against the clock. */

#include "daemon.h"

#include "access/departures.h"
#include "base/background.h"
#include "base/log.h"
#include "base/service_manager.h"
#include "base/thread.h"
#include "bus/bus.h"
#include "bus/bus_names.h"
#include "connection/connection.h"
#include "handover.h"
#include "mirror/event_numbers.h"
#include "objects/dispatch.h"
#include "objects/log_control.h"
#include "virt/event_loop.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long calls in progress and libvirt's farewell may take at the end. With the time for the last messages
 * it stays under the 2 s that an administrator waits without wondering. */
#define STOP_MS  1200
#define FLUSH_MS 300

/* How long the start waits for the disk that remembers the numbers of events. */
#define NUMBERS_MS 2000

typedef struct Daemon {
        GMainLoop *loop;
        unsigned sigterm, sigint;
        Bus *bus;
        BusNames names;
        Dispatcher dispatcher;
        TurnsOwner turns;
        char *epoch_name;
        Epoch epoch;        /* of this start, and of those before that left it to this one */
        Handover *handover; /* while this one starts */
        Departures *departures;
        GError *error;
        gboolean stopping;
        gboolean leaves; /* what the next start needs: it was told to end, and nobody else serves by then */
        gboolean late;   /* the time for stopping is over */
} Daemon;

static void daemon_stop(Daemon *daemon)
{
        if (daemon->stopping)
                return;

        daemon->stopping = TRUE;
        g_main_loop_quit(daemon->loop);
}

static gboolean on_signal(gpointer user_data)
{
        Daemon *daemon = user_data;

        daemon->leaves = daemon->leaves || !daemon->stopping;
        daemon_stop(daemon);
        return G_SOURCE_CONTINUE;
}

static void on_peer_gone(const char *name, void *data)
{
        dispatch_peer_gone(&((Daemon *)data)->dispatcher, name);
}

static void on_name_lost(const char *name, void *data)
{
        Daemon *daemon = data;

        if (!daemon->stopping && bus_names_lost(&daemon->names, name))
                daemon_stop(daemon);
}

static void on_bus_closed(void *data)
{
        Daemon *daemon = data;

        if (!daemon->stopping)
                g_set_error_literal(&daemon->error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                                    "the bus closed the connection");
        daemon_stop(daemon);
}

/* Replies leave in the order in which they are made: turns would mean nothing behind a long queue. */
static gboolean is_held(void *data)
{
        return bus_is_busy(((const Daemon *)data)->bus);
}

static int on_call(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Daemon *daemon = userdata;

        return dispatch(&daemon->dispatcher, message);
}

static void on_suspicion(void *data)
{
        departures_suspect(((Daemon *)data)->departures);
}

static void on_connection_changed(void *data)
{
        Daemon *daemon = data;
        GHashTableIter iter;
        gpointer connection;
        unsigned connected = 0, all = 0;

        g_hash_table_iter_init(&iter, daemon->dispatcher.connections);
        while (g_hash_table_iter_next(&iter, NULL, &connection)) {
                /* Of these each caller has one, or none has. */
                if (connection_is_forwarded(connection))
                        continue;

                all++;
                if (connection_is_connected(connection))
                        connected++;
        }

        service_manager_status("%u of %u hypervisors connected", connected, all);
}

static const BusOwner bus_owner = {
        .call = on_call,
        .peer_gone = on_peer_gone,
        .name_lost = on_name_lost,
        .closed = on_bus_closed,
        .suspicious = on_suspicion,
};

static void add_connections(Daemon *daemon, const Config *config)
{
        GHashTable *connections = daemon->dispatcher.connections;

        for (guint i = 0; i < config->connections->len; i++) {
                Connection *connection =
                        connection_new(g_ptr_array_index(config->connections, i), NULL, &config->limits,
                                       daemon->bus, &daemon->epoch, on_connection_changed, daemon);

                handover_restore(daemon->handover, connection);
                g_hash_table_insert(connections, (void *)connection_name(connection), connection);
        }

        daemon->dispatcher.views = caller_connections_new(config, daemon->bus, daemon->epoch.numbers,
                                                          connections, on_connection_changed, daemon);
}

static gboolean is_busy(const Daemon *daemon)
{
        GHashTableIter iter;
        gpointer connection;

        g_hash_table_iter_init(&iter, daemon->dispatcher.connections);
        while (g_hash_table_iter_next(&iter, NULL, &connection))
                if (connection_is_busy(connection))
                        return TRUE;

        return turns_waiting(daemon->dispatcher.turns) > 0 ||
               caller_connections_are_busy(daemon->dispatcher.views) || background_running() > 0;
}

static void for_each_connection(Daemon *daemon, void (*func)(Connection *))
{
        GHashTableIter iter;
        gpointer connection;

        g_hash_table_iter_init(&iter, daemon->dispatcher.connections);
        while (g_hash_table_iter_next(&iter, NULL, &connection))
                func(connection);
}

static gboolean on_late(gpointer user_data)
{
        Daemon *daemon = user_data;

        daemon->late = TRUE;
        return G_SOURCE_REMOVE;
}

static void daemon_free(Daemon *daemon)
{
        /* A letter may have been the cause of another, such as of the end of a connection. */
        main_queue_flush();
        log_control_stop();
        /* Before the connections, for it tells of callers that leave while it sends what is left. */
        bus_free(daemon->bus, FLUSH_MS);
        /* What it has of the bus goes first, so that the rest ends with the authority. */
        departures_free(daemon->departures);
        caller_connections_free(daemon->dispatcher.views);
        for_each_connection(daemon, connection_free);
        g_hash_table_unref(daemon->dispatcher.connections);
        authority_free(daemon->dispatcher.authority);
        turns_free(daemon->dispatcher.turns);
        peers_free(daemon->dispatcher.peers);
        event_numbers_free(daemon->epoch.numbers);
        g_free(daemon->epoch_name);
        main_queue_shutdown();
        g_main_loop_unref(daemon->loop);
}

/* Every call gets its reply, libvirt its time to part, and the clock the last word. */
static void daemon_end(Daemon *daemon)
{
        unsigned timer;

        service_manager_stopping();
        daemon->dispatcher.stopping = TRUE;
        if (daemon->dispatcher.authority)
                authority_stop(daemon->dispatcher.authority);
        caller_connections_stop(daemon->dispatcher.views);
        for_each_connection(daemon, connection_stop);
        if (daemon->leaves)
                handover_leave(daemon->epoch.name, daemon->dispatcher.connections);

        timer = g_timeout_add(STOP_MS, on_late, daemon);
        while (is_busy(daemon) && !daemon->late)
                g_main_context_iteration(NULL, TRUE);

        if (!daemon->late) {
                g_source_remove(timer);
                daemon_free(daemon);
                return;
        }

        /* A thread waits for libvirt and cannot be made to stop. Nothing of it may be freed; the process
         * ends. */
        if (daemon->error)
                log_fatal("%s", daemon->error->message);
        g_message("libvirt does not answer; stopping without it");
        dispatch_abandon(&daemon->dispatcher);
        log_control_stop();
        bus_free(daemon->bus, FLUSH_MS);
        _exit(daemon->error ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void on_early_signal(int number)
{
        (void)number;
        _exit(EXIT_SUCCESS);
}

/* For the start: there is nothing to part from yet, and sd-bus, which waits for the bus's answers, would not
 * look up. */
static void end_at_signals(void)
{
        signal(SIGTERM, on_early_signal);
        signal(SIGINT, on_early_signal);
}

static void handle_signals(Daemon *daemon)
{
        daemon->sigterm = g_unix_signal_add(SIGTERM, on_signal, daemon);
        daemon->sigint = g_unix_signal_add(SIGINT, on_signal, daemon);
}

/* systemd's, or the place that the system or the user has for it. A bus of one's own is the user's matter. */
static char *state_directory(const DaemonOptions *options)
{
        const char *given = g_getenv("STATE_DIRECTORY");

        if (given && *given)
                return g_strndup(given, strcspn(given, ":"));
        if (options->bus == BUS_SYSTEM && !options->address)
                return g_strdup("/var/lib/guestbus");

        return g_build_filename(g_get_user_state_dir(), "guestbus", NULL);
}

static void begin_epoch(Daemon *daemon, const DaemonOptions *options)
{
        g_autofree char *directory = state_directory(options);

        daemon->handover = handover_take();
        daemon->epoch_name =
                daemon->handover ? g_strdup(handover_epoch(daemon->handover)) : g_uuid_string_random();
        daemon->epoch.name = daemon->epoch_name;
        daemon->epoch.numbers = event_numbers_new(directory, g_get_real_time, NUMBERS_MS);
}

/* Until it is told to stop, or cannot begin. */
static void serve(Daemon *daemon, const Config *config, const DaemonOptions *options)
{
        daemon->bus =
                bus_new(options->bus, options->address, &config->limits, &bus_owner, daemon, &daemon->error);
        if (!daemon->bus || !log_control_add(daemon->bus, &daemon->error))
                return;

        daemon->dispatcher.authority = authority_new(daemon->bus, daemon->dispatcher.peers,
                                                     &dispatch_authority_owner, &daemon->dispatcher);
        daemon->dispatcher.bus = daemon->bus;
        daemon->departures = departures_new(daemon->bus, daemon->dispatcher.peers, on_peer_gone, daemon);
        daemon->turns = (TurnsOwner){.now = g_get_monotonic_time, .held = is_held, .data = daemon};
        daemon->dispatcher.turns = turns_new(&daemon->turns);
        add_connections(daemon, config);
        if (!bus_names_take(&daemon->names, daemon->bus, options->replace, &daemon->error))
                return;

        g_clear_pointer(&daemon->handover, handover_free);
        for_each_connection(daemon, connection_resume);
        handle_signals(daemon);
        service_manager_ready();
        on_connection_changed(daemon);
        if (!daemon->stopping)
                g_main_loop_run(daemon->loop);
}

gboolean daemon_run(const Config *config, const DaemonOptions *options, GError **error)
{
        Daemon daemon = {
                .loop = g_main_loop_new(NULL, FALSE),
                .dispatcher =
                        {
                                .connections = g_hash_table_new(g_str_hash, g_str_equal),
                                .peers = peers_new(&config->limits),
                                .limits = &config->limits,
                        },
        };

        ASSERT_MAIN();
        end_at_signals();
        main_queue_init();
        event_loop_register();
        /* The numbers of its events are to be above those of the one that serves until then. */
        if (!options->replace)
                bus_names_wait(options->bus, options->address);
        begin_epoch(&daemon, options);

        serve(&daemon, config, options);
        g_clear_pointer(&daemon.handover, handover_free);
        daemon_end(&daemon);
        g_clear_handle_id(&daemon.sigterm, g_source_remove);
        g_clear_handle_id(&daemon.sigint, g_source_remove);

        if (daemon.error) {
                g_propagate_error(error, daemon.error);
                return FALSE;
        }

        return TRUE;
}
