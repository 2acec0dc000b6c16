/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file is replaced, never written into, so that it is whole whenever a process or the machine ends; the
 * end of the line shows that it is. */

#include "base/number_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_NAME "last-number"
#define FILE_NEW  "last-number.new"

/* More than the largest number and the end of the line. */
#define TEXT_SIZE 32

static gboolean fail(GError **error, const char *what)
{
        int number = errno;

        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(number), "failed to %s: %s", what,
                    g_strerror(number));
        return FALSE;
}

static gboolean parse(const char *text, guint64 *number)
{
        char *end;

        if (!g_ascii_isdigit(text[0]))
                return FALSE;

        *number = g_ascii_strtoull(text, &end, 10);
        return strcmp(end, "\n") == 0 && *number <= LAST_NUMBER_MAX;
}

/* The number in the file, or 0; sets *@doubt if there is a file without a number. */
static guint64 last_number_read(int directory, gboolean *doubt)
{
        char text[TEXT_SIZE] = "";
        guint64 number = 0;
        int file = openat(directory, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        ssize_t n;

        if (file < 0) {
                *doubt = errno != ENOENT;
                return 0;
        }

        n = read(file, text, sizeof text - 1);
        close(file);
        *doubt = n < 0 || !parse(text, &number);
        return *doubt ? 0 : number;
}

/* With errno. A limit on the size of files (RLIMIT_FSIZE) is an error like others, and not the end of the
 * process. */
static gboolean write_text(int file, const char *text, size_t length)
{
        const struct timespec at_once = {};
        sigset_t signals, before;
        gboolean written;
        int number;

        sigemptyset(&signals);
        sigaddset(&signals, SIGXFSZ);
        pthread_sigmask(SIG_BLOCK, &signals, &before);
        errno = ENOSPC;
        written = write(file, text, length) == (ssize_t)length && fsync(file) == 0;
        number = errno;
        sigtimedwait(&signals, NULL, &at_once);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        errno = number;
        return written;
}

static gboolean write_new(int directory, guint64 number, GError **error)
{
        char text[TEXT_SIZE];
        int length = g_snprintf(text, sizeof text, "%" G_GUINT64_FORMAT "\n", number);
        int file = openat(directory, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        gboolean written;

        if (file < 0)
                return fail(error, "make a file");

        written = write_text(file, text, (size_t)length);
        if (!written)
                fail(error, "write a file");

        close(file);
        return written;
}

static gboolean last_number_write(int directory, guint64 number, GError **error)
{
        if (!write_new(directory, number, error))
                return FALSE;
        if (renameat(directory, FILE_NEW, directory, FILE_NAME) < 0 || fsync(directory) < 0)
                return fail(error, "replace the file");

        return TRUE;
}

void number_file_reserve(Reservation *reservation)
{
        int directory;

        reservation->start = reservation->least;
        if (g_mkdir_with_parents(reservation->directory, 0700) < 0) {
                fail(&reservation->error, "make the directory");
                return;
        }

        directory = open(reservation->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0) {
                fail(&reservation->error, "open the directory");
                return;
        }

        /* Where there are no locks, what is replaced is whole nonetheless. */
        if (flock(directory, LOCK_EX) < 0)
                g_debug("%s cannot be locked: %s", reservation->directory, g_strerror(errno));

        reservation->start = MAX(reservation->least, last_number_read(directory, &reservation->doubt));
        last_number_write(directory, reservation->start + reservation->size, &reservation->error);
        close(directory);
}
