/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/log.h"
#include "virt/driver.h"

#include <glib/gstdio.h>
#include <string.h>

/* The URI of the driver of networks beside that of a hypervisor; NULL for none. @RUN@ is the user's runtime
 * directory. */
static const struct {
        const char *uri, *network;
} uris[] = {
        {"qemu:///system", "network+unix:///system?socket=/run/libvirt/virtnetworkd-sock"},
        {"qemu+unix:///system", "network+unix:///system?socket=/run/libvirt/virtnetworkd-sock"},
        {"lxc:///", "network+unix:///system?socket=/run/libvirt/virtnetworkd-sock"},
        {"qemu:///session", "network+unix:///session?socket=@RUN@/libvirt/virtnetworkd-sock"},
        {"qemu:///system?socket=/a/virtqemud-sock", "network+unix:///system?socket=/a/virtnetworkd-sock"},
        {"qemu+unix:///session?socket=/a%26b/virtqemud-sock",
         "network+unix:///session?socket=/a%26b/virtnetworkd-sock"},
        {"qemu:///system?mode=direct", "network+unix:///system?socket=/run/libvirt/virtnetworkd-sock"},

        {"qemu:///system?mode=legacy", NULL},
        {"qemu:///system?socket=/a/libvirt-sock", NULL},
        {"qemu:///system?socket=/a/virtproxyd-sock", NULL},
        {"qemu://host/system", NULL},
        {"qemu+ssh://host/system", NULL},
        {"qemu+ssh:///system", NULL},
        {"no URI", NULL},
};

static void test_uris(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(uris); i++) {
                g_autofree char *uri = driver_uri(&drivers[0], uris[i].uri);
                g_auto(GStrv) parts = g_strsplit(uris[i].network ? uris[i].network : "", "@RUN@", -1);
                g_autofree char *expected =
                        uris[i].network ? g_strjoinv(g_get_user_runtime_dir(), parts) : NULL;

                g_assert_cmpstr(uri, ==, expected);
        }
}

static void test_hypervisor(void)
{
        g_autofree char *own = hypervisor_socket("lxc:///system");
        g_autofree char *given = hypervisor_socket("qemu:///system?socket=/a/virtqemud-sock");

        g_assert_cmpstr(own, ==, "/run/libvirt/virtlxcd-sock");
        g_assert_cmpstr(given, ==, "/a/virtqemud-sock");
        g_assert_null(hypervisor_socket("qemu:///system?socket=/a/libvirt-sock"));
        g_assert_null(hypervisor_socket("qemu+ssh://host/system"));
        g_assert_null(hypervisor_socket("no URI"));
}

static void test_drivers(void)
{
        for (unsigned i = 0; i < N_DRIVERS; i++) {
                g_autofree char *uri = driver_uri(&drivers[i], "qemu:///system?socket=/a/virtqemud-sock");
                g_autofree char *expected = g_strdup_printf("%s+unix:///system?socket=/a/virt%sd-sock",
                                                            drivers[i].name, drivers[i].name);

                g_assert_cmpstr(uri, ==, expected);
        }
}

/* It is the socket that says so. */
static void test_apart(void)
{
        g_autofree char *home = g_dir_make_tmp("driver-XXXXXX", NULL);
        g_autofree char *socket = g_build_filename(home, "virtqemud-sock", NULL);
        g_autofree char *legacy = g_build_filename(home, "libvirt-sock", NULL);
        g_autofree char *uri = g_strdup_printf("qemu:///system?socket=%s", socket);
        g_autofree char *legacy_uri = g_strdup_printf("qemu:///system?socket=%s", legacy);

        g_assert_false(drivers_are_apart(uri));
        g_assert_true(g_file_set_contents(socket, "", 0, NULL));
        g_assert_true(g_file_set_contents(legacy, "", 0, NULL));
        g_assert_true(drivers_are_apart(uri));
        g_assert_false(drivers_are_apart(legacy_uri));
        g_assert_false(drivers_are_apart("test:///default"));
        g_assert_false(drivers_are_apart("no URI"));
        g_assert_cmpint(g_unlink(socket), ==, 0);
        g_assert_cmpint(g_unlink(legacy), ==, 0);
        g_assert_cmpint(g_rmdir(home), ==, 0);
}

int main(int argc, char **argv)
{
        log_init(LOG_INFO);
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/driver/uris", test_uris);
        g_test_add_func("/driver/drivers", test_drivers);
        g_test_add_func("/driver/apart", test_apart);
        g_test_add_func("/driver/hypervisor", test_hypervisor);
        return g_test_run();
}
