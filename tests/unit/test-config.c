/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

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
        g_test_add_func("/config/refused", test_refused);
        g_test_add_func("/config/forward", test_forward);
        g_test_add_func("/config/forward-nobody", test_forward_nobody);
        g_test_add_func("/config/forward-refused", test_forward_refused);
        g_test_add_func("/config/option", test_option);
        g_test_add_func("/config/missing-file", test_missing_file);
        return g_test_run();
}
