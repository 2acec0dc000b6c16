/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* guestbusctl doctor: what is wrong between a user and the guests, and the command that mends it. It asks the
 * bus, the service and, by way of the service, libvirt; advice.c knows what the answers mean. Nothing that it
 * calls changes anything, and nothing asks for a password. */

#include "guestbusctl/advice.h"
#include "guestbusctl/command.h"
#include "guestbusctl/guest.h"
#include "guestbusctl/json.h"
#include "guestbusctl/text.h"
#include "listener/autoptr.h"
#include "listener/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DRIVER        "org.freedesktop.DBus"
#define DRIVER_PATH   "/org/freedesktop/DBus"
#define POLKIT        "org.freedesktop.PolicyKit1"
#define COMPATIBLE    "org.libvirt"
#define IFACE_CONNECT "org.libvirt.Connect"

/* After this time a service or a libvirt that has not answered does not answer. */
#define ANSWER_US (5 * G_TIME_SPAN_SECOND)

/* polkit may take its time, and so may a comparison of many objects. */
#define LONG_ANSWER_US (60 * G_TIME_SPAN_SECOND)

typedef struct Doctor {
        sd_bus *bus;
        Site site;
        GPtrArray *advice;
        guint connections, guests;
} Doctor;

static void find(Doctor *doctor, Fault fault, const char *cause)
{
        advice_add(doctor->advice, advice_new(&(Finding){.fault = fault, .cause = cause}, &doctor->site));
}

static void find_there(Doctor *doctor, Fault fault, const Inventory *inventory, const char *connection,
                       const char *cause)
{
        const Finding finding = {
                .fault = fault,
                .connection = connection_name(connection),
                .uri = inventory_text(inventory, connection, "URI"),
                .cause = cause,
        };

        advice_add(doctor->advice, advice_new(&finding, &doctor->site));
}

static gboolean is_healthy(const GPtrArray *all)
{
        for (guint i = 0; i < all->len; i++)
                if (!((const Advice *)all->pdata[i])->note)
                        return FALSE;

        return TRUE;
}

/* Calls a method without arguments, or with one text. @error is set if it fails. */
static int call(Doctor *doctor, const char *name, const char *path, const char *interface, const char *member,
                guint64 within, sd_bus_error *error, sd_bus_message **reply, const char *argument)
{
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(doctor->bus, &message, name, path, interface, member);

        if (r >= 0 && argument)
                r = sd_bus_message_append(message, "s", argument);
        if (r >= 0)
                r = sd_bus_call(doctor->bus, message, within, error, reply);
        if (r < 0 && !sd_bus_error_is_set(error))
                sd_bus_error_set_errno(error, r);
        return r;
}

static int ask_driver(Doctor *doctor, const char *member, const char *argument, sd_bus_error *error,
                      sd_bus_message **reply)
{
        return call(doctor, DRIVER, DRIVER_PATH, DRIVER, member, LONG_ANSWER_US, error, reply, argument);
}

/* Sets @owner to NULL if there is none. Returns a negative errno if the bus does not say. */
static int read_owner(Doctor *doctor, const char *name, char **owner, sd_bus_error *error)
{
        g_autoptr(sd_bus_message) reply = NULL;
        const char *unique;
        int r = ask_driver(doctor, "GetNameOwner", name, error, &reply);

        if (r < 0 && sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                sd_bus_error_free(error);
                return 0;
        }

        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &unique);
        if (r >= 0)
                *owner = g_strdup(unique);
        return r;
}

static gboolean is_activatable(Doctor *doctor, const char *name)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        const char *each;

        if (ask_driver(doctor, "ListActivatableNames", NULL, &error, &reply) < 0 ||
            sd_bus_message_enter_container(reply, 'a', "s") < 0)
                return FALSE;

        while (sd_bus_message_read(reply, "s", &each) > 0)
                if (g_str_equal(each, name))
                        return TRUE;

        return FALSE;
}

static gboolean start_service(Doctor *doctor)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) message = NULL;
        int r;

        if (!is_activatable(doctor, SERVICE)) {
                find(doctor, FAULT_NOT_INSTALLED, NULL);
                return FALSE;
        }

        r = sd_bus_call_method(doctor->bus, DRIVER, DRIVER_PATH, DRIVER, "StartServiceByName", &error, NULL,
                               "su", SERVICE, 0);
        if (r < 0)
                find(doctor, FAULT_NOT_STARTED, error.message ? error.message : g_strerror(-r));
        return r >= 0;
}

