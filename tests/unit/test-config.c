/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/config.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const ConnectionConfig *connection_at(const Config *config, guint i)
{
        return g_ptr_array_index(config->connections, i);
}

/* Loads @text as a file; returns the error's message, or NULL. */
static char *load(Config *config, const char *text)
{
        g_autofree char *path = NULL;
        g_autoptr(GError) error = NULL;
        int fd = g_file_open_tmp("guestbus-config-XXXXXX", &path, NULL);

        g_assert_true(g_close(fd, NULL));
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
        config_load(config, path, &error);
        g_unlink(path);

        return error ? g_strdup(error->message) : NULL;
}

static void assert_refused(const char *text, const char *because)
{
        g_autoptr(Config) config = config_new();
        g_autofree char *message = load(config, text);

        g_assert_nonnull(message);
        if (!strstr(message, because))
                g_error("\"%s\" does not say \"%s\"", message, because);
}

/* Each error says in which line, under which group and key, and what would be right. */
static void test_where(void)
{
        static const struct {
                const char *text, *where, *what;
        } rows[] = {
                {"[limits]\n\n# five\nworkers=6\n", "line 4: [limits] workers: ", "must be from 1 to 5"},
                {"[limits]\nworkers=many\n",
                 "line 2: [limits] workers: ", "limit workers is \"many\", but must be a number from 1 to 5"},
                {"[limits]\ncalls-total=99999999999999999999\n",
                 "line 2: [limits] calls-total: ", "must be a number"},
                {"[limits]\nworkers=\n", "line 2: [limits] workers: ", "limit workers is \"\", but must be"},
                {"[limits]\r\nspeed = 9\r\n",
                 "line 2: [limits] speed: ", "there are: workers, calls-per-sender"},
                {"[limits]\nworkers\n", "line 2: [limits]: ", "not a key-value pair"},
                {"[limits\nworkers=1\n", "line 1: ", "not a key-value pair"},
                {"workers=1\n[limits]\n", "line 1: ", "does not start with a group"},
                {"[limit]\nworkers=1\n",
                 "line 1: [limit]: ", "there are [connections], [identity] and [limits]"},
                {"[identity]\nforwards=A\n", "line 2: [identity] forwards: ", "there is forward"},
                {"[connections]\nA=qemu\n", "line 2: [connections] A: ", "such as qemu:///system"},
                {"[connections]\nA=\n", "line 2: [connections] A: ", "no file before this one"},
                {"[connections]\nA.b=test:///\n", "line 2: [connections] A.b: ", "letters, digits"},
                {"[connections]\nA[de]=test:///\n", "line 2: [connections] A[de]: ", "letters, digits"},
                {"[limits]\nworkers=2\n\nworkers=3\n",
                 "line 4: [limits] workers: ", "there already, in line 2"},
                {"[limits]\nworkers=2\n workers =2\n",
                 "line 3: [limits] workers: ", "there already, in line 2"},
                {"[connections]\nA=test:///x\nA=\n", "line 3: [connections] A: ", "there already, in line 2"},
                {"[identity]\nforward=A\nforward=B\n",
                 "line 3: [identity] forward: ", "there already, in line 2"},
                {"[limits]\n[identity]\n[limits]\n", "line 3: [limits]: ", "there already, in line 1"},
                {"[limits]\nworkers=2\n[limits]\nworkers=3\n",
                 "line 3: [limits]: ", "there already, in line 1"},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                assert_refused(rows[i].text, rows[i].what);
                assert_refused(rows[i].text, rows[i].where);
        }
}

static void test_no_text(void)
{
        g_autofree char *large = g_strnfill((1 << 20) + 1, '#');
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) directory = NULL, endless = NULL;

        assert_refused(large, "more than 1 MiB");
        assert_refused("[limits]\nworkers=\xff\n", "UTF-8");
        g_assert_false(config_load(config, "/", &directory));
        g_assert_nonnull(strstr(directory->message, "failed to read configuration /: "));
        g_assert_false(config_load(config, "/dev/zero", &endless));
        g_assert_nonnull(strstr(endless->message, "more than 1 MiB"));
}

