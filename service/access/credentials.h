/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"
#include "virt/identity.h"

#include <gio/gunixfdlist.h>
#include <glib.h>
#include <sys/types.h>

/* The user and the process of a caller, as the bus tells them. Main thread. */

typedef struct Credentials {
        uid_t uid;
        pid_t pid;         /* of the process that connected to the bus; 0 when the bus does not tell */
        guint64 started;   /* when that process was started (process.h), where the bus gave a handle on it */
        guint64 connected; /* in the same unit, when the service knew of the connection; 0: at no known time
                            */
        GVariant *groups;  /* au, all that it has; NULL when the bus does not tell */
} Credentials;

/* Whether the connection began with that group. */
gboolean credentials_have_group(const Credentials *credentials, gid_t group);

/* Reads what the bus tells of a connection, an a{sv} with the descriptors @fds, which may be NULL. FALSE
 * where it does not tell the user. The groups are owned then. */
gboolean credentials_parse(GVariant *dictionary, GUnixFDList *fds, Credentials *credentials);

/* @credentials is NULL when the bus does not tell; what it holds is borrowed. */
typedef void CredentialsFunc(const Credentials *credentials, void *data);

/* Asks the bus about the owner of the name @sender, and calls @done once. */
void credentials_get(Bus *bus, const char *sender, CredentialsFunc *done, void *data);

/* The caller as libvirt is to take it; free with g_free(). NULL and an error when the bus did not tell the
 * process, it has ended, or another one has its number. Reads /proc. Main thread. */
Identity *credentials_identity(const Credentials *credentials, GError **error);
