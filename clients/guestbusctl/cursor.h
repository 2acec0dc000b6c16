/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "listener/listener.h"

/* The file in which a monitor notes up to where it has printed: a line for each connection, with its path,
 * the epoch and the number. */

/* What is in it is marked in the listener. A file that is not there is an empty one. */
gboolean cursor_load(const char *file, Listener *listener, GError **error);

/* Replaces it as a whole. */
gboolean cursor_save(const char *file, const Listener *listener, GError **error);

/* One line; pure. FALSE when it is none. */
gboolean cursor_parse(const char *line, char **connection, char **epoch, guint64 *number);
