/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "virt/socket_watch.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

typedef struct Fixture {
        char *top, *directory, *socket, *uri;
        unsigned appeared;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
        fixture->top = g_dir_make_tmp("guestbus-watch-XXXXXX", NULL);
        fixture->directory = g_build_filename(fixture->top, "run", "libvirt", NULL);
        fixture->socket = g_build_filename(fixture->directory, "libvirt-sock", NULL);
        fixture->uri = g_strdup_printf("qemu+unix:///system?no_tty&socket=%s", fixture->socket);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
        g_autofree char *run = g_path_get_dirname(fixture->directory);

        g_unlink(fixture->socket);
        g_rmdir(fixture->directory);
        g_rmdir(run);
        g_rmdir(fixture->top);
        g_free(fixture->top);
        g_free(fixture->directory);
        g_free(fixture->socket);
        g_free(fixture->uri);
}

static void on_appeared(void *data)
{
        ((Fixture *)data)->appeared++;
}

static void touch(const char *path)
{
        g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

static void drain(void)
{
        while (g_main_context_iteration(NULL, FALSE))
                ;
}

static void wait_appeared(Fixture *fixture, unsigned times)
{
        while (fixture->appeared < times)
                g_main_context_iteration(NULL, TRUE);
}

static void test_appears(Fixture *fixture, gconstpointer data)
{
        SocketWatch *watch;

        g_assert_cmpint(g_mkdir_with_parents(fixture->directory, 0700), ==, 0);
        watch = socket_watch_new(fixture->uri, on_appeared, fixture);
        g_assert_nonnull(watch);
        g_assert_false(socket_watch_sees_socket(watch));

        touch(fixture->socket);
        wait_appeared(fixture, 1);
        g_assert_true(socket_watch_sees_socket(watch));
        socket_watch_free(watch);
}

/* As at boot: neither the socket nor the directories on the way to it are there. */
static void test_directories_appear(Fixture *fixture, gconstpointer data)
{
        g_autofree char *run = g_path_get_dirname(fixture->directory);
        SocketWatch *watch = socket_watch_new(fixture->uri, on_appeared, fixture);

        g_assert_nonnull(watch);
        g_assert_cmpint(g_mkdir(run, 0700), ==, 0);
        drain();
        g_assert_cmpint(g_mkdir(fixture->directory, 0700), ==, 0);
        drain();
        g_assert_cmpuint(fixture->appeared, ==, 0);
        touch(fixture->socket);
        wait_appeared(fixture, 1);
        socket_watch_free(watch);
}

/* All at once: the watch must not stop at a directory that was new when the next was already in it. */
static void test_everything_at_once(Fixture *fixture, gconstpointer data)
{
        SocketWatch *watch = socket_watch_new(fixture->uri, on_appeared, fixture);

        g_assert_cmpint(g_mkdir_with_parents(fixture->directory, 0700), ==, 0);
        touch(fixture->socket);
        wait_appeared(fixture, 1);
        socket_watch_free(watch);
}

static void test_other_files(Fixture *fixture, gconstpointer data)
{
        g_autofree char *other = g_build_filename(fixture->directory, "other-sock", NULL);
        SocketWatch *watch;

        g_assert_cmpint(g_mkdir_with_parents(fixture->directory, 0700), ==, 0);
        watch = socket_watch_new(fixture->uri, on_appeared, fixture);
        touch(other);
        touch(fixture->socket);
        wait_appeared(fixture, 1);
        socket_watch_free(watch);
        g_unlink(other);
}

static void test_nothing_to_watch(Fixture *fixture, gconstpointer data)
{
        static const char *const uris[] = {
                "qemu+ssh://host/system", "qemu://host/system", "qemu+tls://host/system",
                "test:///default",        "qemu:///session",    "not a uri",
        };

        for (size_t i = 0; i < G_N_ELEMENTS(uris); i++)
                g_assert_null(socket_watch_new(uris[i], on_appeared, fixture));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add("/watch/appears", Fixture, NULL, set_up, test_appears, tear_down);
        g_test_add("/watch/directories-appear", Fixture, NULL, set_up, test_directories_appear, tear_down);
        g_test_add("/watch/everything-at-once", Fixture, NULL, set_up, test_everything_at_once, tear_down);
        g_test_add("/watch/other-files", Fixture, NULL, set_up, test_other_files, tear_down);
        g_test_add("/watch/nothing-to-watch", Fixture, NULL, set_up, test_nothing_to_watch, tear_down);
        return g_test_run();
}
