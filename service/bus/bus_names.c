/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The instance that owns org.guestbus1 is the one that serves. Another program, such as libvirt-dbus, may own
 * org.libvirt, which is no obstacle; and a bus may refuse one of the two names, such as one that has the
 * policy of libvirt-dbus. */

#include "bus/bus_names.h"

#include "base/service_manager.h"
#include "base/thread.h"
#include "bus/autoptr.h"

#include <gio/gio.h>
#include <string.h>

#define NAME_COMPATIBLE "org.libvirt"
#define NAME_OWN        "org.guestbus1"

#define MATCH                                                                                                \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                          \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" NAME_OWN "'"

/* How often to check the owner of the name while waiting for its end, in case the bus does not report that;
 * and how long the owner has to answer. */
#define LOOK_US    (5 * G_TIME_SPAN_SECOND)
#define ANSWERS_US (1 * G_TIME_SPAN_SECOND)

/* A bus that refuses both names does so until its policy changes. The service manager starts us again a
 * moment after we have ended, so we have to wait here. */
#define REFUSED_US (5 * G_TIME_SPAN_SECOND)

static int on_change(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        return 0;
}

/* FALSE also when the bus cannot be asked. */
static gboolean has_owner(sd_bus *bus)
{
        g_autoptr(sd_bus_message) reply = NULL;
        int has = FALSE;

        if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "NameHasOwner", NULL, &reply, "s", NAME_OWN) >= 0)
                sd_bus_message_read(reply, "b", &has);

        return has;
}

/* A dbus-daemon that did not read from the owner any more sees that it has left when it writes to it. */
static void try_owner(sd_bus *bus)
{
        g_autoptr(sd_bus_message) ping = NULL;

        if (sd_bus_message_new_method_call(bus, &ping, NAME_OWN, "/", "org.freedesktop.DBus.Peer", "Ping") >=
            0)
                sd_bus_call(bus, ping, ANSWERS_US, NULL, NULL);
}

static void wait_for_its_end(sd_bus *bus)
{
        g_message("another instance owns %s; waiting until it has ended", NAME_OWN);
        service_manager_waiting("another instance owns " NAME_OWN "; waiting until it has ended");
        while (has_owner(bus)) {
                service_manager_alive();
                if (sd_bus_wait(bus, LOOK_US) == 0)
                        try_owner(bus);
                while (sd_bus_process(bus, NULL) > 0)
                        continue;
        }
}

void bus_names_wait(BusKind kind, const char *address)
{
        sd_bus *bus = NULL;

        ASSERT_MAIN();
        if (!service_manager_is_wanted())
                return;

        if (bus_open(&bus, kind, address) >= 0 && sd_bus_add_match(bus, NULL, MATCH, on_change, NULL) >= 0 &&
            has_owner(bus))
                wait_for_its_end(bus);

        sd_bus_close(bus);
        sd_bus_unref(bus);
}

/* The first is refused: can it serve under the other? */
static gboolean take_compatible_alone(BusName taken, const GError *own, const GError *compatible,
                                      GError **error)
{
        switch (taken) {
        case BUS_NAME_OWNED:
                g_warning("%s; serving as %s alone", own->message, NAME_COMPATIBLE);
                return TRUE;
        case BUS_NAME_TAKEN:
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                            "%s, and another program owns %s; --replace takes its place", own->message,
                            NAME_COMPATIBLE);
                break;
        case BUS_NAME_FAILED:
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, "%s; %s", own->message,
                            compatible->message);
                break;
        }

        if (service_manager_is_wanted())
                g_usleep(REFUSED_US);
        return FALSE;
}

static void take_compatible_too(BusName taken, const GError *compatible)
{
        if (taken == BUS_NAME_TAKEN)
                g_warning("%s is owned by another program; serving as %s until it is free", NAME_COMPATIBLE,
                          NAME_OWN);
        else if (taken == BUS_NAME_FAILED)
                g_warning("%s; serving as %s alone", compatible->message, NAME_OWN);
}

gboolean bus_names_take(BusNames *ownership, Bus *bus, gboolean replace, GError **error)
{
        g_autoptr(GError) own = NULL, compatible = NULL;
        BusName first = bus_request_name(bus, NAME_OWN, replace, &own), second;

        ASSERT_MAIN();
        if (first == BUS_NAME_TAKEN) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                            "another instance owns %s already; --replace takes its place", NAME_OWN);
                return FALSE;
        }

        ownership->own = first == BUS_NAME_OWNED;
        second = bus_request_name(bus, NAME_COMPATIBLE, replace, &compatible);
        if (!ownership->own)
                return take_compatible_alone(second, own, compatible, error);

        take_compatible_too(second, compatible);
        return TRUE;
}

gboolean bus_names_lost(const BusNames *ownership, const char *name)
{
        ASSERT_MAIN();
        if (strcmp(name, ownership->own ? NAME_OWN : NAME_COMPATIBLE) == 0) {
                g_message("%s was taken over by another %s; stopping", name,
                          ownership->own ? "instance" : "program");
                return TRUE;
        }

        if (strcmp(name, NAME_COMPATIBLE) == 0)
                g_warning("%s was taken over by another program; going on as %s", name, NAME_OWN);

        return FALSE;
}
