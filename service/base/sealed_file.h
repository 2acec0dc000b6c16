/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* A value in a file without a name, which nobody can change any more. Any thread. */

/* A descriptor of such a file, owned, or -1 and an error of G_IO_ERROR. Does not consume a floating
 * reference. */
int sealed_file_new(const char *name, GVariant *value, GError **error);

/* The value of that type in such a file, owned, or NULL and an error of G_IO_ERROR: it is none, or what it
 * has is not of that type. */
GVariant *sealed_file_read(int fd, const char *type, GError **error);
