/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A number in a file, which only grows: no number above it was ever used, by whatever process. */

/* JavaScript's numbers are exact up to 2^53. This leaves room for a start that uses 2^40; a file that says
 * more was not written here. */
#define LAST_NUMBER_MAX ((G_GUINT64_CONSTANT(1) << 53) - (G_GUINT64_CONSTANT(1) << 40))

/* Wanted and got. */
typedef struct Reservation {
        const char *directory; /* is made where it is missing */
        guint64 least, size;
        guint64 start;  /* the greater of @least and what was remembered; numbers above it are free */
        gboolean doubt; /* there was something, but no such number; it is replaced */
        GError *error;  /* why those up to @start + @size are not remembered as used; NULL: they are */
} Reservation;

/* Reserves: when it returns without an error, no crash makes the file forget it. Processes that share the
 * directory take turns. Any thread; waits for the disk. */
void number_file_reserve(Reservation *reservation);