static void test_written_as_ever(void)
{
        g_autoptr(Config) config = config_new();
        g_autofree char *message =
                load(config, "# a comment\r\n\n  \n[connections] \r\n\tA = test:///x?a=b#c \r\n"
                             "[limits]\n #workers=5\nworkers=2\n[identity]\nforward = A;B ;\n");

        g_assert_null(message);
        g_assert_cmpstr(connection_at(config, 0)->name, ==, "A");
        g_assert_cmpstr(connection_at(config, 0)->uri, ==, "test:///x?a=b#c ");
        g_assert_cmpuint(config->limits.workers, ==, 2);
        g_assert_cmpuint(g_strv_length(config->forward), ==, 2);
}

static void test_long_name(void)
{
        g_autofree char *longest = g_strnfill(255, 'A');
        g_autofree char *good = g_strdup_printf("[connections]\n%s=test:///x\n", longest);
        g_autofree char *bad = g_strdup_printf("[connections]\n%sA=test:///x\n", longest);
        g_autoptr(Config) config = config_new();
        g_autofree char *message = load(config, good);

        g_assert_null(message);
        assert_refused(bad, "at most 255");
}

/* No connection at all is a list like any other. */
static void test_empty_list(void)
{
        g_autoptr(Config) config = config_new(), other = config_new();
        g_autofree char *message = NULL, *none = load(other, "[limits]\n[identity]\n");

        config_add_default_connections(config, BUS_SYSTEM);
        message = load(config, "[connections]\n");
        g_assert_null(message);
        g_assert_cmpuint(config->connections->len, ==, 0);
        g_assert_true(config->connections_given);
        g_assert_null(none);
        g_assert_false(other->connections_given);
}

static void write_file(const char *directory, const char *name, const char *text)
{
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *parent = g_path_get_dirname(path);

        g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void remove_files(const char *directory)
{
        g_autofree char *output = NULL;
        const char *argv[] = {"rm", "-r", directory, NULL};

        g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL,
                                   NULL, NULL));
}

