/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Object paths: every name comes back, and what is taken for a path is one that can be made again.
 *
 * Input: one string, which is taken for a name, for a path, and for the last piece of one. */

#include "bus/path.h"
#include "fuzz.h"
#include "virt/kind.h"

static void check_name(const char *name)
{
        g_autofree char *leaf = path_escape(name), *path = path_name(PATH_ROOT, "nodedev", name);
        g_autofree char *again = path_unescape(leaf);

        g_assert_cmpstr(again, ==, name);
        g_assert_true(g_variant_is_object_path(path));
}

static void check_leaf(const char *leaf)
{
        g_autofree char *name = path_unescape(leaf);
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (name)
                check_name(name);

        if (path_leaf_to_uuid(leaf, uuid)) {
                g_autofree char *again = path_uuid_leaf(uuid);

                g_assert_cmpstr(again, ==, leaf);
        }

        for (const Kind *const *kind = kinds; *kind; kind++) {
                g_autofree char *key = (*kind)->key(leaf);

                g_assert_true(!key || strlen(key) <= strlen(leaf) + 1);
        }
}

static void check_path(const char *path)
{
        g_auto(PathParts) parts = {};
        g_autofree char *again = NULL;

        if (!path_split(path, &parts)) {
                g_assert_true(!parts.connection && !parts.collection && !parts.leaf);
                return;
        }

        again = g_strjoin("/", PATH_ROOT, parts.connection, parts.collection, parts.leaf, NULL);
        g_assert_cmpstr(again, ==, path);
        if (parts.leaf)
                check_leaf(parts.leaf);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        Input input = {data, size};
        g_autofree char *string = input_string(&input), *path = g_strconcat(PATH_ROOT "/", string, NULL);

        check_name(string);
        check_leaf(string);
        check_path(string);
        check_path(path);
        return 0;
}
