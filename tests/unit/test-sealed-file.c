/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A value in a file that nobody can change. */

#include "base/sealed_file.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <sys/mman.h>
#include <unistd.h>

#define TYPE "(ua{sv})"

static GVariant *example(void)
{
        return g_variant_ref_sink(g_variant_new_parsed("(uint32 7, {'a': <'text'>, 'b': <[true, false]>})"));
}

static void check_refused(int fd)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(sealed_file_read(fd, TYPE, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

static void test_there_and_back(void)
{
        g_autoptr(GVariant) value = example(), got = NULL;
        g_autoptr(GError) error = NULL;
        int fd = sealed_file_new("test", value, &error);

        g_assert_no_error(error);
        g_assert_cmpint(fd, >=, 0);
        g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        for (unsigned i = 0; i < 2; i++) {
                g_clear_pointer(&got, g_variant_unref);
                got = sealed_file_read(fd, TYPE, &error);
                g_assert_no_error(error);
                g_assert_true(g_variant_equal(got, value));
        }

        g_assert_cmpint(write(fd, "x", 1), <, 0);
        g_assert_cmpint(ftruncate(fd, 0), <, 0);
        close(fd);
}

static void test_another_type(void)
{
        g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_string("\xc3\xa4"));
        int fd = sealed_file_new("test", value, NULL);

        check_refused(fd);
        close(fd);
}

/* What is no such file, or might change. */
static void test_other_files(void)
{
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        check_refused(fd);
        g_assert_cmpint(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), ==, 0);
        check_refused(fd);
        close(fd);

        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        check_refused(fd);
        close(fd);
        check_refused(-1);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/sealed-file/there-and-back", test_there_and_back);
        g_test_add_func("/sealed-file/another-type", test_another_type);
        g_test_add_func("/sealed-file/other-files", test_other_files);
        return g_test_run();
}
