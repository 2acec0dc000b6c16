/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration: defaults, file, and what the command line adds. */

#include "config.h"

#include "uri.h"

#include <gio/gio.h>
#include <string.h>

typedef struct LimitRow {
        const char *key;
        size_t offset;
        unsigned value, min, max;
} LimitRow;

#define LIMIT(key, field, value, min, max)                                                                   \
        {                                                                                                    \
                key, offsetof(Limits, field), value, min, max                                                \
        }

static const LimitRow limit_rows[] = {
        /* libvirtd runs at most 5 requests of one client at once (max_client_requests) and then stops reading
         * from it, keep-alive included: more workers would make one connection slower, not faster. */
        LIMIT("workers", workers, 5, 1, 5),
        /* A management page reads every guest and node device at once: hundreds of calls, legitimately. */
        LIMIT("calls-per-sender", calls_per_sender, 4096, 1, 1 << 20),
        /* Four such pages; at some 2 KiB a call this bounds the memory of a queue that libvirt holds up. */
        LIMIT("calls-total", calls_total, 16384, 1, 1 << 22),
        /* libvirt takes texts of up to 4 MiB (REMOTE_STRING_MAX), and calls of a manager have up to three of
         * them. One user's part of pending-bytes, so one large call keeps no more than many small ones. */
        LIMIT("request-bytes", request_bytes, 1 << 24, 1 << 10, 1 << 24),
        /* What only looks has no documents to send: names, flags, and the CPU models of other hosts. */
        LIMIT("monitor-request-bytes", monitor_request_bytes, 1 << 20, 1 << 10, 1 << 24),
        LIMIT("pending-bytes", pending_bytes, 1 << 26, 1 << 10, 1 << 30),
        /* A reply over 32 MiB makes the system bus disconnect the whole service; half of that leaves room for
         * what the wire format adds. */
        LIMIT("reply-bytes", reply_bytes, 1 << 24, 1 << 10, 1 << 24),
        /* libvirt's longest useful messages are a few hundred bytes. */
        LIMIT("error-bytes", error_bytes, 1 << 14, 64, 1 << 20),
        /* Some 20,000 events, or what callers ask for in the moment in which a busy bus does not read. */
        LIMIT("output-bytes", output_bytes, 1 << 26, 0, 1 << 30),
        /* A bus that runs reads within milliseconds. Less than the 25 s after which callers give up. */
        LIMIT("bus-timeout", bus_timeout, 20, 0, 3600),
        /* Less than the 25 s that most D-Bus clients wait for a reply. */
        LIMIT("open-timeout", open_timeout, 10, 1, 3600),
        /* What a listener may miss and still catch up with: a minute of a storm, a day of most hosts. */
        LIMIT("events-kept", events_kept, 4096, 0, 1 << 20),
        /* Four times what that many events of the usual size take. */
        LIMIT("events-bytes", events_bytes, 1 << 23, 1 << 10, 1 << 30),
        /* How long a right goes on that ended without polkit's word, as that of one who has left a group. For
         * a caller that does a lot it is one question in thousands. */
        LIMIT("decision-age", decision_age, 60, 0, 86400),
        /* Each takes two or three of the 5,000 clients that libvirtd serves, and a picture of all guests. */
        LIMIT("views", views, 32, 1, 1024),
        /* Time for a program that opens a connection to the bus for each call. */
        LIMIT("view-idle", view_idle, 60, 0, 86400),
        /* What libvirt has no event for is seen this late. A comparison is eleven calls, however many objects
         * there are: three for domains, four for networks, four for pools. With a thousand domains, 30 ms. */
        LIMIT("check-interval", check_interval, 600, 0, 1 << 20),
        /* libvirt's own defaults. Together they find a silent libvirtd within 30 s. */
        LIMIT("keepalive-interval", keepalive_interval, 5, 0, 3600),
        LIMIT("keepalive-count", keepalive_count, 5, 1, 100),
};

static unsigned *limit_field(Config *config, const LimitRow *row)
{
        return (void *)((char *)&config->limits + row->offset);
}

static void connection_config_free(void *data)
{
        ConnectionConfig *connection = data;

        g_free(connection->name);
        g_free(connection->uri);
        g_free(connection);
}

