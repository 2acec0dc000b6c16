/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors of callers, read and written without a flag of theirs.
 *
 * A socket takes MSG_DONTWAIT. A pipe takes RWF_NOWAIT, since Linux 6.4; before that, one that is readable
 * has a byte, and one that is writable has room for PIPE_BUF, unless the caller's other programs take these
 * first. A regular file is never waited for: reading and writing it takes the time that its disk takes. */

#include "base/caller_file.h"

#include "base/error.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

typedef enum Sort {
        SORT_FILE,
        SORT_PIPE,
        SORT_SOCKET,
} Sort;

struct CallerFile {
        int fd;
        int wake; /* an eventfd that is readable when nothing is to be waited for any more */
        Sort sort;
        gboolean no_nowait; /* the kernel does not have it for this pipe */
};

static gboolean is_stream_socket(int fd)
{
        int type = 0;
        socklen_t size = sizeof type;

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static gboolean find_sort(int fd, Sort *sort)
{
        struct stat status;

        if (fstat(fd, &status) < 0)
                return FALSE;

        if (S_ISREG(status.st_mode))
                *sort = SORT_FILE;
        else if (S_ISFIFO(status.st_mode))
                *sort = SORT_PIPE;
        else if (S_ISSOCK(status.st_mode) && is_stream_socket(fd))
                *sort = SORT_SOCKET;
        else
                return FALSE;

        return TRUE;
}

static gboolean is_open_for(int flags, CallerFileUse use)
{
        int mode = flags & O_ACCMODE;

        return flags >= 0 && !(flags & O_PATH) && (use == CALLER_FILE_READ || mode != O_RDONLY) &&
               (use == CALLER_FILE_WRITE || mode != O_WRONLY);
}

/* Why it does not do, or NULL. */
static const char *find_problem(int fd, CallerFileUse use, gboolean sparse, Sort *sort)
{
        int flags = fcntl(fd, F_GETFL);

        if (!find_sort(fd, sort))
                return "is neither a file nor a pipe nor a stream socket";
        if (!is_open_for(flags, use))
                return use == CALLER_FILE_READ ? "is not open for reading" : "is not open for writing";
        if (sparse && *sort != SORT_FILE)
                return "is no file, and cannot have holes";
        if (sparse && (flags & O_APPEND))
                return "is open for appending, and cannot get holes";

        return NULL;
}

CallerFile *caller_file_new(int fd, CallerFileUse use, gboolean sparse, GError **error)
{
        Sort sort = SORT_FILE;
        const char *problem = find_problem(fd, use, sparse, &sort);
        CallerFile *file;

        ASSERT_WORKER();
        if (problem) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS, "the descriptor %s", problem);
                close(fd);
                return NULL;
        }

        file = g_new0(CallerFile, 1);
        *file = (CallerFile){.fd = fd, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .sort = sort};
        if (file->wake >= 0)
                return file;

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED, "no more descriptors: %s",
                    g_strerror(errno));
        caller_file_free(file);
        return NULL;
}

void caller_file_free(CallerFile *file)
{
        ASSERT_WORKER();
        if (!file)
                return;

        if (file->wake >= 0)
                close(file->wake);
        close(file->fd);
        g_free(file);
}

void caller_file_wake(CallerFile *file)
{
        /* It fails where it was woken very often, and is awake then. */
        (void)eventfd_write(file->wake, 1);
}

/* Of what was done with the descriptor. */
static void set_error(GError **error, const char *what)
{
        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_DESCRIPTOR, "failed to %s the descriptor: %s", what,
                    g_strerror(errno));
}

gboolean caller_file_wait(CallerFile *file, short events, int other, short *found, gboolean *is_other,
                          GError **error)
{
        struct pollfd fds[] = {{.fd = file->fd, .events = events},
                               {.fd = file->wake, .events = POLLIN},
                               {.fd = other, .events = POLLIN}};

        ASSERT_WORKER();
        while (poll(fds, G_N_ELEMENTS(fds), file->sort == SORT_FILE ? 0 : -1) < 0 && errno == EINTR)
                continue;

        *found = fds[0].revents;
        *is_other = fds[2].revents != 0;
        if (fds[1].revents == 0)
                return TRUE;

        g_set_error_literal(error, GUESTBUS_ERROR, GUESTBUS_ERROR_DESCRIPTOR, "the transfer was stopped");
        return FALSE;
}

/* Waits until @events may be done, or fails. */
static gboolean wait_for(CallerFile *file, short events, GError **error)
{
        gboolean is_other;
        short found;

        return caller_file_wait(file, events, -1, &found, &is_other, error);
}

