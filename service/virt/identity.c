/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirtd's access control asks polkit about a process: its number, when it was started, and its user.
 * polkit refuses when that process is gone or was replaced, so no caller can be served in the name of another
 * process of the same user: the process, not the user, makes an identity. */

#include "virt/identity.h"

#include "base/error.h"
#include "base/thread.h"

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

        ASSERT_WORKER();
        if (!done) {
                error_take_libvirt(error);
                g_prefix_error(error, "failed to forward the caller to libvirt: ");
        }

        virTypedParamsFree(params, n);
        return done;
}
