/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watching for a socket, so that a libvirtd that comes back is met at once and one that is absent costs
 * nothing.
 *
 * Plain inotify rather than GFileMonitor: that one loads GIO's modules and polls for directories that do not
 * exist yet, which is the usual case here. Instead the nearest directory that exists is watched, and the
 * next one as soon as it is made. */

#include "virt/socket_watch.h"

#include "base/thread.h"
#include "base/uri.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

struct SocketWatch {
        char *directory; /* where the socket will be */
        char *name;      /* the socket's name; NULL for any that ends in "-sock" */
        int fd;
        int descriptor; /* of the directory that is watched, or -1 */
        unsigned source;
        SocketWatchFunc *appeared;
        void *data;
};

#define WATCHED (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* How many directories may appear on the way while it is checked, before the next event is waited for. */
#define ARM_TRIES 8

/* Watches the nearest directory that exists, from the socket's own upwards. Returns the first step that is
 * missing below it, or NULL. */
static char *watch_nearest(SocketWatch *watch)
{
        g_autofree char *directory = g_strdup(watch->directory);
        g_autofree char *missing = NULL;

        for (;;) {
                int descriptor = inotify_add_watch(watch->fd, directory, WATCHED);

                if (descriptor >= 0) {
                        if (watch->descriptor >= 0 && watch->descriptor != descriptor)
                                inotify_rm_watch(watch->fd, watch->descriptor);
                        watch->descriptor = descriptor;
                        return g_steal_pointer(&missing);
                }

                if (strcmp(directory, "/") == 0 || strcmp(directory, ".") == 0) {
                        watch->descriptor = -1;
                        return NULL;
                }

                g_free(missing);
                missing = g_steal_pointer(&directory);
                directory = g_path_get_dirname(missing);
        }
}

static void watch_arm(SocketWatch *watch)
{
        for (unsigned i = 0; i < ARM_TRIES; i++) {
                g_autofree char *missing = watch_nearest(watch);

                /* A directory that was made between the two checks causes no event. */
                if (!missing || access(missing, X_OK) != 0)
                        return;
        }
}

static gboolean watch_readable(int fd, GIOCondition condition, gpointer user_data)
{
        SocketWatch *watch = user_data;
        char buffer[4096];

        /* Which file was made does not matter: the way to the socket may be one step shorter now, or
         * complete. */
        while (read(fd, buffer, sizeof buffer) > 0)
                ;

        watch_arm(watch);
        /* Also when nothing can be watched any more: the owner then tries from time to time. */
        if (watch->descriptor < 0 || socket_watch_sees_socket(watch))
                watch->appeared(watch->data);

        return G_SOURCE_CONTINUE;
}

/* The directory and the name of the socket that @uri is served at, as libvirt's remote driver chooses it. */
static gboolean find_socket(const char *uri, char **directory, char **name)
{
        g_autoptr(GUri) parsed = uri_parse(uri);
        g_autofree char *socket = NULL;
        const char *transport;

        if (!parsed)
                return FALSE;

        transport = strchr(g_uri_get_scheme(parsed), '+');
        if (transport ? strcmp(transport, "+unix") != 0 : !uri_is_local(parsed))
                return FALSE;

        socket = uri_parameter(parsed, "socket");
        if (socket) {
                *directory = g_path_get_dirname(socket);
                *name = g_path_get_basename(socket);
                return TRUE;
        }

        /* A session's daemon is started by the attempt to connect; the test driver needs none. */
        if (strcmp(g_uri_get_path(parsed), "/session") == 0 || (uri_has_driver(parsed, "test") && !transport))
                return FALSE;

        *directory = g_strdup("/run/libvirt");
        *name = NULL;
        return TRUE;
}

/* Takes over both names. */
static SocketWatch *watch_in(char *directory, char *name, SocketWatchFunc *appeared, void *data)
{
        SocketWatch *watch = g_new0(SocketWatch, 1);

        *watch = (SocketWatch){.directory = directory,
                               .name = name,
                               .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
                               .descriptor = -1,
                               .appeared = appeared,
                               .data = data};
        if (watch->fd >= 0) {
                watch->source = g_unix_fd_add(watch->fd, G_IO_IN, watch_readable, watch);
                watch_arm(watch);
        }
        if (watch->descriptor < 0)
                g_clear_pointer(&watch, socket_watch_free);

        return watch;
}

SocketWatch *socket_watch_new(const char *uri, SocketWatchFunc *appeared, void *data)
{
        char *directory, *name;

        ASSERT_MAIN();
        return find_socket(uri, &directory, &name) ? watch_in(directory, name, appeared, data) : NULL;
}

SocketWatch *socket_watch_new_at(const char *socket, SocketWatchFunc *appeared, void *data)
{
        ASSERT_MAIN();
        return watch_in(g_path_get_dirname(socket), g_path_get_basename(socket), appeared, data);
}

gboolean socket_watch_sees_socket(const SocketWatch *watch)
{
        g_autoptr(GDir) directory = NULL;
        const char *entry;

        ASSERT_MAIN();
        if (watch->name) {
                g_autofree char *path = g_build_filename(watch->directory, watch->name, NULL);

                return access(path, F_OK) == 0;
        }

        directory = g_dir_open(watch->directory, 0, NULL);
        while (directory && (entry = g_dir_read_name(directory)))
                if (g_str_has_suffix(entry, "-sock"))
                        return TRUE;

        return FALSE;
}

void socket_watch_free(SocketWatch *watch)
{
        ASSERT_MAIN();
        if (!watch)
                return;

        if (watch->fd >= 0) {
                g_source_remove(watch->source);
                close(watch->fd);
        }
        g_free(watch->directory);
        g_free(watch->name);
        g_free(watch);
}
