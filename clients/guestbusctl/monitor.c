/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* guestbusctl monitor: a line for each event.
 *
 * What was printed is noted in the cursor file after it was written, never before: each event is printed at
 * least once, however the monitor ends. */

#include "guestbusctl/command.h"
#include "guestbusctl/cursor.h"
#include "guestbusctl/guest.h"
#include "guestbusctl/json.h"
#include "guestbusctl/text.h"
#include "listener/autoptr.h"
#include "listener/listener.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* The cursor is saved so much later than what it says, and once for all that was printed meanwhile. */
#define SAVE_MS 100

typedef struct Options {
        char **kinds;
        char *since, *output, *cursor;
        gboolean json;
} Options;

typedef struct Monitor {
        Options options;
        GHashTable *kinds; /* the only ones that are wanted, or NULL */
        GuestFilter *guests;
        GHashTable *states; /* the path of a guest to its state, as it was printed or known last */
        Listener *listener;
        GMainLoop *loop;
        gboolean unicode;
        guint save;      /* a timer */
        char *complaint; /* why the service could not be asked, as it was said last */
        gboolean ended;  /* with that status; nothing more is printed */
        int status;
} Monitor;

static void monitor_clear(Monitor *monitor)
{
        g_clear_handle_id(&monitor->save, g_source_remove);
        g_clear_pointer(&monitor->listener, listener_free);
        g_clear_pointer(&monitor->guests, guest_filter_free);
        g_clear_pointer(&monitor->kinds, g_hash_table_unref);
        g_clear_pointer(&monitor->states, g_hash_table_unref);
        g_clear_pointer(&monitor->loop, g_main_loop_unref);
        g_free(monitor->complaint);
        g_strfreev(monitor->options.kinds);
        g_free(monitor->options.since);
        g_free(monitor->options.output);
        g_free(monitor->options.cursor);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Monitor, monitor_clear)

static void stop(Monitor *monitor, int status)
{
        if (monitor->ended)
                return;

        monitor->ended = TRUE;
        monitor->status = status;
        g_main_loop_quit(monitor->loop);
}

/* What was written has left this process. */
static gboolean flush(Monitor *monitor)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return TRUE;

        complain("failed to write: %s", g_strerror(errno));
        stop(monitor, STATUS_FAILED);
        return FALSE;
}

static void save(Monitor *monitor)
{
        g_autoptr(GError) error = NULL;

        if (!monitor->options.cursor || !listener_inventory(monitor->listener) || !flush(monitor) ||
            cursor_save(monitor->options.cursor, monitor->listener, &error))
                return;

        complain("%s", error->message);
        stop(monitor, STATUS_FAILED);
}

static gboolean on_save(void *data)
{
        Monitor *monitor = data;

        monitor->save = 0;
        save(monitor);
        return G_SOURCE_REMOVE;
}

static void save_soon(Monitor *monitor)
{
        if (monitor->options.cursor && !monitor->save)
                monitor->save = g_timeout_add(SAVE_MS, on_save, monitor);
}

/* What is no event: where the listener had to begin anew, and what it found then. @more: members of a JSON
 * object. */
static void notice(Monitor *monitor, const char *word, const char *connection, const char *text)
{
        g_autofree char *line = text_escape(text);
        gint64 now = g_get_real_time();
        g_autoptr(GString) json = NULL;
        g_autofree char *time = NULL;

        if (monitor->options.json) {
                json = g_string_new("{");
                json_add_member(json, "notice", word);
                if (connection)
                        json_add_member(json, "connection", connection_name(connection));
                json_add_key(json, "timestamp");
                g_string_append_printf(json, "%" G_GINT64_FORMAT, now);
                json_add_member(json, "text", text);
                printf("%s}\n", json->str);
        } else {
                time = text_time(now, now);
                printf("%s -- %s%s%s\n", time, connection ? connection_name(connection) : "",
                       connection ? " " : "", line);
        }

        flush(monitor);
}

static char *state_text(const Inventory *inventory, const char *path)
{
        return inventory_has(inventory, path)
                       ? g_strdup_printf("%s (%s)", inventory_text(inventory, path, "State"),
                                         inventory_text(inventory, path, "StateReason"))
                       : g_strdup("not there");
}

/* Of a guest whose state no event has told: @before is NULL where it was not there. */
static void tell_difference(Monitor *monitor, const char *path, const char *name, const char *before)
{
        g_autofree char *is = state_text(listener_inventory(monitor->listener), path);
        g_autofree char *connection = path_connection(path), *text = NULL;

        text = g_strdup_printf("%s is %s, was %s", name, is, before ? before : "not there");
        if (guest_filter_has(monitor->guests, path))
                notice(monitor, "difference", connection, text);
}

