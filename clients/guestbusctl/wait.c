/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* guestbusctl wait: until a guest is in one of some states. The service waits, so that no change is missed
 * between the look and the wait; should the service go meanwhile, the wait goes on with the next one. */

#include "guestbusctl/command.h"
#include "guestbusctl/guest.h"
#include "guestbusctl/text.h"
#include "listener/autoptr.h"
#include "listener/names.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* How often a service that has left is looked for. */
#define AGAIN_US (500 * G_TIME_SPAN_MILLISECOND)

/* What the service takes: milliseconds in 32 bits. */
#define SECONDS_MAX (G_MAXUINT32 / 1000)

/* Beyond what the service was given for its answer. */
#define ANSWER_US (10 * G_TIME_SPAN_SECOND)

typedef struct Wait {
        sd_bus *bus;
        const char *guest; /* as the user calls it */
        char *path;        /* of the guest, as soon as it was found */
        char **states;
        gint64 deadline; /* monotonic; G_MAXINT64: none */
        guint32 settle;  /* milliseconds */
        gboolean said;   /* that there is no service */
} Wait;

static gint64 left_us(const Wait *wait)
{
        return wait->deadline == G_MAXINT64 ? G_MAXINT64 : wait->deadline - g_get_monotonic_time();
}

/* Whether a call failed because the service was not there, or left. */
static gboolean is_away(const sd_bus_error *error)
{
        return sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                      SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_DISCONNECTED) ||
               g_strcmp0(error->message, "the service is stopping") == 0;
}

static gboolean is_awaited(const Wait *wait, const char *state)
{
        return g_strv_contains((const char *const *)wait->states, state);
}

static int done(const char *state)
{
        puts(state);
        return STATUS_DONE;
}

static int timed_out(const Wait *wait)
{
        complain("%s: the time is over", wait->guest);
        return STATUS_TIMEOUT;
}

/* Whether each connection is there, so that a guest which is not found is none. */
static gboolean is_entire(const Inventory *inventory)
{
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);

        for (guint i = 0; i < paths->len; i++)
                if (inventory_is_connection(inventory, paths->pdata[i]) &&
                    !inventory_is_connected(inventory, paths->pdata[i]))
                        return FALSE;

        return TRUE;
}

/* Finds the guest; returns a status, or -1 when it is there, or may be. */
static int find(Wait *wait, const Inventory *inventory)
{
        g_autoptr(GPtrArray) found = guest_find(inventory, wait->path ? wait->path : wait->guest);
        g_autofree char *text = NULL;

        if (found->len == 1) {
                g_free(wait->path);
                wait->path = g_strdup(found->pdata[0]);
                return -1;
        }

        if (found->len > 1) {
                text = guest_candidates(inventory, wait->guest, found);
                complain("%s", text);
                return STATUS_NOT_FOUND;
        }

        if (!is_entire(inventory) && wait->path)
                return -1;

        if (is_entire(inventory) && is_awaited(wait, "gone"))
                return done("gone");

        complain("there is no guest \"%s\"%s", wait->guest,
                 is_entire(inventory) ? "" : ", but not all connections are there");
        return STATUS_NOT_FOUND;
}

static int ask(const Wait *wait, const char *service, sd_bus_message **reply, sd_bus_error *error)
{
        g_autoptr(sd_bus_message) message = NULL;
        gint64 left = left_us(wait);
        int r = sd_bus_message_new_method_call(wait->bus, &message, service, wait->path, IFACE_DOMAIN,
                                               "WaitForState");

        if (r >= 0)
                r = sd_bus_message_append_strv(message, wait->states);
        if (r >= 0)
                r = sd_bus_message_append(message, "u",
                                          left == G_MAXINT64 ? 0 : (guint32)MAX(left / 1000, 1));
        if (r >= 0)
                r = wait->settle > 0 ? sd_bus_message_append(message, "a{sv}", 1, "settle", "u", wait->settle)
                                     : sd_bus_message_append(message, "a{sv}", 0);
        if (r < 0)
                return r;

        return sd_bus_call(wait->bus, message, left == G_MAXINT64 ? UINT64_MAX : (guint64)(left + ANSWER_US),
                           error, reply);
}

/* Lets the service wait. Returns a status, or -1 when it went meanwhile. */
static int wait_there(Wait *wait, const char *service)
{
        g_autoptr(sd_bus_message) reply = NULL;
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        const char *state = "";
        int r = ask(wait, service, &reply, &error);

        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &state);
        if (r >= 0)
                return done(state);

        if (!sd_bus_error_is_set(&error))
                sd_bus_error_set_errno(&error, r);
        if (is_away(&error))
                return -1;

        if (sd_bus_error_has_name(&error, ERROR_TIMEOUT))
                return timed_out(wait);

        complain("%s", error_words(&error));
        return STATUS_FAILED;
}

/* Returns a status, or -1 to try again. */
static int attempt(Wait *wait, gboolean first)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        g_autoptr(Inventory) inventory = NULL;
        g_autofree char *service = NULL;
        int status;

        inventory = command_picture(wait->bus, first, &service, &error);
        if (inventory) {
                status = find(wait, inventory);
                return status >= 0 || !inventory_has(inventory, wait->path) ? status
                                                                            : wait_there(wait, service);
        }

        if (first || !is_away(&error)) {
                complain("%s", error_words(&error));
                return STATUS_FAILED;
        }

        if (!wait->said)
                complain("the service has left the bus; waiting for it");
        wait->said = TRUE;
        return -1;
}

static int run(Wait *wait)
{
        int status = attempt(wait, TRUE);

        while (status < 0) {
                if (left_us(wait) <= 0)
                        return timed_out(wait);
                g_usleep((gulong)MIN(AGAIN_US, left_us(wait)));
                status = attempt(wait, FALSE);
        }

        return status;
}

static gboolean is_seconds(const char *option, double seconds)
{
        if (isfinite(seconds) && seconds >= 0 && seconds <= SECONDS_MAX)
                return TRUE;

        complain("%s is %g, but must be a number of seconds up to %u", option, seconds, SECONDS_MAX);
        return FALSE;
}

int command_wait(Place *place, int argc, char **argv)
{
        double timeout = 0, settle = 0;
        const GOptionEntry entries[] = {
                {"timeout", 't', 0, G_OPTION_ARG_DOUBLE, &timeout,
                 "Give up after so many seconds, with status 4 (default: never)", "SECONDS"},
                {"settle", 's', 0, G_OPTION_ARG_DOUBLE, &settle,
                 "Wait until the guest has been in one of the states for so many seconds without a break",
                 "SECONDS"},
                {NULL},
        };
        g_autoptr(sd_bus) bus = NULL;
        Wait wait = {.deadline = G_MAXINT64};
        int status;

        if (!command_parse(place, "GUEST STATE... - wait until a guest is in one of these states", entries,
                           &argc, &argv) ||
            !is_seconds("--timeout", timeout) || !is_seconds("--settle", settle))
                return STATUS_USAGE;

        if (argc < 3) {
                complain("a guest and at least one state are needed; see --help");
                return STATUS_USAGE;
        }

        bus = command_open(place);
        if (!bus)
                return STATUS_FAILED;

        wait.bus = bus;
        wait.guest = argv[1];
        wait.states = argv + 2;
        wait.settle = (guint32)(settle * 1000);
        if (timeout > 0)
                wait.deadline = g_get_monotonic_time() + (gint64)(timeout * G_TIME_SPAN_SECOND);

        status = run(&wait);
        g_free(wait.path);
        return status;
}
