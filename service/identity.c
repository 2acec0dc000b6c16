/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirtd's access control asks polkit about a process: its number, when it was started, and its user.
 * polkit says no when that process is gone or was replaced, so that nobody can be served in the name of
 * another process of the same user: it is the process, and not the user, that makes an identity. */

#include "identity.h"

#include "error.h"

#include <string.h>

/* Of the fields in /proc/PID/stat, counted behind the name. */
#define STAT_START 20

/* 0 when there is no such process, or it cannot be seen. */
static guint64 start_of(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
        g_autofree char *text = NULL;
        g_auto(GStrv) fields = NULL;
        const char *name_end;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return 0;

        /* The name may hold anything, a parenthesis too. */
        name_end = strrchr(text, ')');
        if (!name_end)
                return 0;

        fields = g_strsplit(name_end, " ", STAT_START + 2);
        return g_strv_length(fields) > STAT_START ? g_ascii_strtoull(fields[STAT_START], NULL, 10) : 0;
}

Identity *identity_new(const Credentials *credentials, GError **error)
{
        guint64 started = credentials && credentials->pid > 0 ? start_of(credentials->pid) : 0;
        Identity *identity;

        if (started == 0) {
                g_set_error_literal(error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED,
                                    "libvirt cannot be told who calls: the caller's process is not visible");
                return NULL;
        }

        identity = g_new0(Identity, 1);
        identity->uid = credentials->uid;
        identity->pid = credentials->pid;
        identity->started = started;
        return identity;
}

guint identity_hash(gconstpointer identity)
{
        return (guint)((const Identity *)identity)->pid;
}

gboolean identity_equal(gconstpointer a, gconstpointer b)
{
        const Identity *x = a, *y = b;

        return x->uid == y->uid && x->pid == y->pid && x->started == y->started;
}

gboolean identity_forward(const Identity *identity, virConnectPtr conn, GError **error)
{
        virTypedParameterPtr params = NULL;
        int n = 0, max = 0;
        gboolean done = virTypedParamsAddULLong(&params, &n, &max, VIR_CONNECT_IDENTITY_UNIX_USER_ID,
                                                identity->uid) == 0 &&
                        virTypedParamsAddLLong(&params, &n, &max, VIR_CONNECT_IDENTITY_PROCESS_ID,
                                               identity->pid) == 0 &&
                        virTypedParamsAddULLong(&params, &n, &max, VIR_CONNECT_IDENTITY_PROCESS_TIME,
                                                identity->started) == 0 &&
                        virConnectSetIdentity(conn, params, n, 0) == 0;

        if (!done) {
                error_take_libvirt(error);
                g_prefix_error(error, "failed to forward the caller to libvirt: ");
        }

        virTypedParamsFree(params, n);
        return done;
}