static void note_state(Monitor *monitor, const char *path)
{
        const Inventory *now = listener_inventory(monitor->listener);

        if (!guest_is(path))
                return;

        if (inventory_has(now, path))
                g_hash_table_replace(monitor->states, g_strdup(path),
                                     g_strdup(inventory_text(now, path, "State")));
        else
                g_hash_table_remove(monitor->states, path);
}

/* All guests of a connection, where it begins anew. */
static void compare_guests(Monitor *monitor, const char *connection, const Inventory *before)
{
        const Inventory *now = listener_inventory(monitor->listener);
        g_autoptr(GPtrArray) old = inventory_paths(before), new = inventory_paths(now);

        for (guint i = 0; i < old->len; i++) {
                const char *path = old->pdata[i], *state = inventory_text(before, path, "State");

                if (guest_is_of(path, connection) && !g_str_equal(state, inventory_text(now, path, "State")))
                        tell_difference(monitor, path, inventory_text(before, path, "Name"), state);
        }

        for (guint i = 0; i < new->len; i++)
                if (guest_is_of(new->pdata[i], connection) && !inventory_has(before, new->pdata[i]))
                        tell_difference(monitor, new->pdata[i], inventory_text(now, new->pdata[i], "Name"),
                                        NULL);
}

/* A service that was restarted while libvirt was away adds guests that are known as soon as it sees them. */
static void compare_added(Monitor *monitor, const Event *event)
{
        const char *before = g_hash_table_lookup(monitor->states, event->path);

        if (before && g_str_equal(event->kind, "added") &&
            !g_str_equal(before, inventory_text(listener_inventory(monitor->listener), event->path, "State")))
                tell_difference(monitor, event->path, event->name, before);
}

static void note_states(Monitor *monitor, const char *connection)
{
        g_autoptr(GPtrArray) paths = inventory_paths(listener_inventory(monitor->listener));

        for (guint i = 0; i < paths->len; i++)
                if (guest_is_of(paths->pdata[i], connection))
                        note_state(monitor, paths->pdata[i]);
}

/* Refuses a name that several guests have, at the beginning. Later it stands for the first that an event is
 * of. */
static void find_guests(Monitor *monitor, gboolean first)
{
        const Inventory *inventory = listener_inventory(monitor->listener);
        const char *word = guest_filter_find(monitor->guests, inventory);
        g_autoptr(GPtrArray) found = word ? guest_find(inventory, word) : NULL;
        g_autofree char *text = word ? guest_candidates(inventory, word, found) : NULL;

        if (word && first) {
                complain("%s", text);
                stop(monitor, STATUS_NOT_FOUND);
        }
}

static void on_stream(const char *connection, StreamStart start, const Inventory *before, void *data)
{
        Monitor *monitor = data;

        if (monitor->ended)
                return;

        g_clear_pointer(&monitor->complaint, g_free);
        if (start == STREAM_ANEW)
                notice(monitor, "anew", connection,
                       "begins anew, because the service was restarted; what it has told since then follows");
        else if (start == STREAM_LOST)
                notice(monitor, "lost", connection,
                       "has lost events that are no longer kept; the oldest that are kept follow");

        if (before && (start == STREAM_ANEW || start == STREAM_LOST))
                compare_guests(monitor, connection, before);
        note_states(monitor, connection);
        find_guests(monitor, before == NULL);
        save_soon(monitor);
}

static void on_ended(const char *connection, void *data)
{
        notice(data, "ended", connection, "is no longer configured");
}

static void print_json(const Event *event)
{
        g_autofree char *collection = path_collection(event->path);
        g_autoptr(GString) json = g_string_new("{");

        json_add_member(json, "connection", connection_name(event->connection));
        json_add_member(json, "object", collection ? collection : "connection");
        json_add_member(json, "path", event->path);
        json_add_member(json, "name", event->name);
        json_add_member(json, "kind", event->kind);
        json_add_key(json, "sequence");
        g_string_append_printf(json, "%" G_GUINT64_FORMAT, event->number);
        json_add_key(json, "timestamp");
        g_string_append_printf(json, "%" G_GINT64_FORMAT, event->time);
        json_add_key(json, "details");
        json_add_value(json, event->details);
        printf("%s}\n", json->str);
}

/* Without a choice of kinds, text has what is news to people, and JSON has everything. */
static gboolean is_wanted(const Monitor *monitor, const Event *event)
{
        if (monitor->kinds)
                return g_hash_table_contains(monitor->kinds, event->kind);

        return monitor->options.json || text_is_news(event);
}

static void on_event(const Event *event, void *data)
{
        Monitor *monitor = data;
        g_autofree char *line = NULL;

        if (monitor->ended)
                return;

        compare_added(monitor, event);
        note_state(monitor, event->path);
        /* The filter looks at all kinds, to learn of the ends of guests. */
        if (guest_filter_takes(monitor->guests, event) && is_wanted(monitor, event)) {
                if (monitor->options.json) {
                        print_json(event);
                } else {
                        line = text_event(event, g_get_real_time(), monitor->unicode);
                        puts(line);
                }
                flush(monitor);
        }

        save_soon(monitor);
}