/* The other name, which clients of libvirt-dbus call. */
static void check_names(Doctor *doctor, const char *service)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) reply = NULL;
        g_autofree char *owner = NULL, *cause = NULL;
        guint32 pid = 0;

        if (read_owner(doctor, COMPATIBLE, &owner, &error) < 0 || g_strcmp0(owner, service) == 0)
                return;

        if (!owner) {
                find(doctor, FAULT_NAME_FREE, NULL);
                return;
        }

        if (ask_driver(doctor, "GetConnectionUnixProcessID", owner, &error, &reply) >= 0 &&
            sd_bus_message_read(reply, "u", &pid) >= 0)
                cause = g_strdup_printf("process %u", pid);
        find(doctor, FAULT_NAME_TAKEN, cause);
}

/* Whether there is a service, and its unique name. */
static char *find_service(Doctor *doctor)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *owner = NULL;
        int r = read_owner(doctor, SERVICE, &owner, &error);

        if (r >= 0 && !owner && start_service(doctor))
                r = read_owner(doctor, SERVICE, &owner, &error);
        if (r < 0)
                find(doctor, FAULT_BUS, error.message);
        return g_steal_pointer(&owner);
}

/* The service answers a Ping of any caller, so that only the bus can refuse it. */
static gboolean is_answering(Doctor *doctor)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        if (call(doctor, SERVICE, ROOT, "org.freedesktop.DBus.Peer", "Ping", ANSWER_US, &error, NULL, NULL) >=
            0)
                return TRUE;

        find(doctor, sd_bus_error_has_name(&error, SD_BUS_ERROR_ACCESS_DENIED) ? FAULT_POLICY : FAULT_SILENT,
             error.message);
        return FALSE;
}

/* A right that polkit has not given because there is none to ask. */
static Fault polkit_fault(Doctor *doctor, Fault refused)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *owner = NULL;

        if (read_owner(doctor, POLKIT, &owner, &error) < 0 || owner)
                return refused;

        return is_activatable(doctor, POLKIT) ? FAULT_POLKIT_FAILED : FAULT_POLKIT_ABSENT;
}

/* What an error of the service means, of a call that takes the right to monitor or to manage. */
static Fault fault_of_error(Doctor *doctor, const sd_bus_error *error, gboolean manage)
{
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                return manage ? FAULT_MANAGE_PASSWORD : FAULT_MONITOR_PASSWORD;
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
                return fault_of_connection(error->message) == FAULT_IDENTITY
                               ? FAULT_IDENTITY
                               : polkit_fault(doctor, manage ? FAULT_MANAGE_REFUSED : FAULT_MONITOR_REFUSED);
        if (sd_bus_error_has_name(error, "org.libvirt.Error"))
                return fault_of_connection(error->message);
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT) ||
            sd_bus_error_get_errno(error) == ETIMEDOUT)
                return FAULT_LIBVIRT_SILENT;

        return FAULT_SERVICE;
}

/* A call of a manager's method without its arguments: the service looks at the right first, and refuses it in
 * any case. */
static void check_manage(Doctor *doctor, const Inventory *inventory, const char *connection)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;

        if (call(doctor, SERVICE, connection, IFACE_CONNECT, "DomainCreateXML", LONG_ANSWER_US, &error, NULL,
                 NULL) < 0 &&
            !sd_bus_error_has_name(&error, SD_BUS_ERROR_INVALID_ARGS))
                find_there(doctor, fault_of_error(doctor, &error, TRUE), inventory, connection,
                           error.message);
}

/* Asks libvirt itself for something. */
static void check_libvirt(Doctor *doctor, const Inventory *inventory, const char *connection)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(sd_bus_message) message = NULL, reply = NULL;
        guint64 version = 0;
        int r = sd_bus_message_new_method_call(doctor->bus, &message, SERVICE, connection,
                                               "org.freedesktop.DBus.Properties", "Get");

        if (r >= 0)
                r = sd_bus_message_append(message, "ss", IFACE_CONNECT, "LibVersion");
        if (r >= 0)
                r = sd_bus_call(doctor->bus, message, ANSWER_US, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "v", "t", &version);
        if (r < 0 && !sd_bus_error_is_set(&error))
                sd_bus_error_set_errno(&error, r);

        if (r < 0)
                find_there(doctor, fault_of_error(doctor, &error, FALSE), inventory, connection,
                           error.message);
        else if (is_old_libvirt(version))
                find_there(doctor, FAULT_OLD_LIBVIRT, inventory, connection, NULL);
}

