/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Look-ups of users, a few at a time. Questions about one that has not begun yet share it. */

#include "access/user_database.h"

#include "base/background.h"
#include "base/thread.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

/* Each takes a thread, for as long as a directory service makes it wait: one user that it is slow with is not
 * to hold up the next, and all users together are not to take more threads than that. */
#define AT_ONCE 4

/* A group of some 10,000 members. */
#define ENTRY_BYTES_MAX (1 << 20)
/* As many groups as Linux gives a process. */
#define GROUPS_MAX (1 << 16)

typedef struct LookUpWaiter {
        UserdbFunc *done;
        void *data;
} LookUpWaiter;

typedef struct Lookup {
        UserDatabase *user_database; /* NULL when it is gone */
        uid_t uid;
        UserEntry entry; /* the job's, while it runs */
        GArray *waiters; /* of LookUpWaiter */
} Lookup;

struct UserDatabase {
        GHashTable *by_uid; /* of Lookup: those in the queue */
        GQueue queue;       /* of Lookup: those that have not begun */
        GQueue running;     /* of Lookup */
};

/* What the entry points to is in @buffer. */
static gboolean get_user(uid_t uid, struct passwd *user, char **buffer)
{
        struct passwd *found = NULL;

        for (size_t size = 1 << 10; size <= ENTRY_BYTES_MAX; size *= 4) {
                *buffer = g_realloc(*buffer, size);
                if (getpwuid_r(uid, user, *buffer, size, &found) != ERANGE)
                        break;
        }

        return found != NULL;
}

static gboolean get_group(const char *name, gid_t *gid)
{
        g_autofree char *buffer = NULL;
        struct group group, *found = NULL;

        for (size_t size = 1 << 10; size <= ENTRY_BYTES_MAX; size *= 4) {
                buffer = g_realloc(buffer, size);
                if (getgrnam_r(name, &group, buffer, size, &found) != ERANGE)
                        break;
        }

        if (found)
                *gid = group.gr_gid;
        return found != NULL;
}

static gboolean has_group(const struct passwd *user, gid_t gid)
{
        g_autofree gid_t *groups = NULL;
        int n = 64, r = -1;

        while (r < 0 && n <= GROUPS_MAX) {
                int room = n;

                groups = g_renew(gid_t, groups, (gsize)room);
                r = getgrouplist(user->pw_name, user->pw_gid, groups, &n);
                /* It says how many there are, or only that there are more. */
                n = r < 0 ? MAX(n, room * 2) : n;
        }

        for (int i = 0; r >= 0 && i < n; i++)
                if (groups[i] == gid)
                        return TRUE;

        return FALSE;
}

UserEntry user_database_look_up(uid_t uid)
{
        g_autofree char *buffer = NULL;
        struct passwd user;
        UserEntry entry = {};

        entry.known = get_user(uid, &user, &buffer);
        entry.member = entry.known && get_group(USERDB_GROUP, &entry.group) && has_group(&user, entry.group);
        return entry;
}

UserDatabase *user_database_new(void)
{
        UserDatabase *user_database = g_new0(UserDatabase, 1);

        ASSERT_MAIN();
        user_database->by_uid = g_hash_table_new(NULL, NULL);
        return user_database;
}

/* Main thread. */
static void lookup_answer(Lookup *lookup, const UserEntry *entry)
{
        g_autoptr(GArray) waiters = g_steal_pointer(&lookup->waiters);

        for (guint i = 0; i < waiters->len; i++) {
                const LookUpWaiter *waiter = &g_array_index(waiters, LookUpWaiter, i);

                waiter->done(entry, waiter->data);
        }
}

static void look_up(void *data)
{
        Lookup *lookup = data;

        lookup->entry = user_database_look_up(lookup->uid);
}

static void start(UserDatabase *user_database);

static void looked_up(void *data)
{
        g_autofree Lookup *lookup = data;
        UserDatabase *user_database = lookup->user_database;

        if (!user_database)
                return;

        g_queue_remove(&user_database->running, lookup);
        start(user_database);
        lookup_answer(lookup, &lookup->entry);
}

static void start(UserDatabase *user_database)
{
        Lookup *lookup;

        while (user_database->running.length < AT_ONCE &&
               (lookup = g_queue_pop_head(&user_database->queue))) {
                g_hash_table_remove(user_database->by_uid, GUINT_TO_POINTER(lookup->uid));
                g_queue_push_tail(&user_database->running, lookup);
                background_run(look_up, looked_up, lookup);
        }
}

void user_database_free(UserDatabase *user_database)
{
        const UserEntry nobody = {};
        Lookup *lookup;

        ASSERT_MAIN();
        if (!user_database)
                return;

        while ((lookup = g_queue_pop_head(&user_database->queue))) {
                lookup_answer(lookup, &nobody);
                g_free(lookup);
        }

        /* Its job has the rest of it until it ends. */
        while ((lookup = g_queue_pop_head(&user_database->running))) {
                lookup->user_database = NULL;
                lookup_answer(lookup, &nobody);
        }

        g_hash_table_unref(user_database->by_uid);
        g_free(user_database);
}

void user_database_ask(UserDatabase *user_database, uid_t uid, UserdbFunc *done, void *data)
{
        Lookup *lookup = g_hash_table_lookup(user_database->by_uid, GUINT_TO_POINTER(uid));
        const LookUpWaiter waiter = {done, data};

        ASSERT_MAIN();
        if (!lookup) {
                lookup = g_new0(Lookup, 1);
                lookup->user_database = user_database;
                lookup->uid = uid;
                lookup->waiters = g_array_new(FALSE, FALSE, sizeof(LookUpWaiter));
                g_hash_table_insert(user_database->by_uid, GUINT_TO_POINTER(uid), lookup);
                g_queue_push_tail(&user_database->queue, lookup);
        }

        g_array_append_val(lookup->waiters, waiter);
        start(user_database);
}
