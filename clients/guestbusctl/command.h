/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "listener/inventory.h"

#include <systemd/sd-bus.h>

/* Exit statuses, which guestbusctl(1) documents. */
enum {
        STATUS_DONE = 0,
        STATUS_FAILED = 1,
        STATUS_USAGE = 2,
        STATUS_NOT_FOUND = 3, /* no such guest, or several */
        STATUS_TIMEOUT = 4,
};

/* Which bus. */
typedef struct Place {
        gboolean system, user;
        char *address;
} Place;

int command_doctor(Place *place, int argc, char **argv);
int command_list(Place *place, int argc, char **argv);
int command_monitor(Place *place, int argc, char **argv);
int command_wait(Place *place, int argc, char **argv);

/* The options of the bus. */
void command_add_bus(GOptionContext *context, Place *place);

/* Parses the options of a command, and those of the bus, which may stand behind the command too. @usage: what
 * follows the options. What is left are the arguments. */
gboolean command_parse(Place *place, const char *usage, const GOptionEntry *entries, int *argc, char ***argv);

/* Returns 0, or a negative errno and no @bus. */
int command_connect(const Place *place, sd_bus **bus);

/* NULL when it failed, which it has said then. */
sd_bus *command_open(const Place *place);

/* GetManagedObjects, and the unique name of the service that answered. @auto_start: the bus may start the
 * service. Returns NULL with @error set. */
Inventory *command_picture(sd_bus *bus, gboolean auto_start, char **service, sd_bus_error *error);

/* To standard error: "guestbusctl: ...". */
void complain(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* An error in the words of the service, or in ours when there is no service. */
const char *error_words(const sd_bus_error *error);
