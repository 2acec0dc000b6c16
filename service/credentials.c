/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus has a function for this, but it waits for the bus. */

#include "credentials.h"

#include "codec.h"
#include "process.h"

#include <unistd.h>

typedef struct Request {
        CredentialsFunc *done;
        void *data;
        gboolean answered;
} Request;

gboolean credentials_have_group(const Credentials *credentials, gid_t group)
{
        const guint32 *ids;
        gsize n = 0;

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

        /* Where that process has ended there is none, whoever has its number now. */
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

        if (sd_bus_message_is_method_error(reply, NULL))
                return FALSE;

        body = codec_read(reply, "a{sv}", &fds, NULL);
        if (!body)
                return FALSE;

        g_variant_ref_sink(body);
        dictionary = g_variant_get_child_value(body, 0);
        return credentials_parse(dictionary, fds, credentials);
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Request *request = userdata;
        Credentials credentials = {};

        request->answered = TRUE;
        request->done(read_credentials(reply, &credentials) ? &credentials : NULL, request->data);
        g_clear_pointer(&credentials.groups, g_variant_unref);
        return 1;
}

/* Also when the bus goes with the question still open. */
static void on_destroy(void *userdata)
{
        Request *request = userdata;

        if (!request->answered)
                request->done(NULL, request->data);
        g_free(request);
}

void credentials_get(Bus *bus, const char *sender, CredentialsFunc *done, void *data)
{
        Request *request = g_new0(Request, 1);
        sd_bus_slot *slot = NULL;
        int r;

        request->done = done;
        request->data = data;
        r = sd_bus_call_method_async(bus_handle(bus), &slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetConnectionCredentials", on_reply, request,
                                     "s", sender);
        if (r < 0)
                on_destroy(request);
        else
                bus_give_slot(slot, on_destroy);
}
