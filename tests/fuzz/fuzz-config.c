/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Configuration files: what is taken is within its bounds, what is not has an error.
 *
 * Input: the file; its first line is also taken for a value of --connect. */

#include "base/config.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/* A file that is nowhere but in memory. */
static int file_with(const Input *input)
{
        int fd = memfd_create("guestbusd.conf", MFD_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        if (input->left > 0)
                g_assert_cmpint(write(fd, input->data, input->left), ==, input->left);
        return fd;
}

static void check_connections(const Config *config)
{
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

        for (guint i = 0; i < config->connections->len; i++) {
                const ConnectionConfig *connection = g_ptr_array_index(config->connections, i);
                g_autofree char *path = g_strconcat("/", connection->name, NULL);

                g_assert_true(g_variant_is_object_path(path));
                g_assert_null(strchr(connection->name, '/'));
                g_assert_nonnull(strchr(connection->uri, ':'));
                g_assert_true(g_hash_table_add(names, connection->name));
        }
}

static void check_limits(const Config *config)
{
        const Limits *limits = &config->limits;

        g_assert_true(limits->workers >= 1 && limits->workers <= 5);
        g_assert_true(limits->calls_per_sender >= 1 && limits->calls_total >= 1);
        g_assert_true(limits->request_bytes >= 1024 && limits->pending_bytes >= 1024);
        g_assert_true(limits->reply_bytes >= 1024 && limits->reply_bytes <= 1 << 24);
        g_assert_true(limits->error_bytes >= 64 && limits->keepalive_count >= 1);
}

/* Line by line a file means what it means to GLib as a whole: what is taken GLib takes, too. */
static void check_whole(const Input *input)
{
        g_autoptr(GKeyFile) file = g_key_file_new();
        g_autoptr(GError) error = NULL;

        g_key_file_load_from_data(file, (const char *)input->data, input->left, G_KEY_FILE_NONE, &error);
        g_assert_no_error(error);
}

static void check_option(const Input *input)
{
        g_autofree char *line = g_strndup((const char *)input->data, input->left);
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        line[strcspn(line, "\n")] = '\0';
        g_assert_true(config_add_connection_option(config, line, &error) == (error == NULL));
        g_assert_cmpuint(config->connections->len, ==, error ? 0 : 1);
        check_connections(config);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        const Input input = {data, size};
        int fd = file_with(&input);
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        config_add_default_connections(config, BUS_SYSTEM);
        g_assert_true(config_load(config, path, &error) == (error == NULL));
        close(fd);
        g_assert_true(!error || strstr(error->message, path));
        if (!error && input.left > 0)
                check_whole(&input);
        check_connections(config);
        check_limits(config);
        check_option(&input);
        return 0;
}