static void on_away(void *data)
{
        notice(data, "away", NULL, "the service has left the bus; guests go on");
}

/* That the caller has no right is the end; all else can pass. It is said once. */
static void on_failed(const sd_bus_error *error, void *data)
{
        Monitor *monitor = data;
        const char *words = error_words(error);

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED)) {
                complain("%s", words);
                stop(monitor, STATUS_FAILED);
        } else if (g_strcmp0(words, monitor->complaint) != 0) {
                g_free(monitor->complaint);
                monitor->complaint = g_strdup(words);
                complain("%s; waiting for it", words);
        }
}

static void on_gone(int error, void *data)
{
        complain("the bus is gone: %s", g_strerror(error));
        stop(data, STATUS_FAILED);
}

static const ListenerOwner owner = {
        .stream = on_stream,
        .ended = on_ended,
        .event = on_event,
        .away = on_away,
        .failed = on_failed,
        .gone = on_gone,
};

static gboolean on_signal(void *data)
{
        stop(data, STATUS_DONE);
        return G_SOURCE_CONTINUE;
}

static void use_kinds(Monitor *monitor)
{
        if (!monitor->options.kinds)
                return;

        monitor->kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (char **each = monitor->options.kinds; *each; each++) {
                g_auto(GStrv) words = g_strsplit(*each, ",", -1);

                for (char **word = words; *word; word++)
                        g_hash_table_add(monitor->kinds, g_strdup(*word));
        }
}

static gboolean use_output(Monitor *monitor)
{
        const char *output = monitor->options.output;

        monitor->options.json = g_strcmp0(output, "json") == 0;
        if (!output || monitor->options.json || g_str_equal(output, "text"))
                return TRUE;

        complain("--output is \"%s\", but must be text or json", output);
        return FALSE;
}

static gboolean use_since(Monitor *monitor)
{
        const char *since = monitor->options.since;
        guint64 number;

        if (!since)
                return TRUE;

        if (!g_ascii_string_to_unsigned(since, 10, 0, G_MAXUINT64, &number, NULL)) {
                complain("--since is \"%s\", but must be the number of an event, or 0 for all that are kept",
                         since);
                return FALSE;
        }

        listener_mark(monitor->listener, NULL, NULL, number);
        return TRUE;
}

static int run(Monitor *monitor, sd_bus *bus)
{
        g_autoptr(GError) error = NULL;
        int r;

        if (monitor->options.cursor && !cursor_load(monitor->options.cursor, monitor->listener, &error)) {
                complain("%s", error->message);
                return STATUS_FAILED;
        }

        r = listener_start(monitor->listener);
        if (r < 0) {
                complain("failed to subscribe: %s", g_strerror(-r));
                return STATUS_FAILED;
        }

        g_unix_signal_add(SIGINT, on_signal, monitor);
        g_unix_signal_add(SIGTERM, on_signal, monitor);
        g_main_loop_run(monitor->loop);
        if (monitor->status == STATUS_DONE)
                save(monitor);
        return monitor->status;
}

int command_monitor(Place *place, int argc, char **argv)
{
        g_auto(Monitor) monitor = {.loop = g_main_loop_new(NULL, FALSE), .unicode = g_get_charset(NULL)};
        Options *options = &monitor.options;
        const GOptionEntry entries[] = {
                {"kind", 'k', 0, G_OPTION_ARG_STRING_ARRAY, &options->kinds,
                 "Print events of this kind alone; repeatable, or with commas", "KIND"},
                {"since", 0, 0, G_OPTION_ARG_STRING, &options->since,
                 "Begin after the event of this number; 0: with the oldest that is kept", "NUMBER"},
                {"output", 'o', 0, G_OPTION_ARG_STRING, &options->output, "text (default) or json", "FORMAT"},
                {"cursor-file", 0, 0, G_OPTION_ARG_FILENAME, &options->cursor,
                 "Go on after what this file says was printed, and note there what is", "FILE"},
                {NULL},
        };
        g_autoptr(sd_bus) bus = NULL;
        int status;

        if (!command_parse(place, "[GUEST...] - a line for each event, as it happens", entries, &argc,
                           &argv) ||
            !use_output(&monitor))
                return STATUS_USAGE;

        bus = command_open(place);
        if (!bus)
                return STATUS_FAILED;

        monitor.guests = guest_filter_new(argv + 1);
        monitor.states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        monitor.listener = listener_new(bus, &owner, &monitor);
        use_kinds(&monitor);
        if (!use_since(&monitor))
                return STATUS_USAGE;

        status = run(&monitor, bus);
        /* Before the bus that it serves. */
        g_clear_pointer(&monitor.listener, listener_free);
        return status;
}