Config *config_new(void)
{
        Config *config = g_new0(Config, 1);

        config->connections = g_ptr_array_new_with_free_func(connection_config_free);
        for (size_t i = 0; i < G_N_ELEMENTS(limit_rows); i++)
                *limit_field(config, &limit_rows[i]) = limit_rows[i].value;

        return config;
}

void config_free(Config *config)
{
        if (!config)
                return;

        g_ptr_array_unref(config->connections);
        g_strfreev(config->forward);
        g_free(config);
}

gboolean config_set_limit(Config *config, const char *name, guint64 value, GError **error)
{
        g_autoptr(GString) known = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(limit_rows); i++) {
                const LimitRow *row = &limit_rows[i];

                if (strcmp(row->key, name) != 0) {
                        g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", row->key);
                        continue;
                }

                if (value < row->min || value > row->max) {
                        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                    "limit %s is %" G_GUINT64_FORMAT ", but must be from %u to %u", name,
                                    value, row->min, row->max);
                        return FALSE;
                }

                *limit_field(config, row) = (unsigned)value;
                return TRUE;
        }

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "unknown limit \"%s\"; there are: %s",
                    name, known->str);
        return FALSE;
}

static gboolean is_path_element(const char *name)
{
        return *name && strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_") == strlen(name);
}

static ConnectionConfig *find_connection(const Config *config, const char *name)
{
        for (guint i = 0; i < config->connections->len; i++) {
                ConnectionConfig *connection = g_ptr_array_index(config->connections, i);

                if (strcmp(connection->name, name) == 0)
                        return connection;
        }

        return NULL;
}

gboolean config_add_connection(Config *config, const char *name, const char *uri, GError **error)
{
        g_autofree char *scheme = g_uri_parse_scheme(uri);
        ConnectionConfig *connection;

        if (!is_path_element(name)) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "connection name \"%s\" must consist of letters, digits and \"_\", as it becomes "
                            "part of an object path",
                            name);
                return FALSE;
        }

        if (!scheme) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "\"%s\" of connection %s is not a libvirt URI such as qemu:///system", uri, name);
                return FALSE;
        }

        connection = find_connection(config, name);
        if (connection) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "connection %s is given twice, as %s and as %s", name, connection->uri, uri);
                return FALSE;
        }

        connection = g_new0(ConnectionConfig, 1);
        connection->name = g_strdup(name);
        connection->uri = g_strdup(uri);
        g_ptr_array_add(config->connections, connection);
        return TRUE;
}

gboolean config_add_connection_option(Config *config, const char *option, GError **error)
{
        const char *equals = strchr(option, '=');
        g_autofree char *name = NULL;

        if (!equals) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "\"%s\" must be NAME=URI, for example QEMU=qemu:///system", option);
                return FALSE;
        }

        name = g_strndup(option, equals - option);
        return config_add_connection(config, name, equals + 1, error);
}

/* GLib gives a string and an error for a value with an escape that there is not. */
static char *get_value(GKeyFile *file, const char *group, const char *key, GError **error)
{
        g_autoptr(GError) problem = NULL;
        g_autofree char *value = g_key_file_get_string(file, group, key, &problem);

        if (!problem)
                return g_steal_pointer(&value);

        g_propagate_error(error, g_steal_pointer(&problem));
        return NULL;
}

static gboolean load_connections(Config *config, GKeyFile *file, GError **error)
{
        g_auto(GStrv) names = g_key_file_get_keys(file, "connections", NULL, error);

        if (!names)
                return FALSE;

        g_ptr_array_set_size(config->connections, 0);
        for (char **name = names; *name; name++) {
                g_autofree char *uri = get_value(file, "connections", *name, error);

                if (!uri || !config_add_connection(config, *name, uri, error))
                        return FALSE;
        }

        return TRUE;
}

static gboolean load_limits(Config *config, GKeyFile *file, GError **error)
{
        g_auto(GStrv) names = g_key_file_get_keys(file, "limits", NULL, error);

        if (!names)
                return FALSE;

        for (char **name = names; *name; name++) {
                g_autofree char *text = get_value(file, "limits", *name, error);
                guint64 value;

                if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &value, error)) {
                        g_prefix_error(error, "limit %s: ", *name);
                        return FALSE;
                }

                if (!config_set_limit(config, *name, value, error))
                        return FALSE;
        }

        return TRUE;
}

