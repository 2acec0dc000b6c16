/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* guestbusctl list: all guests of all connections, as a table, as JSON, or their names alone. */

#include "guestbusctl/command.h"
#include "guestbusctl/guest.h"
#include "guestbusctl/json.h"
#include "guestbusctl/text.h"
#include "listener/autoptr.h"
#include "listener/names.h"
#include "listener/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME, STATE, REASON, SINCE, CONNECTION, COLUMNS };

static const char *const titles[COLUMNS] = {"NAME", "STATE", "REASON", "SINCE", "CONNECTION"};

/* Whether one state of a guest is the other, for events: libvirt has none for changes between these. */
static gboolean same_state(const char *a, const char *b)
{
        static const char *const running[] = {"running", "blocked", "nostate", NULL};

        return g_str_equal(a, b) || (g_strv_contains(running, a) && g_strv_contains(running, b));
}

/* The last state that was told of each guest, and when. */
typedef struct Told {
        char *state;
        gint64 time;
} Told;

static void told_free(void *data)
{
        Told *told = data;

        g_free(told->state);
        g_free(told);
}

static void note(GHashTable *told, const Event *event)
{
        const char *state = event_text(event, "state");
        Told *last = g_hash_table_lookup(told, event->path);

        if (!state || !guest_is(event->path) || (last && same_state(last->state, state)))
                return;

        last = g_new0(Told, 1);
        last->state = g_strdup(state);
        last->time = event->time;
        g_hash_table_replace(told, g_strdup(event->path), last);
}

/* One page of events. Returns the number of the last one; 0 when there are no more, or none can be had. */
static guint64 read_page(sd_bus *bus, const char *service, const char *connection, const StreamMark *after,
                         GHashTable *told)
{
        g_autoptr(sd_bus_message) reply = NULL;
        g_autoptr(GVariant) body = NULL, events = NULL;
        gboolean complete;
        guint64 last = 0;

        if (sd_bus_call_method(bus, service, connection, IFACE_CONNECTION, "GetEvents", NULL, &reply, "stu",
                               after->epoch, after->number, 0) < 0 ||
            value_read_all(reply, &body) < 0 ||
            !g_variant_is_of_type(body, G_VARIANT_TYPE("(a(ostxsa{sv})b)")))
                return 0;

        g_variant_get(body, "(@a(ostxsa{sv})b)", &events, &complete);
        for (gsize i = 0; i < g_variant_n_children(events); i++) {
                g_autoptr(GVariant) record = g_variant_get_child_value(events, i);
                g_autoptr(Event) event = event_new_from_record(record);

                if (event) {
                        note(told, event);
                        last = event->number;
                }
        }

        return complete ? 0 : last;
}

/* Since when guests are in their state, from the events that are kept. */
static GHashTable *read_events(sd_bus *bus, const char *service, const Inventory *inventory)
{
        GHashTable *told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, told_free);
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);

        for (guint i = 0; i < paths->len; i++) {
                StreamPicture picture = inventory_stream(inventory, paths->pdata[i]);
                StreamMark after = {.epoch = (char *)picture.epoch, .number = picture.oldest};

                if (!inventory_is_connection(inventory, paths->pdata[i]))
                        continue;
                do {
                        after.number = read_page(bus, service, paths->pdata[i], &after, told);
                } while (after.number > 0);
        }

        return told;
}

/* In microseconds since 1970; 0 where no event that is kept has told it. */
static gint64 since(GHashTable *told, const Inventory *inventory, const char *path)
{
        const Told *last = g_hash_table_lookup(told, path);

        return last && same_state(last->state, inventory_text(inventory, path, "State")) ? last->time : 0;
}

static char *time_text(gint64 time)
{
        g_autofree char *text = time > 0 ? text_time(time, g_get_real_time()) : NULL;

        /* To the second. */
        return text ? g_strndup(text, strlen(text) - strlen(".000")) : g_strdup("-");
}

/* What a guest's row says, to be freed with its array. */
static char **row_new(const Inventory *inventory, GHashTable *told, const char *path)
{
        g_autofree char *connection = path_connection(path);
        char **row = g_new0(char *, COLUMNS + 1);

        row[NAME] = text_escape(inventory_text(inventory, path, "Name"));
        row[STATE] = g_strconcat(inventory_text(inventory, path, "State"),
                                 inventory_flag(inventory, path, "Stale") ? " (stale)" : "", NULL);
        row[REASON] = g_strdup(inventory_text(inventory, path, "StateReason"));
        row[SINCE] = time_text(since(told, inventory, path));
        row[CONNECTION] = g_strdup(connection_name(connection));
        return row;
}

static const char *colour(const char *state)
{
        return g_str_has_prefix(state, "running")   ? "\033[32m"
               : g_str_has_prefix(state, "crashed") ? "\033[31m"
               : g_str_has_prefix(state, "shutoff") ? "\033[2m"
                                                    : "\033[33m";
}

static gboolean is_coloured(void)
{
        const char *none = g_getenv("NO_COLOR");

        return isatty(STDOUT_FILENO) && !(none && *none) && g_strcmp0(g_getenv("TERM"), "dumb") != 0;
}

/* The last column ends where its text does. */
static void print_row(char *const *row, const unsigned *widths, gboolean coloured)
{
        for (int i = 0; i < COLUMNS; i++) {
                unsigned width = text_width(row[i]);
                gboolean with_colour = coloured && i == STATE;

                printf("%s%s%s%*s", with_colour ? colour(row[i]) : "", row[i], with_colour ? "\033[0m" : "",
                       i < COLUMNS - 1 ? (int)(widths[i] - width + 2) : 0, "");
        }
        putchar('\n');
}

