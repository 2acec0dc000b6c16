/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirtd's access control asks polkit about a process: its number, when it was started, and its user.
 * polkit says no when that process is gone or was replaced, so that nobody can be served in the name of
 * another process of the same user: it is the process, and not the user, that makes an identity. */

#include "access/identity.h"

#include "base/error.h"
#include "base/process.h"

/* Whether the process that has the number now, and began then, is the one that made the connection. */
static gboolean check_process(const Credentials *credentials, guint64 started, GError **error)
{
        const char *problem = NULL;

        if (started == 0)
                problem = "the caller's process is not visible";
        else if (credentials->started != 0 && credentials->started != started)
                problem = "the caller's process has ended, and another one has its number";
        /* Here the bus has told no more than a number. Who waits for one to be used again finds processes of
         * the same user alone, and of these none that was not there when the service heard of the connection.
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

Identity *identity_new(const Credentials *credentials, GError **error)
{
        guint64 started = credentials && credentials->pid > 0 ? process_started(credentials->pid) : 0;
        Identity *identity;

        if (!check_process(credentials, started, error))
                return NULL;

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
