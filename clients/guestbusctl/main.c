/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* guestbusctl: what guests do, for people and scripts. An ordinary client of the service. */

#include "guestbusctl/command.h"

#include <locale.h>
#include <stdio.h>

static const struct Command {
        const char *name;
        const char *summary;
        int (*run)(Place *place, int argc, char **argv);
} commands[] = {
        {"doctor", "what is wrong, and the command that mends it", command_doctor},
        {"list", "all guests of all connections, and their states", command_list},
        {"monitor", "a line for each event, as it happens", command_monitor},
        {"wait", "wait until a guest is in a state", command_wait},
};

static void place_clear(Place *place)
{
        g_free(place->address);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static char *summary(void)
{
        GString *text = g_string_new("Commands:");

        for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
                g_string_append_printf(text, "\n  %-10s %s", commands[i].name, commands[i].summary);
        g_string_append(text, "\n\n\"guestbusctl COMMAND --help\" has the options of a command.");
        return g_string_free(text, FALSE);
}

static const struct Command *find_command(const char *name)
{
        for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
                if (g_str_equal(commands[i].name, name))
                        return &commands[i];

        return NULL;
}

/* Up to the command. */
static gboolean parse(Place *place, gboolean *version, int *argc, char ***argv)
{
        const GOptionEntry entries[] = {
                {"version", 0, 0, G_OPTION_ARG_NONE, version, "Print the version and exit", NULL},
                {NULL},
        };
        g_autoptr(GOptionContext) context = g_option_context_new("COMMAND ...");
        g_autofree char *text = summary();
        g_autoptr(GError) error = NULL;

        g_option_context_set_summary(context, text);
        g_option_context_set_strict_posix(context, TRUE);
        g_option_context_add_main_entries(context, entries, NULL);
        command_add_bus(context, place);
        if (g_option_context_parse(context, argc, argv, &error))
                return TRUE;

        complain("%s", error->message);
        return FALSE;
}

int main(int argc, char **argv)
{
        const struct Command *command;
        gboolean version = FALSE;
        g_autofree char *name = NULL;
        g_auto(Place) place = {0};

        setlocale(LC_ALL, "");
        if (!parse(&place, &version, &argc, &argv))
                return STATUS_USAGE;

        if (version) {
                printf("guestbusctl %s\n", GUESTBUS_VERSION);
                return STATUS_DONE;
        }

        command = argc > 1 ? find_command(argv[1]) : NULL;
        if (!command) {
                complain(argc > 1 ? "there is no command \"%s\"; see --help" : "no command%s; see --help",
                         argc > 1 ? argv[1] : "");
                return STATUS_USAGE;
        }

        g_set_prgname(name = g_strconcat("guestbusctl ", command->name, NULL));
        return command->run(&place, argc - 1, argv + 1);
}