static gssize read_some(CallerFile *file, void *buffer, gsize size)
{
        struct iovec piece = {buffer, size};
        gssize n;

        if (file->sort == SORT_SOCKET)
                return recv(file->fd, buffer, size, MSG_DONTWAIT);
        if (file->sort == SORT_FILE || file->no_nowait)
                return read(file->fd, buffer, size);

        n = preadv2(file->fd, &piece, 1, -1, RWF_NOWAIT);
        file->no_nowait = n < 0 && errno == EOPNOTSUPP;
        return file->no_nowait ? read(file->fd, buffer, size) : n;
}

static gssize write_now(CallerFile *file, const void *bytes, gsize size)
{
        struct iovec piece = {(void *)bytes, size};
        gssize n;

        if (file->sort == SORT_SOCKET)
                return send(file->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (file->sort == SORT_FILE)
                return write(file->fd, bytes, size);
        if (file->no_nowait)
                return write(file->fd, bytes, MIN(size, PIPE_BUF));

        n = pwritev2(file->fd, &piece, 1, -1, RWF_NOWAIT);
        file->no_nowait = n < 0 && errno == EOPNOTSUPP;
        return file->no_nowait ? write(file->fd, bytes, MIN(size, PIPE_BUF)) : n;
}

static gboolean is_to_be_tried_again(void)
{
        return errno == EAGAIN || errno == EINTR;
}

gssize caller_file_read(CallerFile *file, void *buffer, gsize size, GError **error)
{
        gssize n;

        ASSERT_WORKER();
        do {
                if (!wait_for(file, POLLIN, error))
                        return -1;
                n = read_some(file, buffer, size);
        } while (n < 0 && is_to_be_tried_again());

        if (n < 0)
                set_error(error, "read");
        return n;
}

gssize caller_file_write_some(CallerFile *file, const void *bytes, gsize size, GError **error)
{
        gssize n = write_now(file, bytes, size);

        ASSERT_WORKER();
        if (n >= 0 || is_to_be_tried_again())
                return MAX(n, 0);

        set_error(error, "write to");
        return -1;
}

gboolean caller_file_write(CallerFile *file, const void *bytes, gsize size, GError **error)
{
        const char *next = bytes;

        ASSERT_WORKER();
        while (size > 0) {
                gssize n;

                if (!wait_for(file, POLLOUT, error))
                        return FALSE;

                n = caller_file_write_some(file, next, size, error);
                if (n < 0)
                        return FALSE;

                next += n;
                size -= (gsize)n;
        }

        return TRUE;
}

/* The place of the file, or a negative number and an error. */
static gint64 seek(const CallerFile *file, gint64 offset, int whence, GError **error)
{
        off_t place = lseek(file->fd, offset, whence);

        if (place < 0)
                set_error(error, "seek in");
        return place;
}

gboolean caller_file_section(CallerFile *file, gboolean *data, gint64 *length, GError **error)
{
        gint64 here, data_at, end;

        ASSERT_WORKER();
        here = seek(file, 0, SEEK_CUR, error);
        if (here < 0)
                return FALSE;

        data_at = lseek(file->fd, here, SEEK_DATA);
        if (data_at < 0 && errno != ENXIO) {
                set_error(error, "seek in");
                return FALSE;
        }

        /* ENXIO: there is none any more. */
        *data = data_at == here;
        if (data_at > here)
                end = data_at;
        else
                end = data_at < 0 ? seek(file, 0, SEEK_END, error) : seek(file, here, SEEK_HOLE, error);
        if (end < 0)
                return FALSE;

        *length = MAX(end - here, 0);
        return seek(file, here, SEEK_SET, error) >= 0;
}

gboolean caller_file_skip(CallerFile *file, gint64 length, GError **error)
{
        ASSERT_WORKER();
        return seek(file, length, SEEK_CUR, error) >= 0;
}

gboolean caller_file_punch(CallerFile *file, gint64 length, GError **error)
{
        struct stat status;
        gint64 here, end;

        ASSERT_WORKER();
        here = seek(file, 0, SEEK_CUR, error);
        if (here < 0)
                return FALSE;

        if (length < 0 || here > G_MAXINT64 - length) {
                errno = EFBIG;
                set_error(error, "make a hole in");
                return FALSE;
        }

        end = here + length;
        if (fstat(file->fd, &status) < 0 ||
            (here < status.st_size && length > 0 &&
             fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, here, length) < 0) ||
            (end > status.st_size && ftruncate(file->fd, end) < 0)) {
                set_error(error, "make a hole in");
                return FALSE;
        }

        return seek(file, end, SEEK_SET, error) >= 0;
}
