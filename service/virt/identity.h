/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* Who a caller is to libvirt. */

/* One process of one user: what polkit, which libvirtd asks, decides about. Constant: any thread may read it.
 */
typedef struct Identity {
        uid_t uid;
        pid_t pid;
        guint64 started; /* when (base/process.h): another process of that number has another time */
} Identity;

/* As GHashFunc and GEqualFunc. */
guint identity_hash(gconstpointer identity);
gboolean identity_equal(gconstpointer a, gconstpointer b);

/* Has libvirt take @conn, from now on, for that caller's. Worker thread. */
gboolean identity_forward(const Identity *identity, virConnectPtr conn, GError **error);