static gboolean load_identity(Config *config, GKeyFile *file, GError **error)
{
        g_auto(GStrv) keys = g_key_file_get_keys(file, "identity", NULL, error);

        if (!keys)
                return FALSE;

        for (char **key = keys; *key; key++) {
                if (strcmp(*key, "forward") != 0) {
                        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                    "unknown key \"%s\" in [identity]; there is forward", *key);
                        return FALSE;
                }

                g_strfreev(config->forward);
                config->forward = g_key_file_get_string_list(file, "identity", *key, NULL, error);
                if (!config->forward)
                        return FALSE;
        }

        return TRUE;
}

static gboolean load_group(Config *config, GKeyFile *file, const char *group, GError **error)
{
        if (strcmp(group, "connections") == 0)
                return load_connections(config, file, error);
        if (strcmp(group, "identity") == 0)
                return load_identity(config, file, error);
        if (strcmp(group, "limits") == 0)
                return load_limits(config, file, error);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "unknown group [%s]; there are [connections], [identity] and [limits]", group);
        return FALSE;
}

gboolean config_load(Config *config, const char *path, GError **error)
{
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_auto(GStrv) groups = NULL;

        if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, error)) {
                g_prefix_error(error, "failed to read configuration %s: ", path);
                return FALSE;
        }

        groups = g_key_file_get_groups(file, NULL);
        for (char **group = groups; *group; group++) {
                if (!load_group(config, file, *group, error)) {
                        g_prefix_error(error, "failed to read configuration %s: ", path);
                        return FALSE;
                }
        }

        return TRUE;
}

/* Whether libvirt serves that URI in the process that opens it. */
static gboolean is_in_process(const char *uri)
{
        static const char *const always[] = {"esx", "gsx", "hyperv", "vpx", NULL};
        static const char *const locally[] = {"openvz",       "test",     "vmwarefusion",
                                              "vmwareplayer", "vmwarews", NULL};
        g_autoptr(GUri) parsed = uri_parse(uri);
        const char *scheme = parsed ? g_uri_get_scheme(parsed) : "";

        return g_strv_contains(always, scheme) || (g_strv_contains(locally, scheme) && uri_is_local(parsed));
}

gboolean config_complete(Config *config, GError **error)
{
        for (char **name = config->forward; name && *name; name++) {
                ConnectionConfig *connection = find_connection(config, *name);

                if (!connection) {
                        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                    "callers cannot be forwarded to %s: there is no such connection", *name);
                        return FALSE;
                }

                if (is_in_process(connection->uri)) {
                        g_set_error(
                                error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                                "callers cannot be forwarded to %s: libvirt runs the driver of %s in this "
                                "process, and only a daemon of libvirt's asks who the caller is",
                                *name, connection->uri);
                        return FALSE;
                }

                connection->forward = TRUE;
        }

        return TRUE;
}

void config_add_default_connections(Config *config, BusKind kind)
{
        /* Names and URIs are those that clients of libvirt's D-Bus API have always found. */
        static const char *const system_drivers[][2] = {
                {"BHyve", "bhyve:///system"},
                {"LXC", "lxc:///"},
                {"OpenVZ", "openvz:///system"},
                {"QEMU", "qemu:///system"},
                {"Test", "test:///default"},
                {"UML", "uml:///system"},
                {"VBox", "vbox:///system"},
                {"VZ", "vz:///system"},
                {"Xen", "xen:///"},
                {NULL, NULL},
        };
        static const char *const session_drivers[][2] = {
                {"QEMU", "qemu:///session"},
                {"Test", "test:///default"},
                {"UML", "uml:///session"},
                {"VBox", "vbox:///session"},
                {"VMwareFusion", "vmwarefusion:///session"},
                {"VMwarePlayer", "vmwareplayer:///session"},
                {"VMwareWS", "vmwarews:///session"},
                {NULL, NULL},
        };
        const char *const(*row)[2] = kind == BUS_SYSTEM ? system_drivers : session_drivers;

        for (; (*row)[0]; row++)
                config_add_connection(config, (*row)[0], (*row)[1], NULL);
}
