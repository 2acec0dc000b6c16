/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/credentials.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* Who a caller is to libvirt. */

/* One process of one user: what polkit, which libvirtd asks, decides about. Constant: any thread may read it.
 */
typedef struct Identity {
        uid_t uid;
        pid_t pid;
        guint64 started; /* when (process.h): another process of that number has another time */
} Identity;

/* Free with g_free(). NULL and an error when the bus did not tell the process, it is no more, or another one
 * has its number. Reads /proc. Main thread. */
Identity *identity_new(const Credentials *credentials, GError **error);

/* As GHashFunc and GEqualFunc. */
guint identity_hash(gconstpointer identity);
gboolean identity_equal(gconstpointer a, gconstpointer b);

/* Has libvirt take @conn, from now on, for that caller's. Worker thread. */
gboolean identity_forward(const Identity *identity, virConnectPtr conn, GError **error);