/* In order of their names, whatever that of the directory; a key wins over the same of earlier ones. */
static void test_directory(void)
{
        g_autofree char *directory = g_dir_make_tmp("guestbus-config-XXXXXX", NULL);
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        config_add_default_connections(config, BUS_SYSTEM);
        write_file(directory, "guestbusd.conf.d/90-z.conf",
                   "[limits]\nworkers=4\n[connections]\nC=\nD=test:///d\n");
        write_file(directory, "guestbusd.conf.d/10-a.conf",
                   "[limits]\nworkers=3\nviews=7\n[connections]\nB=test:///other\nC=test:///c\n");
        write_file(directory, "guestbusd.conf",
                   "[limits]\nworkers=2\nviews=5\nview-idle=9\n"
                   "[connections]\nA=test:///a\nB=test:///b\n");
        write_file(directory, "guestbusd.conf.d/50-backup.conf~", "nonsense");
        write_file(directory, "guestbusd.conf.d/.#50-lock.conf", "nonsense");
        write_file(directory, "guestbusd.conf.d/README", "nonsense");
        write_file(directory, "other.conf", "nonsense");

        g_assert_true(config_load_directory(config, directory, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(config->limits.workers, ==, 4);
        g_assert_cmpuint(config->limits.views, ==, 7);
        g_assert_cmpuint(config->limits.view_idle, ==, 9);
        g_assert_cmpuint(config->connections->len, ==, 3);
        g_assert_cmpstr(connection_at(config, 0)->uri, ==, "test:///a");
        g_assert_cmpstr(connection_at(config, 1)->uri, ==, "test:///other");
        g_assert_cmpstr(connection_at(config, 2)->name, ==, "D");
        remove_files(directory);
}

static void test_directory_of_parts(void)
{
        g_autofree char *directory = g_dir_make_tmp("guestbus-config-XXXXXX", NULL);
        g_autofree char *none = g_build_filename(directory, "none", NULL);
        g_autofree char *below = g_build_filename(directory, "file", "below", NULL);
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        write_file(directory, "file", "");
        g_assert_true(config_load_directory(config, directory, NULL));
        g_assert_true(config_load_directory(config, none, NULL));
        g_assert_true(config_load_directory(config, below, NULL));

        write_file(directory, "guestbusd.conf.d/x.conf", "[limits]\nworkers=3\n");
        g_assert_true(config_load_directory(config, directory, NULL));
        g_assert_cmpuint(config->limits.workers, ==, 3);

        write_file(directory, "guestbusd.conf.d/y.conf", "[limits]\nworkers=8\n");
        g_assert_false(config_load_directory(config, directory, &error));
        g_assert_nonnull(strstr(error->message, "guestbusd.conf.d/y.conf: line 2: [limits] workers: "));
        remove_files(directory);
}

/* What is there and cannot be read is an error: else it would not count, without a word. */
static void test_directory_that_is_none(void)
{
        g_autofree char *directory = g_dir_make_tmp("guestbus-config-XXXXXX", NULL);
        g_autofree char *file = g_build_filename(directory, "guestbusd.conf", NULL);
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(symlink("guestbusd.conf", file), ==, 0);
        g_assert_false(config_load_directory(config, directory, &error));
        g_assert_nonnull(strstr(error->message, file));
        remove_files(directory);
}

static void check_place(BusKind kind, const char *expected)
{
        g_autofree char *directory = config_directory(kind);

        g_assert_cmpstr(directory, ==, expected);
}

static void test_place(void)
{
        g_autofree char *of_user = g_build_filename(g_get_user_config_dir(), "guestbus", NULL);

        g_unsetenv("GUESTBUS_CONFIG_DIR");
        check_place(BUS_SYSTEM, GUESTBUS_SYSCONFDIR "/guestbus");
        check_place(BUS_SESSION, of_user);

        g_assert_true(g_setenv("GUESTBUS_CONFIG_DIR", "/elsewhere", TRUE));
        check_place(BUS_SYSTEM, "/elsewhere");
        check_place(BUS_SESSION, "/elsewhere");

        g_assert_true(g_setenv("GUESTBUS_CONFIG_DIR", "", TRUE));
        check_place(BUS_SYSTEM, NULL);
        check_place(BUS_SESSION, NULL);
}

static void test_file(void)
{
        g_autoptr(Config) config = config_new();
        g_autofree char *message = NULL;

        config_add_default_connections(config, BUS_SYSTEM);
        message = load(config, "[connections]\nQEMU=qemu:///system\nFar=qemu+ssh://host/system?a=b\n"
                               "[limits]\nworkers=2\ncalls-total=7\n");

        g_assert_null(message);
        g_assert_cmpuint(config->connections->len, ==, 2);
        g_assert_cmpstr(connection_at(config, 1)->name, ==, "Far");
        g_assert_cmpstr(connection_at(config, 1)->uri, ==, "qemu+ssh://host/system?a=b");
        g_assert_cmpuint(config->limits.workers, ==, 2);
        g_assert_cmpuint(config->limits.calls_total, ==, 7);
}

static void test_defaults_stay(void)
{
        g_autoptr(Config) config = config_new();
        g_autofree char *message = NULL;

        config_add_default_connections(config, BUS_SESSION);
        message = load(config, "[limits]\nworkers=1\n");
        g_assert_null(message);
        g_assert_cmpstr(connection_at(config, 0)->uri, ==, "qemu:///session");
}

static void test_refused(void)
{
        assert_refused("[limits]\nspeed=9\n", "unknown limit \"speed\"; there are: workers");
        assert_refused("[limits]\nworkers=6\n", "must be from 1 to 5");
        assert_refused("[limits]\nworkers=0\n", "must be from 1 to 5");
        assert_refused("[limits]\nworkers=many\n", "many");
        assert_refused("[limits]\ncalls-total=-1\n", "-1");
        assert_refused("[limit]\nworkers=1\n", "unknown group [limit]");
        assert_refused("[connections]\nmy-host=qemu:///system\n", "letters, digits");
        assert_refused("[connections]\nQEMU=system\n", "not a libvirt URI");
        assert_refused("[connections]\nQEMU=qemu:///system\nTest=test:///\\d\n", "cannot be interpreted");
        assert_refused("[limits]\nworkers=2\\d\n", "cannot be interpreted");
        assert_refused("QEMU=qemu:///system\n", "failed to read configuration");
}

static void test_forward(void)
{
        g_autoptr(Config) config = config_new();
        g_autofree char *message = load(config, "[connections]\nA=qemu:///system\nB=test+unix:///default\n"
                                                "C=lxc:///system\n[identity]\nforward=A;B\n");

        g_assert_null(message);
        g_assert_false(connection_at(config, 0)->forward);
        g_assert_true(config_complete(config, NULL));
        g_assert_true(connection_at(config, 0)->forward);
        g_assert_true(connection_at(config, 1)->forward);
        g_assert_false(connection_at(config, 2)->forward);
}

static void test_forward_nobody(void)
{
        g_autoptr(Config) config = config_new();

        config_add_default_connections(config, BUS_SYSTEM);
        g_assert_true(config_complete(config, NULL));
        for (guint i = 0; i < config->connections->len; i++)
                g_assert_false(connection_at(config, i)->forward);
}

static void assert_not_forwarded(const char *uri, const char *because)
{
        g_autofree char *text = g_strdup_printf("[connections]\nA=%s\n[identity]\nforward=A;B\n", uri);
        g_autoptr(Config) config = config_new();
        g_autofree char *message = load(config, text);
        g_autoptr(GError) error = NULL;

        g_assert_null(message);
        g_assert_false(config_complete(config, &error));
        g_assert_nonnull(strstr(error->message, because));
        /* The file has gone, but its name has not. */
        g_assert_nonnull(strstr(error->message, "guestbus-config-"));
        g_assert_nonnull(strstr(error->message, ": [identity] forward: callers cannot be forwarded"));
}

static void test_forward_refused(void)
{
        assert_not_forwarded("qemu:///system", "to B: there is no such connection");
        assert_not_forwarded("test:///default",
                             "to A: libvirt runs the driver of test:///default in this process");
        assert_not_forwarded("test:///some/file.xml", "in this process");
        assert_not_forwarded("esx://host/", "in this process");
        assert_not_forwarded("test://host/default", "to B");
        assert_refused("[identity]\nforwards=QEMU\n",
                       "unknown key \"forwards\" in [identity]; there is forward");
}

static void assert_option_refused(const char *option, const char *because)
{
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        g_assert_true(config_add_connection(config, "Taken", "test:///default", NULL));
        g_assert_false(config_add_connection_option(config, option, &error));
        g_assert_nonnull(strstr(error->message, because));
}

static void test_option(void)
{
        g_autoptr(Config) config = config_new();

        g_assert_true(config_add_connection_option(config, "A_1=test:///x?a=b", NULL));
        g_assert_cmpstr(connection_at(config, 0)->name, ==, "A_1");
        g_assert_cmpstr(connection_at(config, 0)->uri, ==, "test:///x?a=b");

        assert_option_refused("qemu:///system", "must be NAME=URI");
        assert_option_refused("=qemu:///system", "letters, digits");
        assert_option_refused("A/B=qemu:///system", "letters, digits");
        assert_option_refused("A=", "not a libvirt URI");
        assert_option_refused("Taken=qemu:///system", "given twice");
}

static void test_missing_file(void)
{
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(config_load(config, "/nonexistent/guestbusd.conf", &error));
        g_assert_nonnull(strstr(error->message, "/nonexistent/guestbusd.conf"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/config/file", test_file);
        g_test_add_func("/config/defaults-stay", test_defaults_stay);
        g_test_add_func("/config/empty-list", test_empty_list);
        g_test_add_func("/config/where", test_where);
        g_test_add_func("/config/no-text", test_no_text);
        g_test_add_func("/config/written-as-ever", test_written_as_ever);
        g_test_add_func("/config/long-name", test_long_name);
        g_test_add_func("/config/directory", test_directory);
        g_test_add_func("/config/directory-of-parts", test_directory_of_parts);
        g_test_add_func("/config/directory-that-is-none", test_directory_that_is_none);
        g_test_add_func("/config/place", test_place);
        g_test_add_func("/config/refused", test_refused);
        g_test_add_func("/config/forward", test_forward);
        g_test_add_func("/config/forward-nobody", test_forward_nobody);
        g_test_add_func("/config/forward-refused", test_forward_refused);
        g_test_add_func("/config/option", test_option);
        g_test_add_func("/config/missing-file", test_missing_file);
        return g_test_run();
}
