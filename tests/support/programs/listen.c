/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* listen ADDRESS: what the listener of clients/ hands out, a line for each. For a line on standard input it
 * prints all that it knows. It ends with its input. */

#include "listener/listener.h"

#include "listener/autoptr.h"

#include <glib-unix.h>
#include <stdio.h>
#include <unistd.h>

static const char *const starts[] = {
        [STREAM_NOW] = "now",
        [STREAM_RESUMED] = "resumed",
        [STREAM_LOST] = "lost",
        [STREAM_ANEW] = "anew",
};

static void on_stream(const char *connection, StreamStart start, const Inventory *before, void *data)
{
        printf("stream %s %s\n", connection, starts[start]);
}

static void on_ended(const char *connection, void *data)
{
        printf("ended %s\n", connection);
}

static void on_event(const Event *event, void *data)
{
        printf("event %s %" G_GUINT64_FORMAT " %s %s\n", event->connection, event->number, event->kind,
               event->path);
}

static void on_away(void *data)
{
        printf("away\n");
}

static void on_failed(const sd_bus_error *error, void *data)
{
        printf("failed %s\n", error->name);
}

static void on_gone(int error, void *data)
{
        g_main_loop_quit(data);
}

static const ListenerOwner owner = {
        .stream = on_stream,
        .ended = on_ended,
        .event = on_event,
        .away = on_away,
        .failed = on_failed,
        .gone = on_gone,
};

typedef struct Program {
        Listener *listener;
        GMainLoop *loop;
} Program;

/* All properties of all objects that every event tells. */
static GVariant *knowledge(const Inventory *inventory)
{
        static const char *const names[] = {"Active",     "Autostart", "Id",          "Name", "OSType",
                                            "Persistent", "State",     "StateReason", "UUID", NULL};
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);
        GVariantBuilder objects;

        g_variant_builder_init(&objects, G_VARIANT_TYPE("a{sa{sv}}"));
        for (guint i = 0; i < paths->len; i++) {
                if (inventory_is_connection(inventory, paths->pdata[i]))
                        continue;
                g_variant_builder_open(&objects, G_VARIANT_TYPE("{sa{sv}}"));
                g_variant_builder_add(&objects, "s", paths->pdata[i]);
                g_variant_builder_open(&objects, G_VARIANT_TYPE_VARDICT);
                for (gsize j = 0; names[j]; j++) {
                        GVariant *value = inventory_value(inventory, paths->pdata[i], names[j]);

                        if (value)
                                g_variant_builder_add(&objects, "{sv}", names[j], value);
                }
                g_variant_builder_close(&objects);
                g_variant_builder_close(&objects);
        }

        return g_variant_ref_sink(g_variant_builder_end(&objects));
}

static gboolean on_input(int fd, GIOCondition condition, void *data)
{
        Program *program = data;
        const Inventory *inventory = listener_inventory(program->listener);
        char line[64];

        if (read(fd, line, sizeof line) <= 0) {
                g_main_loop_quit(program->loop);
                return G_SOURCE_REMOVE;
        }

        if (inventory) {
                g_autoptr(GVariant) known = knowledge(inventory);
                g_autofree char *text = g_variant_print(known, TRUE);

                printf("known %s\n", text);
        } else {
                printf("known @a{sa{sv}} {}\n");
        }

        return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_autoptr(sd_bus) bus = NULL;
        g_autoptr(Listener) listener = NULL;
        Program program;

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc != 2 || sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, argv[1]) < 0 ||
            sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0)
                return 1;

        listener = listener_new(bus, &owner, loop);
        if (listener_start(listener) < 0)
                return 1;

        program = (Program){.listener = listener, .loop = loop};
        g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input, &program);
        g_main_loop_run(loop);
        return 0;
}
