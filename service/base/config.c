/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration: defaults, file, and what the command line adds. */

#include "base/config.h"

#include "base/config_file.h"
#include "base/uri.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_FILE "guestbusd.conf"

/* Little of the 64 KiB that sd-bus accepts of a path. */
#define CONNECTION_NAME_MAX 255

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
        /* Each has a link of its own, which libvirtd serves with a thread of its own: more make no host
         * faster. Measured up to four processors. */
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
        /* How long a right remains after it ended without a word from polkit, as when a user leaves a group.
         * For a busy caller it costs one question in thousands of calls. */
        LIMIT("decision-age", decision_age, 60, 0, 86400),
        /* Each takes a thread, a connection to libvirtd and a megabyte: more than people watch and backups
         * copy at once, and little of the 5,000 clients that libvirtd serves. */
        LIMIT("streams", streams, 64, 1, 1024),
        /* Each takes two or three of the 5,000 clients that libvirtd serves, and a picture of all guests. */
        LIMIT("views", views, 32, 1, 1024),
        /* Time for a program that opens a connection to the bus for each call. */
        LIMIT("view-idle", view_idle, 60, 0, 86400),
        /* What libvirt has no event for is seen this late. A comparison is eleven calls, however many objects
         * there are: three for domains, four for networks, four for pools. With a thousand domains, 30 ms. */
        LIMIT("check-interval", check_interval, 600, 0, 1 << 20),
        /* People do not mind waiting so long for what they see, and a list costs little compared to it. */
        LIMIT("poll-interval", poll_interval, 5, 0, 1 << 20),
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
        g_free(config->forward_file);
        g_free(config);
}

static const LimitRow *find_limit(const char *name, GError **error)
{
        g_autoptr(GString) known = g_string_new(NULL);

        for (size_t i = 0; i < G_N_ELEMENTS(limit_rows); i++) {
                if (strcmp(limit_rows[i].key, name) == 0)
                        return &limit_rows[i];

                g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", limit_rows[i].key);
        }

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "unknown limit \"%s\"; there are: %s",
                    name, known->str);
        return NULL;
}

gboolean config_set_limit(Config *config, const char *name, guint64 value, GError **error)
{
        const LimitRow *row = find_limit(name, error);

        if (!row)
                return FALSE;

        if (value < row->min || value > row->max) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "limit %s is %" G_GUINT64_FORMAT ", but must be from %u to %u", name, value,
                            row->min, row->max);
                return FALSE;
        }

        *limit_field(config, row) = (unsigned)value;
        return TRUE;
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

static gboolean check_name(const char *name, GError **error)
{
        if (!is_path_element(name)) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "connection name \"%s\" must consist of letters, digits and \"_\", as it becomes "
                            "part of an object path",
                            name);
                return FALSE;
        }

        if (strlen(name) > CONNECTION_NAME_MAX) {
                g_set_error(
                        error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                        "a connection name of %zu bytes is too long: at most %d leave room for the names of "
                        "objects in a path",
                        strlen(name), CONNECTION_NAME_MAX);
                return FALSE;
        }

        return TRUE;
}

/* Adds a connection, or gives that of the same name another URI. */
static gboolean put_connection(Config *config, const char *name, const char *uri, GError **error)
{
        g_autofree char *scheme = g_uri_parse_scheme(uri);
        ConnectionConfig *connection = find_connection(config, name);

        if (!check_name(name, error))
                return FALSE;

        if (!scheme) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "\"%s\" of connection %s is not a libvirt URI such as qemu:///system", uri, name);
                return FALSE;
        }

        if (!connection) {
                connection = g_new0(ConnectionConfig, 1);
                connection->name = g_strdup(name);
                g_ptr_array_add(config->connections, connection);
        }

        g_free(connection->uri);
        connection->uri = g_strdup(uri);
        return TRUE;
}

gboolean config_add_connection(Config *config, const char *name, const char *uri, GError **error)
{
        const ConnectionConfig *connection = find_connection(config, name);

        if (!connection)
                return put_connection(config, name, uri, error);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "connection %s is given twice, as %s and as %s", name, connection->uri, uri);
        return FALSE;
}

void config_clear_connections(Config *config)
{
        g_ptr_array_set_size(config->connections, 0);
        config->connections_given = TRUE;
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

typedef struct Loading {
        Config *config;
        const char *path;
} Loading;

/* GLib gives a string and an error for a value with an escape that there is not. */
static char *get_value(const ConfigLine *line, GError **error)
{
        g_autoptr(GError) problem = NULL;
        g_autofree char *value = g_key_file_get_string(line->file, line->group, line->key, &problem);

        if (!problem)
                return g_steal_pointer(&value);

        g_propagate_error(error, g_steal_pointer(&problem));
        return NULL;
}

static gboolean leave_out(Config *config, const char *name, GError **error)
{
        if (g_ptr_array_remove(config->connections, find_connection(config, name)))
                return TRUE;

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "no file before this one has a connection of that name to leave out; a connection is a "
                    "libvirt "
                    "URI such as qemu:///system");
        return FALSE;
}