static void print_table(GPtrArray *rows)
{
        unsigned widths[COLUMNS];
        gboolean coloured = is_coloured();

        for (int i = 0; i < COLUMNS; i++)
                widths[i] = text_width(titles[i]);
        for (guint row = 0; row < rows->len; row++)
                for (int i = 0; i < COLUMNS; i++)
                        widths[i] = MAX(widths[i], text_width(((char **)rows->pdata[row])[i]));

        print_row((char *const *)titles, widths, FALSE);
        for (guint row = 0; row < rows->len; row++)
                print_row(rows->pdata[row], widths, coloured);
}

static void print_json(const Inventory *inventory, GHashTable *told, GPtrArray *guests)
{
        static const char *const properties[][2] = {
                {"name", "Name"},           {"uuid", "UUID"},     {"state", "State"},
                {"reason", "StateReason"},  {"active", "Active"}, {"persistent", "Persistent"},
                {"autostart", "Autostart"}, {"id", "Id"},         {"stale", "Stale"},
        };

        for (guint i = 0; i < guests->len; i++) {
                g_autofree char *connection = path_connection(guests->pdata[i]);
                gint64 time = since(told, inventory, guests->pdata[i]);
                g_autoptr(GString) json = g_string_new("{");

                json_add_member(json, "path", guests->pdata[i]);
                json_add_member(json, "connection", connection_name(connection));
                for (gsize j = 0; j < G_N_ELEMENTS(properties); j++) {
                        GVariant *value = inventory_value(inventory, guests->pdata[i], properties[j][1]);

                        json_add_key(json, properties[j][0]);
                        if (value)
                                json_add_value(json, value);
                        else
                                g_string_append(json, "null");
                }
                json_add_key(json, "since");
                if (time > 0)
                        g_string_append_printf(json, "%" G_GINT64_FORMAT, time);
                else
                        g_string_append(json, "null");
                printf("%s%s}", i == 0 ? "[" : ",\n ", json->str);
        }
        printf("%s]\n", guests->len == 0 ? "[" : "");
}

/* A connection without its libvirt has guests as they were seen last, or none. */
static void complain_of_connections(const Inventory *inventory)
{
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);

        for (guint i = 0; i < paths->len; i++)
                if (inventory_is_connection(inventory, paths->pdata[i]) &&
                    !inventory_is_connected(inventory, paths->pdata[i]))
                        complain("%s is not connected: %s", connection_name(paths->pdata[i]),
                                 inventory_text(inventory, paths->pdata[i], "LastError"));
}

/* By connection, then by name. */
static int compare_guests(gconstpointer a, gconstpointer b, gpointer data)
{
        const char *one = *(const char *const *)a, *other = *(const char *const *)b;
        g_autofree char *first = path_connection(one), *second = path_connection(other);
        int order = g_strcmp0(first, second);

        return order != 0 ? order
                          : g_utf8_collate(inventory_text(data, one, "Name"),
                                           inventory_text(data, other, "Name"));
}

static GPtrArray *all_guests(Inventory *inventory)
{
        GPtrArray *paths = inventory_paths(inventory);

        for (guint i = paths->len; i > 0; i--)
                if (!guest_is(paths->pdata[i - 1]))
                        g_ptr_array_remove_index(paths, i - 1);
        g_ptr_array_sort_with_data(paths, compare_guests, inventory);
        return paths;
}

static void print_names(const Inventory *inventory, GPtrArray *guests)
{
        for (guint i = 0; i < guests->len; i++) {
                g_autofree char *name = text_escape(inventory_text(inventory, guests->pdata[i], "Name"));

                puts(name);
        }
}

static void print_rows(const Inventory *inventory, GHashTable *told, GPtrArray *guests)
{
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);

        for (guint i = 0; i < guests->len; i++)
                g_ptr_array_add(rows, row_new(inventory, told, guests->pdata[i]));
        print_table(rows);
}

int command_list(Place *place, int argc, char **argv)
{
        gboolean json = FALSE, names = FALSE;
        const GOptionEntry entries[] = {
                {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print an array of JSON objects", NULL},
                {"names", 0, 0, G_OPTION_ARG_NONE, &names, "Print names alone", NULL},
                {NULL},
        };
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus) bus = NULL;
        g_autoptr(Inventory) inventory = NULL;
        g_autofree char *service = NULL;
        g_autoptr(GHashTable) told = NULL;
        g_autoptr(GPtrArray) guests = NULL;

        if (!command_parse(place, "- all guests, and their states", entries, &argc, &argv))
                return STATUS_USAGE;

        if (argc > 1) {
                complain("unexpected argument \"%s\"; see --help", argv[1]);
                return STATUS_USAGE;
        }

        bus = command_open(place);
        if (!bus)
                return STATUS_FAILED;

        inventory = command_picture(bus, TRUE, &service, &error);
        if (!inventory) {
                complain("%s", error_words(&error));
                return STATUS_FAILED;
        }

        guests = all_guests(inventory);
        if (names) {
                print_names(inventory, guests);
                return STATUS_DONE;
        }

        told = read_events(bus, service, inventory);
        if (json)
                print_json(inventory, told, guests);
        else
                print_rows(inventory, told, guests);
        complain_of_connections(inventory);
        return STATUS_DONE;
}
