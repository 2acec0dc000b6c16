/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is seen of a configuration file, line by line, and which words an error has. */

#include "base/config_file.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

static char *path;

/* Notes "[group]" or "group.key=value"; a value "no" is refused. */
static gboolean note_line(const ConfigLine *line, void *data, GError **error)
{
        GString *seen = data;
        g_autofree char *value =
                line->key ? g_key_file_get_string(line->file, line->group, line->key, NULL) : NULL;

        if (g_strcmp0(value, "no") == 0) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "not that");
                return FALSE;
        }

        if (line->key)
                g_string_append_printf(seen, "%s.%s=%s;", line->group, line->key, value);
        else
                g_string_append_printf(seen, "[%s];", line->group);
        return TRUE;
}

static const struct {
        const char *text, *seen;
        const char *error; /* behind the file's name; NULL for none */
} files[] = {
        {"", "", NULL},
        {"\n# a comment\n\n", "", NULL},
        {"[a]\nx=1\ny = two words \n[b]\nx=3", "[a];a.x=1;a.y=two words ;[b];b.x=3;", NULL},
        {"[a]\r\nx=1\r\n", "[a];a.x=1;", NULL},
        {"  [a]\n  x=1\n", "[a];a.x=1;", NULL},
        {"[a]\nx[de]=1\nx=2\n", "[a];a.x[de]=1;a.x=2;", NULL},
        {"[a]\nx=\\s1\n", "[a];a.x= 1;", NULL},

        {"x=1\n", "", "line 1: "},
        {"[a\n", "", "line 1: "},
        {"[a]\nx\n[b]\n", "[a];", "line 2: [a]: "},
        {"[a]\n=1\n", "[a];", "line 2: [a]: "},
        {"[a]\nx=1\n\nx=1\n", "[a];a.x=1;", "line 4: [a] x: it is there already, in line 2"},
        {"[a]\n[b]\nx=1\n[a]\n", "[a];[b];b.x=1;", "line 4: [a]: it is there already, in line 1"},
        {"[a]\nx=1\ny=no\nz=1\n", "[a];a.x=1;", "line 3: [a] y: not that"},
        {"[a]\nx=no\n# and no more\nx\n", "[a];", "line 2: [a] x: not that"},
};

static void test_lines(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
                g_autoptr(GString) seen = g_string_new(NULL);
                g_autoptr(GError) error = NULL;
                g_autofree char *expected = g_strdup_printf("failed to read configuration %s: %s", path,
                                                            files[i].error ? files[i].error : "");
                gboolean good;

                g_assert_true(g_file_set_contents(path, files[i].text, -1, NULL));
                good = config_file_read(path, note_line, seen, &error);
                g_assert_cmpstr(seen->str, ==, files[i].seen);
                g_assert_cmpint(good, ==, !files[i].error);
                g_assert_cmpint(good, ==, !error);
                if (error)
                        g_assert_true(g_str_has_prefix(error->message, expected));
        }
}

static void check_refused(const char *file, int code, const char *words)
{
        g_autoptr(GString) seen = g_string_new(NULL);
        g_autoptr(GError) error = NULL;

        g_assert_false(config_file_read(file, note_line, seen, &error));
        g_assert_error(error, G_IO_ERROR, code);
        g_assert_true(g_str_has_prefix(error->message, "failed to read configuration "));
        g_assert_nonnull(strstr(error->message, words));
        g_assert_cmpuint(seen->len, ==, 0);
}

/* Nothing of a file that is refused as a whole is taken. */
static void test_files(void)
{
        /* A comment: as many lines would take a sanitizer minutes. */
        g_autofree char *long_text = g_strnfill((1 << 20) + 1, '#');

        g_unlink(path);
        check_refused(path, G_IO_ERROR_NOT_FOUND, path);
        check_refused("/", G_IO_ERROR_IS_DIRECTORY, "/: ");
        check_refused("/dev/zero", G_IO_ERROR_INVALID_DATA, "more than 1 MiB");

        g_assert_true(g_file_set_contents(path, "[a]\n\0x=1\n", 9, NULL));
        check_refused(path, G_IO_ERROR_INVALID_DATA, "a byte 0");
        g_assert_true(g_file_set_contents(path, long_text, -1, NULL));
        check_refused(path, G_IO_ERROR_INVALID_DATA, "more than 1 MiB");
        g_assert_true(g_file_set_contents(path, long_text + 1, -1, NULL));
        g_assert_true(config_file_read(path, note_line, NULL, NULL));
}

int main(int argc, char **argv)
{
        g_autofree char *directory = g_dir_make_tmp("gb-XXXXXX", NULL);
        int result;

        g_test_init(&argc, &argv, NULL);
        path = g_build_filename(directory, "guestbusd.conf", NULL);
        g_test_add_func("/config-file/lines", test_lines);
        g_test_add_func("/config-file/files", test_files);
        result = g_test_run();
        g_unlink(path);
        g_rmdir(directory);
        g_free(path);

        return result;
}
