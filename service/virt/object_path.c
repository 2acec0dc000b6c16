/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names are libvirt's, and there a name may be as long as a document. */

#include "virt/object_path.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "bus/path.h"

#include <stdlib.h>
#include <string.h>

/* So many objects are named in the log: far more than a host has except by mistake. */
#define LOGGED_MAX 256

/* So much of a path is logged. */
#define LOGGED_BYTES 200

/* Not the paths themselves, which are long. */
static gboolean is_new(const char *path, guint *n)
{
        static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        static GHashTable *logged;
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);
        gboolean new = FALSE;
        HOLD(&lock);

        if (!logged)
                logged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (g_hash_table_size(logged) <= LOGGED_MAX)
                new = g_hash_table_add(logged, g_steal_pointer(&digest));
        *n = g_hash_table_size(logged);
        return new;
}

gboolean object_path_check(const char *path)
{
        guint n;

        if (object_path_fits(path))
                return TRUE;

        if (!is_new(path, &n))
                return FALSE;

        if (n > LOGGED_MAX)
                g_warning("further objects whose paths are too long are left out without a word");
        else
                g_warning("an object is left out of lists and signals, as its path would have %zu bytes: "
                          "%.*s...",
                          strlen(path), LOGGED_BYTES, path);
        return FALSE;
}

char *object_path_of(const char *connection_path, const Kind *kind, void *object, GError **error)
{
        g_autofree char *path = kind->path(connection_path, object);

        ASSERT_WORKER();
        if (object_path_check(path))
                return g_steal_pointer(&path);

        g_set_error(
                error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                "libvirt did what was asked for, but the path of the object would have %zu bytes, which is "
                "more than the bus's library takes; a shorter name would do",
                strlen(path));
        return NULL;
}

char **object_paths_of_list(const char *connection_path, const Kind *kind, unsigned flags, void **list, int n)
{
        char **paths = g_new0(char *, n + 1);
        int kept = 0;

        ASSERT_WORKER();
        if (kind->paths)
                kind->paths(connection_path, list, n, flags, paths);

        for (int i = 0; i < n; i++) {
                g_autofree char *path =
                        paths[i] ? g_steal_pointer(&paths[i]) : kind->path(connection_path, list[i]);

                if (object_path_check(path))
                        paths[kept++] = g_steal_pointer(&path);
                kind->free(list[i]);
        }

        free(list);
        return paths;
}