/* The first file that has the group replaces the built-in list. Later ones add to that, by name. */
static gboolean load_connection(Config *config, const ConfigLine *line, GError **error)
{
        g_autofree char *uri = NULL;

        if (!line->key) {
                if (!config->connections_given)
                        config_clear_connections(config);
                return TRUE;
        }

        uri = get_value(line, error);
        if (!uri)
                return FALSE;

        return *uri ? put_connection(config, line->key, uri, error) : leave_out(config, line->key, error);
}

static gboolean load_limit(Config *config, const ConfigLine *line, GError **error)
{
        const LimitRow *row;
        g_autofree char *text = NULL;
        guint64 value;

        if (!line->key)
                return TRUE;

        row = find_limit(line->key, error);
        text = row ? get_value(line, error) : NULL;
        if (!text)
                return FALSE;

        if (g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &value, NULL))
                return config_set_limit(config, line->key, value, error);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "limit %s is \"%s\", but must be a number from %u to %u", row->key, text, row->min,
                    row->max);
        return FALSE;
}

static gboolean load_identity(const Loading *loading, const ConfigLine *line, GError **error)
{
        Config *config = loading->config;

        if (!line->key)
                return TRUE;

        if (strcmp(line->key, "forward") != 0) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "unknown key \"%s\" in [identity]; there is forward", line->key);
                return FALSE;
        }

        g_strfreev(config->forward);
        g_free(config->forward_file);
        config->forward_file = g_strdup(loading->path);
        config->forward = g_key_file_get_string_list(line->file, line->group, line->key, NULL, error);
        return config->forward != NULL;
}

static gboolean load_line(const ConfigLine *line, void *data, GError **error)
{
        const Loading *loading = data;

        if (strcmp(line->group, "connections") == 0)
                return load_connection(loading->config, line, error);
        if (strcmp(line->group, "identity") == 0)
                return load_identity(loading, line, error);
        if (strcmp(line->group, "limits") == 0)
                return load_limit(loading->config, line, error);

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "unknown group [%s]; there are [connections], [identity] and [limits]", line->group);
        return FALSE;
}

gboolean config_load(Config *config, const char *path, GError **error)
{
        Loading loading = {config, path};

        if (!config_file_read(path, load_line, &loading, error))
                return FALSE;

        g_info("read configuration %s", path);
        return TRUE;
}

char *config_directory(BusKind kind)
{
        const char *other = g_getenv("GUESTBUS_CONFIG_DIR");

        if (other)
                return *other ? g_strdup(other) : NULL;

        return kind == BUS_SYSTEM ? g_build_filename(GUESTBUS_SYSCONFDIR, "guestbus", NULL)
                                  : g_build_filename(g_get_user_config_dir(), "guestbus", NULL);
}

/* What is not there is no error, and neither is a directory on the way to it that is not there. */
static gboolean is_absent(const GError *error)
{
        return g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
               g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files of @directory that count, by name. Editors leave others there. NULL and an error when it cannot
 * be read. */
static GPtrArray *list_files(const char *directory, GError **error)
{
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) problem = NULL;
        g_autoptr(GDir) dir = g_dir_open(directory, 0, &problem);
        const char *name;

        if (!dir && !is_absent(problem)) {
                g_propagate_prefixed_error(error, g_steal_pointer(&problem),
                                           "failed to read configuration %s: ", directory);
                return NULL;
        }

        while (dir && (name = g_dir_read_name(dir)))
                if (name[0] != '.' && g_str_has_suffix(name, ".conf"))
                        g_ptr_array_add(paths, g_build_filename(directory, name, NULL));

        g_ptr_array_sort(paths, compare_names);
        return g_steal_pointer(&paths);
}

gboolean config_load_directory(Config *config, const char *directory, GError **error)
{
        g_autofree char *main_file = g_build_filename(directory, CONFIG_FILE, NULL);
        g_autofree char *more = g_build_filename(directory, CONFIG_FILE ".d", NULL);
        g_autoptr(GPtrArray) paths = list_files(more, error);

        if (!paths)
                return FALSE;

        /* config_load() reports any other reason for which it cannot be reached. */
        if (access(main_file, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
                g_ptr_array_insert(paths, 0, g_steal_pointer(&main_file));

        for (guint i = 0; i < paths->len; i++)
                if (!config_load(config, g_ptr_array_index(paths, i), error))
                        return FALSE;

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

static gboolean forward_to(Config *config, const char *name, GError **error)
{
        ConnectionConfig *connection = find_connection(config, name);

        if (!connection) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "callers cannot be forwarded to %s: there is no such connection", name);
                return FALSE;
        }

        if (is_in_process(connection->uri)) {
                g_set_error(
                        error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                        "callers cannot be forwarded to %s: libvirt runs the driver of %s in this process, "
                        "and only a daemon of libvirt's checks the identity of the caller",
                        name, connection->uri);
                return FALSE;
        }

        connection->forward = TRUE;
        return TRUE;
}

gboolean config_complete(Config *config, GError **error)
{
        for (char **name = config->forward; name && *name; name++)
                if (!forward_to(config, *name, error)) {
                        g_prefix_error(error, "failed to read configuration %s: [identity] forward: ",
                                       config->forward_file);
                        return FALSE;
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
