/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* The identity of a caller, as libvirt sees it. */

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

/* Makes libvirt treat @conn, from now on, as a connection of that caller. Worker thread. */
gboolean identity_forward(const Identity *identity, virConnectPtr conn, GError **error);
