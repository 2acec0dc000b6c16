/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file of a monitor's place in each stream. */

#include "guestbusctl/cursor.h"

#include <errno.h>
#include <glib/gstdio.h>

gboolean cursor_parse(const char *line, char **connection, char **epoch, guint64 *number)
{
        g_auto(GStrv) words = g_strsplit(line, " ", -1);
        g_autofree char *path = NULL;

        if (g_strv_length(words) != 3 || !*words[1] ||
            !g_ascii_string_to_unsigned(words[2], 10, 0, G_MAXUINT64, number, NULL))
                return FALSE;

        path = path_connection(words[0]);
        if (g_strcmp0(path, words[0]) != 0)
                return FALSE;

        *connection = g_steal_pointer(&path);
        *epoch = g_strdup(words[1]);
        return TRUE;
}

gboolean cursor_load(const char *file, Listener *listener, GError **error)
{
        g_autoptr(GError) problem = NULL;
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!g_file_get_contents(file, &text, NULL, &problem)) {
                if (g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                        return TRUE;

                g_propagate_error(error, g_steal_pointer(&problem));
                return FALSE;
        }

        lines = g_strsplit(text, "\n", -1);
        for (guint i = 0; lines[i]; i++) {
                g_autofree char *connection = NULL, *epoch = NULL;
                guint64 number;

                if (!*lines[i])
                        continue;

                if (!cursor_parse(lines[i], &connection, &epoch, &number)) {
                        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                                    "%s: line %u is not of a cursor file; remove the file to begin anew",
                                    file, i + 1);
                        return FALSE;
                }

                listener_mark(listener, connection, epoch, number);
        }

        return TRUE;
}

static void add_line(const char *connection, const StreamMark *mark, void *data)
{
        g_string_append_printf(data, "%s %s %" G_GUINT64_FORMAT "\n", connection, mark->epoch, mark->number);
}

/* Not synced to the disk: after a loss of power the service has begun anew as well. */
gboolean cursor_save(const char *file, const Listener *listener, GError **error)
{
        g_autofree char *new = g_strconcat(file, ".new", NULL);
        g_autoptr(GString) text = g_string_new(NULL);

        listener_marks(listener, add_line, text);
        if (!g_file_set_contents_full(new, text->str, (gssize)text->len, G_FILE_SET_CONTENTS_NONE, 0666,
                                      error))
                return FALSE;

        if (g_rename(new, file) == 0)
                return TRUE;

        g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno), "failed to rename %s: %s", new,
                    g_strerror(errno));
        return FALSE;
}