static void check_events(Doctor *doctor, const Inventory *inventory, const char *connection)
{
        GVariant *changes = inventory_value(inventory, connection, "Changes");
        GVariantIter iter;
        const char *how;

        if (!changes || !g_variant_is_of_type(changes, G_VARIANT_TYPE("a{ss}")))
                return;

        g_variant_iter_init(&iter, changes);
        while (g_variant_iter_next(&iter, "{s&s}", NULL, &how))
                if (g_str_equal(how, "polling")) {
                        find_there(doctor, FAULT_NO_EVENTS, inventory, connection, NULL);
                        return;
                }
}

/* The objects of a connection that are stale, in words; NULL if there is none. */
static char *stale_objects(const Inventory *inventory, const char *connection)
{
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);
        g_autofree char *first = NULL;
        guint n = 0;

        for (guint i = 0; i < paths->len; i++) {
                g_autofree char *its = path_connection(paths->pdata[i]);

                if (g_strcmp0(its, connection) != 0 || !inventory_flag(inventory, paths->pdata[i], "Stale"))
                        continue;
                if (n++ == 0) {
                        g_autofree char *collection = path_collection(paths->pdata[i]);

                        first = g_strdup_printf("%s %s", collection ? collection : "",
                                                inventory_text(inventory, paths->pdata[i], "Name"));
                }
        }

        return n > 1 ? g_strdup_printf("%s and %u more", first, n - 1) : g_steal_pointer(&first);
}

/* Objects are stale for a moment when a connection opens: those that still are after a comparison stay so. */
static void check_stale(Doctor *doctor, const Inventory *inventory, const char *connection)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(Inventory) now = NULL;
        g_autofree char *before = stale_objects(inventory, connection), *after = NULL;

        if (!before)
                return;

        if (call(doctor, SERVICE, connection, IFACE_CONNECTION, "Resync", LONG_ANSWER_US, &error, NULL,
                 NULL) >= 0)
                now = command_picture(doctor->bus, FALSE, NULL, &error);
        after = stale_objects(now ? now : inventory, connection);
        if (after)
                find_there(doctor, FAULT_STALE, inventory, connection, after);
}

/* Another hypervisor than libvirt's test driver, which is everywhere. */
static gboolean is_real(const Inventory *inventory, const char *connection)
{
        const char *driver = inventory_text(inventory, connection, "Driver");

        return inventory_is_connected(inventory, connection) && g_ascii_strcasecmp(driver, "test") != 0;
}

/* @some: a hypervisor is connected, so that one that was never there is none of this host's: the service
 * tries all that libvirt knows. */
static void check_closed(Doctor *doctor, const Inventory *inventory, const char *connection, gboolean some)
{
        const char *error = inventory_text(inventory, connection, "LastError");
        Fault fault = fault_of_connection(error);
        gboolean never = !*inventory_text(inventory, connection, "Driver");
        g_autofree char *unit = unit_of_error(error);

        if (some && never && unit && fault == FAULT_SOCKET_ABSENT)
                fault = FAULT_HYPERVISOR_ABSENT;
        find_there(doctor, fault, inventory, connection,
                   fault == FAULT_HYPERVISOR_ABSENT ? NULL
                   : *error                         ? error
                                                    : "it is being opened");
}

static gboolean has_real(const Inventory *inventory, const GPtrArray *paths)
{
        for (guint i = 0; i < paths->len; i++)
                if (inventory_is_connection(inventory, paths->pdata[i]) &&
                    is_real(inventory, paths->pdata[i]))
                        return TRUE;

        return FALSE;
}

/* Nothing is out of order, and yet there is no hypervisor. */
static void check_hypervisors(Doctor *doctor)
{
        for (guint i = 0; i < doctor->advice->len; i++)
                if (((const Advice *)doctor->advice->pdata[i])->fault == FAULT_HYPERVISOR_ABSENT) {
                        find(doctor, FAULT_NO_HYPERVISOR, NULL);
                        return;
                }
}

