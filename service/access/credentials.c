/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus has a function for this, but it waits for the bus. */

#include "access/credentials.h"

#include "base/error.h"
#include "base/process.h"
#include "base/thread.h"
#include "bus/autoptr.h"
#include "bus/codec.h"

#include <unistd.h>

/* A bus answers this by itself and at once, or not at all: a dbus-daemon leaves out also what it answers,
 * where the receiver is so far behind that there is no room for it. Then it is asked again, so many times in
 * all. */
#define TIMEOUT_US (5 * G_TIME_SPAN_SECOND)
#define TRIES      5

typedef struct CredentialsRequest {
        Bus *bus;
        char *sender;
        CredentialsFunc *done;
        void *data;
        unsigned tries; /* questions sent */
} CredentialsRequest;

gboolean credentials_have_group(const Credentials *credentials, gid_t group)
{
        const guint32 *ids;
        gsize n = 0;

        ASSERT_MAIN();
        if (!credentials->groups)
                return FALSE;

        ids = g_variant_get_fixed_array(credentials->groups, &n, sizeof *ids);
        for (gsize i = 0; i < n; i++)
                if (ids[i] == group)
                        return TRUE;

        return FALSE;
}

/* The process by its handle, which newer buses give, else by its number. */
static void read_process(GVariant *dictionary, GUnixFDList *fds, Credentials *credentials)
{
        gint32 index;
        guint32 pid;
        int fd;

        if (!g_variant_lookup(dictionary, "ProcessFD", "h", &index)) {
                if (g_variant_lookup(dictionary, "ProcessID", "u", &pid))
                        credentials->pid = (pid_t)pid;
                return;
        }

        /* Where that process has ended there is none, even if another has its number now. */
        fd = fds ? g_unix_fd_list_get(fds, index, NULL) : -1;
        if (fd < 0)
                return;

        credentials->pid = process_of_fd(fd, &credentials->started);
        /* It is one that cannot be seen. */
        if (credentials->started == 0)
                credentials->pid = 0;
        close(fd);
}

gboolean credentials_parse(GVariant *dictionary, GUnixFDList *fds, Credentials *credentials)
{
        guint32 uid;

        ASSERT_MAIN();
        *credentials = (Credentials){};
        if (!g_variant_lookup(dictionary, "UnixUserID", "u", &uid))
                return FALSE;

        credentials->uid = uid;
        credentials->groups = g_variant_lookup_value(dictionary, "UnixGroupIDs", G_VARIANT_TYPE("au"));
        read_process(dictionary, fds, credentials);
        return TRUE;
}

static gboolean read_credentials(sd_bus_message *reply, Credentials *credentials)
{
        g_autoptr(GVariant) body = NULL, dictionary = NULL;
        g_autoptr(GUnixFDList) fds = NULL;

        if (!bus_is_driver(reply) || sd_bus_message_is_method_error(reply, NULL))
                return FALSE;

        body = codec_read(reply, "a{sv}", &fds, NULL);
        if (!body)
                return FALSE;

        g_variant_ref_sink(body);
        dictionary = g_variant_get_child_value(body, 0);
        return credentials_parse(dictionary, fds, credentials);
}

static void request_finish(CredentialsRequest *request, const Credentials *credentials)
{
        request->done(credentials, request->data);
        g_free(request->sender);
        g_free(request);
}

/* The bus goes with the question still open. */
static void on_destroy(void *userdata)
{
        request_finish(userdata, NULL);
}

/* The driver has said nothing, or it was not the driver that did. */
static gboolean is_no_answer(sd_bus_message *reply)
{
        return !bus_is_driver(reply) || sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY) ||
               sd_bus_message_is_method_error(reply, SD_BUS_ERROR_TIMEOUT);
}

static gboolean ask(CredentialsRequest *request);

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        CredentialsRequest *request = userdata;
        Credentials credentials = {};

        sd_bus_slot_set_destroy_callback(sd_bus_get_current_slot(bus_handle(request->bus)), NULL);
        if (is_no_answer(reply) && request->tries < TRIES && ask(request))
                return 1;

        request_finish(request, read_credentials(reply, &credentials) ? &credentials : NULL);
        g_clear_pointer(&credentials.groups, g_variant_unref);
        return 1;
}

static gboolean ask(CredentialsRequest *request)
{
        g_autoptr(sd_bus_message) message = NULL;
        sd_bus_slot *slot = NULL;
        int r = sd_bus_message_new_method_call(bus_handle(request->bus), &message, "org.freedesktop.DBus",
                                               "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                               "GetConnectionCredentials");

        if (r >= 0)
                r = sd_bus_message_append(message, "s", request->sender);
        if (r >= 0)
                r = sd_bus_call_async(bus_handle(request->bus), &slot, message, on_reply, request,
                                      TIMEOUT_US);

        if (r < 0)
                return FALSE;

        request->tries++;
        bus_give_slot(slot, on_destroy);
        return TRUE;
}

void credentials_get(Bus *bus, const char *sender, CredentialsFunc *done, void *data)
{
        CredentialsRequest *request = g_new0(CredentialsRequest, 1);

        ASSERT_MAIN();
        request->bus = bus;
        request->sender = g_strdup(sender);
        request->done = done;
        request->data = data;
        if (!ask(request))
                request_finish(request, NULL);
}

/* Whether the process that has the number now, and began then, is the one that made the connection. */
static gboolean check_process(const Credentials *credentials, guint64 started, GError **error)
{
        const char *problem = NULL;

        if (started == 0)
                problem = "the caller's process is not visible";
        else if (credentials->started != 0 && credentials->started != started)
                problem = "the caller's process has ended, and another one has its number";
        /* Here the bus has told no more than a number. A caller that waits for one to be used again finds
         * processes of the same user alone, and of these none that was not there when the service heard of
         * the connection.
         */
        else if (credentials->started == 0 && !process_is_of(credentials->pid, credentials->uid))
                problem = "the caller's process is another user's";
        else if (credentials->started == 0 && credentials->connected != 0 && started > credentials->connected)
                problem = "the caller's process began after its connection to the bus";
        else if (process_started(credentials->pid) != started)
                problem = "the caller's process has ended";

        if (problem)
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED,
                            "libvirt cannot be told who calls: %s", problem);
        return !problem;
}

Identity *credentials_identity(const Credentials *credentials, GError **error)
{
        guint64 started = credentials && credentials->pid > 0 ? process_started(credentials->pid) : 0;
        Identity *identity;

        ASSERT_MAIN();
        if (!check_process(credentials, started, error))
                return NULL;

        identity = g_new0(Identity, 1);
        identity->uid = credentials->uid;
        identity->pid = credentials->pid;
        identity->started = started;
        return identity;
}
