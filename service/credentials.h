/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

#include <glib.h>
#include <sys/types.h>

/* Who a caller is, as the bus tells it. Main thread. */

typedef struct Credentials {
        uid_t uid;
        pid_t pid;        /* of the process that connected to the bus; 0 when the bus does not tell */
        GVariant *groups; /* au, all that it has; NULL when the bus does not tell */
} Credentials;

/* Whether the connection began with that group. */
gboolean credentials_have_group(const Credentials *credentials, gid_t group);

/* @credentials is NULL when the bus does not tell; what it holds is borrowed. */
typedef void CredentialsFunc(const Credentials *credentials, void *data);

/* Asks the bus about the owner of the name @sender, and calls @done once. */
void credentials_get(Bus *bus, const char *sender, CredentialsFunc *done, void *data);