static void check_connections(Doctor *doctor, const Inventory *inventory)
{
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);
        gboolean some = has_real(inventory, paths);

        for (guint i = 0; i < paths->len; i++) {
                const char *path = paths->pdata[i];

                doctor->guests += guest_is(path);
                if (!inventory_is_connection(inventory, path))
                        continue;

                if (!inventory_is_connected(inventory, path)) {
                        check_closed(doctor, inventory, path, some);
                        continue;
                }

                doctor->connections++;
                check_libvirt(doctor, inventory, path);
                check_manage(doctor, inventory, path);
                check_stale(doctor, inventory, path);
                check_events(doctor, inventory, path);
        }

        if (!some && is_healthy(doctor->advice))
                check_hypervisors(doctor);
}

/* All that can be asked; what fails makes what follows it pointless. */
static void examine(Doctor *doctor)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autofree char *service = find_service(doctor);
        g_autoptr(Inventory) inventory = NULL;

        if (service && is_answering(doctor)) {
                inventory = command_picture(doctor->bus, FALSE, NULL, &error);
                if (inventory)
                        check_connections(doctor, inventory);
                else
                        find(doctor, fault_of_error(doctor, &error, FALSE), error.message);
        }

        if (service)
                check_names(doctor, service);
}

static void print_json(const GPtrArray *all)
{
        g_autoptr(GString) json = g_string_new("[");

        for (guint i = 0; i < all->len; i++) {
                const Advice *advice = all->pdata[i];
                g_auto(GStrv) names = g_strsplit(advice->connections ? advice->connections : "", ", ", -1);
                g_autoptr(GVariant) connections =
                        g_variant_ref_sink(g_variant_new_strv((const char *const *)names, -1));
                g_autoptr(GVariant) commands =
                        g_variant_ref_sink(g_variant_new_strv((const char *const *)advice->commands, -1));

                g_string_append(json, i == 0 ? "{" : ",\n {");
                json_add_member(json, "what", advice->word);
                json_add_key(json, "fault");
                g_string_append(json, advice->note ? "false" : "true");
                json_add_key(json, "connections");
                json_add_value(json, connections);
                json_add_member(json, "text", advice->text);
                json_add_key(json, "commands");
                json_add_value(json, commands);
                g_string_append_c(json, '}');
        }
        printf("%s]\n", json->str);
}

static void print_text(const Doctor *doctor, gboolean healthy)
{
        for (guint i = 0; i < doctor->advice->len; i++) {
                const Advice *advice = doctor->advice->pdata[i];
                g_autofree char *title = advice_title(advice), *line = text_escape(title);

                puts(line);
                for (char **command = advice->commands; *command; command++) {
                        g_autofree char *escaped = text_escape(*command);

                        printf("    %s\n", escaped);
                }
        }

        if (healthy)
                printf("nothing is wrong: %u connection%s, %u guest%s\n", doctor->connections,
                       doctor->connections == 1 ? "" : "s", doctor->guests, doctor->guests == 1 ? "" : "s");
}

static void visit(Doctor *doctor, const Place *place)
{
        int r = command_connect(place, &doctor->bus);

        if (r < 0)
                find(doctor, FAULT_BUS, g_strerror(-r));
        else
                examine(doctor);
}

int command_doctor(Place *place, int argc, char **argv)
{
        gboolean json = FALSE, healthy;
        const GOptionEntry entries[] = {
                {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print an array of JSON objects", NULL},
                {NULL},
        };
        g_autoptr(GPtrArray) advice = g_ptr_array_new_with_free_func((GDestroyNotify)advice_free);
        Doctor doctor = {.advice = advice};

        if (!command_parse(place, "- what is wrong, and the command that mends it", entries, &argc, &argv))
                return STATUS_USAGE;

        if (argc > 1) {
                complain("unexpected argument \"%s\"; see --help", argv[1]);
                return STATUS_USAGE;
        }

        doctor.site = (Site){.user = place->user, .address = place->address, .account = g_get_user_name()};
        visit(&doctor, place);
        sd_bus_flush_close_unref(doctor.bus);

        healthy = is_healthy(advice);
        if (json)
                print_json(advice);
        else
                print_text(&doctor, healthy);
        return healthy ? STATUS_DONE : STATUS_FAILED;
}
