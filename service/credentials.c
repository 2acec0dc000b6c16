/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus has a function for this, but it waits for the bus. */

#include "credentials.h"

#include "codec.h"

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

static gboolean read_credentials(sd_bus_message *reply, Credentials *credentials)
{
        g_autoptr(GVariant) body = NULL, dictionary = NULL;
        g_autoptr(GUnixFDList) unwanted = NULL;
        guint32 uid, pid;

        if (sd_bus_message_is_method_error(reply, NULL))
                return FALSE;

        body = codec_read(reply, "a{sv}", &unwanted, NULL);
        if (!body)
                return FALSE;

        g_variant_ref_sink(body);
        dictionary = g_variant_get_child_value(body, 0);
        if (!g_variant_lookup(dictionary, "UnixUserID", "u", &uid))
                return FALSE;

        credentials->groups = g_variant_lookup_value(dictionary, "UnixGroupIDs", G_VARIANT_TYPE("au"));
        credentials->uid = uid;
        if (g_variant_lookup(dictionary, "ProcessID", "u", &pid))
                credentials->pid = (pid_t)pid;
        return TRUE;
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
