/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* There is no /etc/machine-id. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN(name)                                                                                           \
        int name(const char *path, int flags, ...)                                                           \
        {                                                                                                    \
                int (*next)(const char *, int, ...) =                                                        \
                        (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);                            \
                va_list more;                                                                                \
                mode_t mode;                                                                                 \
                va_start(more, flags);                                                                       \
                mode = va_arg(more, mode_t);                                                                 \
                va_end(more);                                                                                \
                if (strcmp(path, "/etc/machine-id") == 0)                                                    \
                        return errno = ENOENT, -1;                                                           \
                return next(path, flags, mode);                                                              \
        }
#define OPENAT(name)                                                                                         \
        int name(int directory, const char *path, int flags, ...)                                            \
        {                                                                                                    \
                int (*next)(int, const char *, int, ...) =                                                   \
                        (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, #name);                       \
                va_list more;                                                                                \
                mode_t mode;                                                                                 \
                va_start(more, flags);                                                                       \
                mode = va_arg(more, mode_t);                                                                 \
                va_end(more);                                                                                \
                if (strstr(path, "machine-id"))                                                              \
                        return errno = ENOENT, -1;                                                           \
                return next(directory, path, flags, mode);                                                   \
        }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
