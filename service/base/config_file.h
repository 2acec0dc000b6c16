/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* One configuration file, line by line. */

typedef struct ConfigLine {
        const char *group;
        const char *key; /* NULL for the line that opens the group */
        GKeyFile *file;  /* holds this line alone, for GLib's functions to read its value from */
} ConfigLine;

/* FALSE and an error when what the line says cannot be. */
typedef gboolean ConfigLineFunc(const ConfigLine *line, void *data, GError **error);

/* Calls @func for each line of @path that opens a group or sets a key, in order, until it fails. FALSE and an
 * error that says which file, line, group and key it is about: for one of @func's, for what cannot be read,
 * for a line that is none, and for a group or a key that is there already. */
gboolean config_file_read(const char *path, ConfigLineFunc *func, void *data, GError **error);
