/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GKeyFile merges keys and groups that occur twice: the last one wins, and a setting is lost silently. It
 * does not say either in which line something was. So this gives it each line alone, under its group: GLib
 * still says what a line means, and duplicates are found here. */

#include "base/config_file.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

/* Many times the size of all keys. A device that never ends is no configuration. */
#define FILE_MAX (1 << 20)

typedef struct Reader {
        ConfigLineFunc *func;
        void *data;
        char *group;      /* of the line; NULL before the first */
        char *key;        /* of the line; NULL for none */
        GHashTable *seen; /* number of the line, by group or "[group]key" */
        unsigned number;
} Reader;

static gboolean failed_to_read(GError **error)
{
        int saved = errno;

        g_set_error_literal(error, G_IO_ERROR, g_io_error_from_errno(saved), g_strerror(saved));
        return FALSE;
}

/* The file's bytes, ended by 0, into @text. */
static gboolean read_file(const char *path, GString *text, GError **error)
{
        FILE *file = fopen(path, "re");
        gboolean good;

        if (!file)
                return failed_to_read(error);

        g_string_set_size(text, FILE_MAX + 1);
        g_string_set_size(text, fread(text->str, 1, FILE_MAX + 1, file));
        good = !ferror(file) || failed_to_read(error);
        fclose(file);
        if (good && (text->len > FILE_MAX || strlen(text->str) < text->len)) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s",
                            text->len > FILE_MAX ? "it has more than 1 MiB"
                                                 : "it is no text: it has a byte 0");
                return FALSE;
        }

        return good;
}

/* Takes over @name, "[group]" or "[group]key". */
static gboolean enter(Reader *reader, char *name, GError **error)
{
        g_autofree char *owned = name;
        unsigned before = GPOINTER_TO_UINT(g_hash_table_lookup(reader->seen, name));

        if (before == 0) {
                g_hash_table_insert(reader->seen, g_steal_pointer(&owned), GUINT_TO_POINTER(reader->number));
                return TRUE;
        }

        g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                    "it is there already, in line %u; one of them has to go", before);
        return FALSE;
}

static gboolean read_group(Reader *reader, GKeyFile *file, GError **error)
{
        g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);
        const ConfigLine line = {.group = groups[0], .file = file};

        g_free(reader->group);
        reader->group = g_strdup(groups[0]);

        return enter(reader, g_strdup_printf("[%s]", groups[0]), error) &&
               reader->func(&line, reader->data, error);
}

static gboolean read_key(Reader *reader, GKeyFile *file, GError **error)
{
        g_auto(GStrv) keys = g_key_file_get_keys(file, reader->group, NULL, NULL);
        const ConfigLine line = {.group = reader->group, .key = keys ? keys[0] : NULL, .file = file};

        /* An empty line, or a comment. */
        if (!line.key)
                return TRUE;

        reader->key = g_strdup(line.key);

        return enter(reader, g_strdup_printf("[%s]%s", reader->group, line.key), error) &&
               reader->func(&line, reader->data, error);
}

static gboolean read_line(Reader *reader, const char *text, GError **error)
{
        g_autoptr(GKeyFile) file = g_key_file_new();
        gboolean opens = g_str_has_prefix(text + strspn(text, " \t\r\v\f"), "[");
        g_autofree char *alone = opens || !reader->group ? g_strconcat(text, "\n", NULL)
                                                         : g_strdup_printf("[%s]\n%s\n", reader->group, text);

        /* GLib ignores a key of another language, QEMU[de], unless it is asked for that. */
        if (!g_key_file_load_from_data(file, alone, (gsize)-1, G_KEY_FILE_KEEP_TRANSLATIONS, error))
                return FALSE;

        if (opens)
                return read_group(reader, file, error);

        return !reader->group || read_key(reader, file, error);
}

static gboolean read_lines(Reader *reader, const char *text, GError **error)
{
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++) {
                reader->number++;
                g_clear_pointer(&reader->key, g_free);
                if (read_line(reader, *line, error))
                        continue;

                if (reader->key)
                        g_prefix_error(error, "[%s] %s: ", reader->group, reader->key);
                else if (reader->group)
                        g_prefix_error(error, "[%s]: ", reader->group);
                g_prefix_error(error, "line %u: ", reader->number);
                return FALSE;
        }

        return TRUE;
}

gboolean config_file_read(const char *path, ConfigLineFunc *func, void *data, GError **error)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GError) problem = NULL;
        Reader reader = {.func = func, .data = data, .seen = seen};
        gboolean good = read_file(path, text, &problem) && read_lines(&reader, text->str, &problem);

        g_free(reader.group);
        g_free(reader.key);
        if (good)
                return TRUE;

        g_propagate_prefixed_error(error, g_steal_pointer(&problem),
                                   "failed to read configuration %s: ", path);
        return FALSE;
}
