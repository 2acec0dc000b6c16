/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Objects whose paths sd-bus does not take are left out, and the log has each of them once. */

#include "as-worker.h"
#include "base/error.h"
#include "virt/object_path.h"

#include <string.h>

#define CONNECTION "/org/libvirt/Test"
#define TOO_LONG   (1 << 16)
#define TOLD_MAX   256

static unsigned warnings;
static size_t longest;

static GLogWriterOutput count_warnings(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
        for (gsize i = 0; i < n; i++)
                if (level == G_LOG_LEVEL_WARNING && strcmp(fields[i].key, "MESSAGE") == 0)
                        longest = MAX(longest, strlen(fields[i].value));
        warnings += level == G_LOG_LEVEL_WARNING;
        return level > G_LOG_LEVEL_CRITICAL ? G_LOG_WRITER_HANDLED
                                            : g_log_writer_default(level, fields, n, data);
}

/* Objects that are their own names. */
static char *path_of(const char *connection_path, void *object)
{
        return g_strconcat(connection_path, "/x/", object, NULL);
}

/* A list gives the first alone. */
static void paths_of(const char *connection_path, void **objects, int n, unsigned flags, char **paths)
{
        if (n > 0)
                paths[0] = g_strdup("/listed");
}

static const Kind kind = {.path = path_of, .free = g_free};
static const Kind kind_with_lists = {.path = path_of, .paths = paths_of, .free = g_free};

static char *name(char last)
{
        char *text = g_strnfill(TOO_LONG, 'a');

        text[TOO_LONG - 1] = last;
        return text;
}

static void test_one(void)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *large = name('1'), *good = NULL;
        AS_WORKER;

        good = object_path_of(CONNECTION, &kind, (void *)"a", &error);
        g_assert_cmpstr(good, ==, CONNECTION "/x/a");
        g_assert_no_error(error);

        g_assert_null(object_path_of(CONNECTION, &kind, large, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_cmpuint(warnings, ==, 1);
}

static char **list(const Kind *of, char *first, char *second, char *third)
{
        void **objects = malloc(3 * sizeof *objects); /* as libvirt's are */
        AS_WORKER;

        objects[0] = first;
        objects[1] = second;
        objects[2] = third;
        return object_paths_of_list(CONNECTION, of, 0, objects, 3);
}

static void check_paths(char **paths, const char *first, const char *second)
{
        g_assert_cmpstr(paths[0], ==, first);
        g_assert_cmpstr(first ? paths[1] : NULL, ==, second);
        g_assert_null(first && second ? paths[2] : NULL);
        g_strfreev(paths);
}

static void test_lists(void)
{
        check_paths(list(&kind, g_strdup("a"), name('1'), g_strdup("b")), CONNECTION "/x/a",
                    CONNECTION "/x/b");
        check_paths(list(&kind, name('1'), name('2'), g_strdup("b")), CONNECTION "/x/b", NULL);
        check_paths(list(&kind, name('1'), name('2'), name('1')), NULL, NULL);
        check_paths(list(&kind_with_lists, name('1'), name('2'), g_strdup("b")), "/listed",
                    CONNECTION "/x/b");
}

/* The log does not grow with the mistakes of one host. */
static void test_log(void)
{
        warnings = 0;
        longest = 0;
        for (unsigned i = 0; i < 2 * TOLD_MAX; i++) {
                g_autofree char *text = g_strnfill(TOO_LONG + i, 'b'), *path = g_strconcat("/", text, NULL);

                g_assert_false(object_path_check(path));
                g_assert_false(object_path_check(path));
        }

        g_assert_cmpuint(warnings, <=, TOLD_MAX + 1);
        g_assert_cmpuint(warnings, >, TOLD_MAX / 2);
        g_assert_cmpuint(longest, <, 1000);
        g_assert_true(object_path_check("/a"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_log_set_writer_func(count_warnings, NULL, NULL);
        g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
        g_test_add_func("/object-path/one", test_one);
        g_test_add_func("/object-path/lists", test_lists);
        g_test_add_func("/object-path/log", test_log);

        return g_test_run();
}
