/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How much is logged, as systemd's own services let it be asked and changed.
 *
 * This is the one object that is an sd-bus vtable: nobody else is asked for what it has. A property of a
 * vtable that is not marked as unprivileged may be written by root and the service's own user alone. sd-bus
 * finds out who writes by asking the bus, and waits for its answer: for a round trip to a program that has
 * just delivered the message, and without which nothing goes on anyway. */

#include "logcontrol.h"

#include "logging.h"

#include <glib.h>
#include <string.h>

static const char *const levels[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", levels[logging_level()]);
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *error)
{
        const char *word;
        int r = sd_bus_message_read(value, "s", &word);

        if (r < 0)
                return r;

        for (size_t i = 0; i < G_N_ELEMENTS(levels); i++)
                if (strcmp(word, levels[i]) == 0) {
                        /* At the higher of the two levels, so that the end of a wordy time is logged, too. */
                        logging_set_level(MAX((int)i, logging_level()));
                        g_message("logging up to level %s", word);
                        logging_set_level((int)i);
                        return 0;
                }

        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
                                 "\"%s\" is not a level of logs: emerg, alert, crit, err, warning, notice, "
                                 "info, debug",
                                 word);
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", logging_to_journal() ? "journal" : "console");
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", LOGGING_IDENTIFIER);
}

/* The target is what standard error is. It is not changed: the journal is found by that, too. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_PROPERTY("LogTarget", "s", get_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int logcontrol_add(sd_bus *bus)
{
        return sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", vtable, NULL);
}
