/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "virt/kind.h"

#include <glib.h>

/* The paths of libvirt's objects as they go out, in replies and signals. sd-bus refuses the whole message for
 * one path that it does not take: such an object is left out, and the log says so. Any thread, except
 * for the functions that may ask libvirt: these are for workers. */

/* Whether @path can be sent; see object_path_fits(). The log names each path that cannot, once. */
gboolean object_path_check(const char *path);

/* The path of @object, newly allocated, or NULL and an error when it cannot be sent. May ask libvirt. */
char *object_path_of(const char *connection_path, const Kind *kind, void *object, GError **error);

/* The paths of the @n objects that @kind lists for @flags, without those that cannot be sent, and ended by
 * NULL; free with g_strfreev(). Frees the objects and, as libvirt's lists are, @list. May ask libvirt. */
char **object_paths_of_list(const char *connection_path, const Kind *kind, unsigned flags, void **list,
                            int n);
