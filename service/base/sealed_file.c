/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* memfd_create() and its seals. */

#include "base/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* More than the service ever keeps: a file that claims to be larger is none of its own. */
#define SIZE_MAX_READ (256 << 20)

static void set_errno(GError **error, int number, const char *what)
{
        g_set_error(error, G_IO_ERROR, (int)g_io_error_from_errno(number), "failed to %s: %s", what,
                    g_strerror(number));
}

static int write_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return errno;

                data += MAX(n, 0);
                size -= (size_t)MAX(n, 0);
        }

        return 0;
}

int sealed_file_new(const char *name, GVariant *value, GError **error)
{
        int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

        if (fd < 0) {
                set_errno(error, errno, "make a file in memory");
                return -1;
        }

        r = write_all(fd, g_variant_get_data(value), g_variant_get_size(value));
        if (r == 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                r = errno;
        if (r == 0)
                return fd;

        set_errno(error, r, "fill a file in memory");
        close(fd);
        return -1;
}

static GBytes *read_all(int fd, size_t size)
{
        g_autofree char *data = g_malloc(MAX(size, 1));
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(fd, data + done, size - done, (off_t)done);

                if (n == 0 || (n < 0 && errno != EINTR))
                        return NULL;

                done += (size_t)MAX(n, 0);
        }

        return g_bytes_new_take(g_steal_pointer(&data), size);
}

GVariant *sealed_file_read(int fd, const char *type, GError **error)
{
        g_autoptr(GVariant) value = NULL;
        g_autoptr(GBytes) bytes = NULL;
        struct stat about;

        if ((fcntl(fd, F_GET_SEALS) & SEALS) != SEALS || fstat(fd, &about) < 0 ||
            about.st_size > SIZE_MAX_READ) {
                g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it is no sealed file");
                return NULL;
        }

        bytes = read_all(fd, (size_t)about.st_size);
        if (!bytes) {
                g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "it cannot be read");
                return NULL;
        }

        value = g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));
        if (!g_variant_is_normal_form(value)) {
                g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                                    "it holds something else than expected");
                return NULL;
        }

        return g_steal_pointer(&value);
}
