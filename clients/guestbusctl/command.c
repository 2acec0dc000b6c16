/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all commands have in common: options, the bus, errors. */

#include "guestbusctl/command.h"

#include "guestbusctl/text.h"
#include "listener/autoptr.h"
#include "listener/names.h"
#include "listener/value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* What the service says may have names in it that were not made for a terminal; its lines are its own. */
void complain(const char *format, ...)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = g_strdup_vprintf(format, arguments);
        va_end(arguments);

        lines = g_strsplit(text, "\n", -1);
        for (guint i = 0; lines[i]; i++) {
                g_autofree char *line = text_escape(lines[i]);

                fprintf(stderr, "%s%s\n", i == 0 ? "guestbusctl: " : "", line);
        }
}

const char *error_words(const sd_bus_error *error)
{
        if (sd_bus_error_has_names(error, "org.freedesktop.DBus.Error.ServiceUnknown",
                                   "org.freedesktop.DBus.Error.NameHasNoOwner"))
                return "the service is not running, and the bus does not start it (systemctl status "
                       "guestbusd)";

        return error->message ? error->message : error->name;
}

void command_add_bus(GOptionContext *context, Place *place)
{
        const GOptionEntry entries[] = {
                {"system", 0, 0, G_OPTION_ARG_NONE, &place->system, "Use the system bus (default)", NULL},
                {"user", 0, 0, G_OPTION_ARG_NONE, &place->user, "Use the bus of this user's session", NULL},
                {"address", 0, 0, G_OPTION_ARG_STRING, &place->address, "Use the bus at this D-Bus address",
                 "ADDRESS"},
                {NULL},
        };

        g_option_context_add_main_entries(context, entries, NULL);
}

gboolean command_parse(Place *place, const char *usage, const GOptionEntry *entries, int *argc, char ***argv)
{
        g_autoptr(GOptionContext) context = g_option_context_new(usage);
        g_autoptr(GError) error = NULL;

        g_option_context_add_main_entries(context, entries, NULL);
        command_add_bus(context, place);
        if (!g_option_context_parse(context, argc, argv, &error)) {
                complain("%s", error->message);
                return FALSE;
        }

        if (place->system + place->user + (place->address != NULL) > 1) {
                complain("--system, --user and --address exclude each other");
                return FALSE;
        }

        return TRUE;
}

static int open_address(sd_bus **bus, const char *address)
{
        g_autoptr(sd_bus) opened = NULL;
        int r = sd_bus_new(&opened);

        if (r >= 0)
                r = sd_bus_set_address(opened, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(opened, 1);
        if (r >= 0)
                r = sd_bus_start(opened);
        if (r >= 0)
                *bus = g_steal_pointer(&opened);
        return r;
}

int command_connect(const Place *place, sd_bus **bus)
{
        return place->address ? open_address(bus, place->address)
               : place->user  ? sd_bus_open_user(bus)
                              : sd_bus_open_system(bus);
}

sd_bus *command_open(const Place *place)
{
        g_autoptr(sd_bus) bus = NULL;
        int r = command_connect(place, &bus);

        /* polkit's agent may ask for a password. */
        if (r >= 0)
                r = sd_bus_set_allow_interactive_authorization(bus, 1);
        if (r < 0) {
                complain("failed to connect to %s: %s",
                         place->address ? place->address
                         : place->user  ? "the bus of this user's session"
                                        : "the system bus",
                         g_strerror(-r));
                return NULL;
        }

        return g_steal_pointer(&bus);
}

static int ask(sd_bus *bus, gboolean auto_start, sd_bus_message **reply, sd_bus_error *error)
{
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(bus, &message, SERVICE, ROOT, IFACE_MANAGER,
                                               "GetManagedObjects");

        if (r >= 0)
                r = sd_bus_message_set_auto_start(message, auto_start);
        return r < 0 ? r : sd_bus_call(bus, message, PICTURE_US, error, reply);
}

Inventory *command_picture(sd_bus *bus, gboolean auto_start, char **service, sd_bus_error *error)
{
        g_autoptr(sd_bus_message) reply = NULL;
        g_autoptr(GVariant) body = NULL, objects = NULL;
        int r = ask(bus, auto_start, &reply, error);

        if (r >= 0)
                r = value_read_all(reply, &body);
        if (r >= 0 && !g_variant_is_of_type(body, G_VARIANT_TYPE("(a{oa{sa{sv}}})")))
                r = -EBADMSG;
        if (r < 0) {
                if (!sd_bus_error_is_set(error))
                        sd_bus_error_set_errno(error, r);
                return NULL;
        }

        objects = g_variant_get_child_value(body, 0);
        if (service)
                *service = g_strdup(sd_bus_message_get_sender(reply));
        return inventory_new(objects, NULL);
}
