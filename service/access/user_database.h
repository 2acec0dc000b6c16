/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* What the system's user database says of users, as it is now. It is asked on other threads: a directory
 * service may be behind it, and may take its time. Main thread. */

/* The group that may open libvirt's sockets. */
#define USERDB_GROUP "libvirt"

typedef struct UserEntry {
        gboolean known;  /* there is such a user; no in doubt */
        gboolean member; /* of USERDB_GROUP; no in doubt */
        gid_t group;     /* its number, for a member */
} UserEntry;

typedef struct UserDatabase UserDatabase;

typedef void UserdbFunc(const UserEntry *entry, void *data);

UserDatabase *user_database_new(void);

/* What still waits is told that the user is not known. NULL is fine. */
void user_database_free(UserDatabase *user_database);

/* Has @uid looked up from now on, and calls @done once, later. */
void user_database_ask(UserDatabase *user_database, uid_t uid, UserdbFunc *done, void *data);

/* The look-up itself. May take any time; any thread. */
UserEntry user_database_look_up(uid_t uid);
