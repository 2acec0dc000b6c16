/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/signature.h"

#include <string.h>

static gboolean allowed(const char *signature)
{
        return signature_is_allowed(signature, strlen(signature));
}

static void test_allowed(void)
{
        static const char *const signatures[] = {
                "", "s", "yv", "as", "a{sv}", "(s)", "aa{s(aay)}", "(a{sv}a(sav))(h)a{ya{yy}}",
        };

        for (gsize i = 0; i < G_N_ELEMENTS(signatures); i++)
                g_assert_true(allowed(signatures[i]));
}

static void test_forbidden(void)
{
        static const char *const signatures[] = {
                "ms", "ams", "(ms)", "s()", "a()", "(s())", "{sv}", "s{sv}", "({sv})", "a({sv})",
        };

        for (gsize i = 0; i < G_N_ELEMENTS(signatures); i++)
                g_assert_false(allowed(signatures[i]));
}

/* As what is between the brackets of a tuple's type. */
static void test_part(void)
{
        g_assert_true(signature_is_allowed("su)", 2));
        g_assert_true(signature_is_allowed("smv", 1));
        g_assert_false(signature_is_allowed("smv", 2));
}

static void test_length(void)
{
        g_autofree char *longest = g_strnfill(SIGNATURE_MAX, 'y');
        g_autofree char *longer = g_strnfill(SIGNATURE_MAX + 1, 'y');

        g_assert_true(allowed(longest));
        g_assert_false(allowed(longer));
}

/* A signature of @n times @open, @n times @close and a byte between them. */
static char *nested(guint n, char open, char close)
{
        g_autofree char *before = g_strnfill(n, open);
        g_autofree char *after = close ? g_strnfill(n, close) : g_strdup("");

        return g_strconcat(before, "y", after, NULL);
}

static void test_depth(void)
{
        g_autofree char *arrays = nested(32, 'a', '\0'), *more_arrays = nested(33, 'a', '\0');
        g_autofree char *structs = nested(32, '(', ')'), *more_structs = nested(33, '(', ')');
        g_autofree char *both = g_strconcat(arrays, structs, arrays, structs, NULL);
        g_autofree char *inner = g_strdup_printf("a(%s)", arrays);

        g_assert_true(allowed(arrays));
        g_assert_false(allowed(more_arrays));
        g_assert_true(allowed(structs));
        g_assert_false(allowed(more_structs));

        /* One after the other they are no deeper, one in the other they are. */
        g_assert_true(allowed(both));
        g_assert_true(allowed(inner + 1));
        g_assert_false(allowed(inner));
        /* An array ends with its element, also where that is a struct of arrays. */
        g_assert_true(allowed("a(ay)aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaay"));
        g_assert_false(allowed("a(ay)aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaay"));
        g_assert_false(allowed("a(ayaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaay)"));
}

/* A boolean and a handle have fixed sizes, too, but others here and there. */
static void test_fixed_size(void)
{
        static const char types[] = "ybnqiuxtdhsogv(a{m";
        static const gsize sizes[] = {1, 0, 2, 2, 4, 4, 8, 8, 8};

        for (gsize i = 0; i < strlen(types); i++)
                g_assert_cmpuint(signature_fixed_size(types[i]), ==, i < G_N_ELEMENTS(sizes) ? sizes[i] : 0);
}

static void check_split(const GVariantType *type, char kind, const char *expected)
{
        char contents[SIGNATURE_MAX + 1];

        g_assert_cmpint(signature_split(type, contents), ==, kind);
        g_assert_cmpstr(contents, ==, expected);
}

static void test_split(void)
{
        const GVariantType *tuple = G_VARIANT_TYPE("(a{sv}(sa(iv))u)");
        const GVariantType *array = g_variant_type_first(tuple);
        g_autofree char *longest = g_strnfill(SIGNATURE_MAX, 'y');
        g_autofree char *brackets = g_strconcat("(", longest, ")", NULL);

        check_split(tuple, 'r', "a{sv}(sa(iv))u");
        /* What else the string holds is no part of these. */
        check_split(array, 'a', "{sv}");
        check_split(g_variant_type_element(array), 'e', "sv");
        check_split(g_variant_type_next(array), 'r', "sa(iv)");
        check_split(G_VARIANT_TYPE(brackets), 'r', longest);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/signature/allowed", test_allowed);
        g_test_add_func("/signature/forbidden", test_forbidden);
        g_test_add_func("/signature/part", test_part);
        g_test_add_func("/signature/length", test_length);
        g_test_add_func("/signature/depth", test_depth);
        g_test_add_func("/signature/fixed-size", test_fixed_size);
        g_test_add_func("/signature/split", test_split);
        return g_test_run();
}
