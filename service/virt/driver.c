/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which daemons a connection needs.
 *
 * libvirtd has all drivers, and tells all events on one connection. A modular daemon has one driver. What a
 * hypervisor's client asks of another driver, it forwards over a connection of its own to that driver's
 * daemon. When that connection is lost the client learns nothing of it, and no event comes any more. So the
 * service has a connection to each of these daemons itself.
 *
 * Whether a daemon is modular is decided as libvirt's client decides it: by the socket that exists. */

#include "virt/driver.h"

#include "base/uri.h"

#include <string.h>
#include <unistd.h>

#define SYSTEM_DIRECTORY "/run/libvirt"

const Driver drivers[N_DRIVERS] = {
        {"network", &kind_network},
        {"storage", &kind_storage_pool},
        {"nodedev", &kind_node_device},
        {"secret", &kind_secret},
};

static gboolean is_session(GUri *uri)
{
        return strcmp(g_uri_get_path(uri), "/session") == 0;
}

/* Of the daemon of one hypervisor; virtproxyd has all drivers, as libvirtd. */
static gboolean is_modular(const char *socket)
{
        g_autofree char *name = g_path_get_basename(socket);

        return g_str_has_prefix(name, "virt") && g_str_has_suffix(name, "d-sock") &&
               strcmp(name, "virtproxyd-sock") != 0;
}

static char *modular_socket(GUri *uri)
{
        g_auto(GStrv) scheme = g_strsplit(g_uri_get_scheme(uri), "+", 2);
        g_autofree char *socket = uri_parameter(uri, "socket");
        g_autofree char *mode = uri_parameter(uri, "mode");
        g_autofree char *user_directory = NULL;

        if (!uri_is_local(uri) || (scheme[1] && strcmp(scheme[1], "unix") != 0))
                return NULL;
        if (mode && g_ascii_strcasecmp(mode, "legacy") == 0)
                return NULL;
        if (socket)
                return is_modular(socket) ? g_steal_pointer(&socket) : NULL;

        user_directory = g_build_filename(g_get_user_runtime_dir(), "libvirt", NULL);
        return g_strdup_printf("%s/virt%sd-sock", is_session(uri) ? user_directory : SYSTEM_DIRECTORY,
                               scheme[0]);
}

char *hypervisor_socket(const char *uri)
{
        g_autoptr(GUri) parsed = uri_parse(uri);

        return parsed ? modular_socket(parsed) : NULL;
}

char *driver_uri(const Driver *driver, const char *uri)
{
        g_autoptr(GUri) parsed = uri_parse(uri);
        g_autofree char *socket = parsed ? modular_socket(parsed) : NULL;
        g_autofree char *directory = NULL, *escaped = NULL;

        if (!socket)
                return NULL;

        directory = g_path_get_dirname(socket);
        escaped = g_uri_escape_string(directory, "/", FALSE);
        /* With the socket: what is absent is not to be asked of virtproxyd. */
        return g_strdup_printf("%s+unix:///%s?socket=%s/virt%sd-sock", driver->name,
                               is_session(parsed) ? "session" : "system", escaped, driver->name);
}

gboolean drivers_are_apart(const char *uri)
{
        g_autofree char *socket = hypervisor_socket(uri);

        return socket && access(socket, F_OK) == 0;
}
