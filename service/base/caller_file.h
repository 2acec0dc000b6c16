/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A descriptor that a caller gave to read from or to write to: a file, a pipe or a socket. It is the caller's
 * open file, whose flags are never changed: a program that has it as its standard output would find it
 * non-blocking. So it is waited for, and then read or written as far as that does not block.
 *
 * Worker threads, all of it, but for caller_file_wake(). */

typedef struct CallerFile CallerFile;

typedef enum CallerFileUse {
        CALLER_FILE_READ,
        CALLER_FILE_WRITE,
        CALLER_FILE_BOTH, /* a socket */
} CallerFileUse;

/* Takes @fd over, also when it fails: INVALID_ARGS for what is neither file, pipe nor connected socket, or is
 * not open for @use; with @sparse also for what cannot have holes. */
CallerFile *caller_file_new(int fd, CallerFileUse use, gboolean sparse, GError **error);

/* Closes the descriptor, which can take as long as the file's server likes. NULL is fine. */
void caller_file_free(CallerFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CallerFile, caller_file_free)

/* Has all that waits for the descriptor, and will, fail. Any thread. */
void caller_file_wake(CallerFile *file);

/* Reads at least one byte, and at most @size. Returns how many; 0 at the end; -1 and an error. */
gssize caller_file_read(CallerFile *file, void *buffer, gsize size, GError **error);

/* Waits until @events of poll(), or errors, are there for the descriptor, or @other, a descriptor or -1, is
 * readable. Returns those of the first in *@found, and of the second whether it is. */
gboolean caller_file_wait(CallerFile *file, short events, int other, short *found, gboolean *is_other,
                          GError **error);

/* Writes what can be without waiting. Returns how many bytes, which may be 0; -1 and an error. */
gssize caller_file_write_some(CallerFile *file, const void *bytes, gsize size, GError **error);

/* Writes all. */
gboolean caller_file_write(CallerFile *file, const void *bytes, gsize size, GError **error);

/* What follows at the place where the file is: @data of @length bytes, or a hole. 0 bytes at the end. For one
 * that was made sparse, as those below. */
gboolean caller_file_section(CallerFile *file, gboolean *data, gint64 *length, GError **error);

/* Goes over @length bytes that are a hole. */
gboolean caller_file_skip(CallerFile *file, gint64 length, GError **error);

/* Makes a hole of @length bytes, in the place of what is there. */
gboolean caller_file_punch(CallerFile *file, gint64 length, GError **error);
