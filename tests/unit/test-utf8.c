/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/utf8.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS    "\xe2\x80\xa6"

static const struct {
        const char *from;
        const char *to;
} cases[] = {
        {NULL, ""},
        {"", ""},
        {"plain", "plain"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\x01\x7f\n", "\x01\x7f\n"},
        {"\xff", REPLACEMENT},
        {"a\xe9z", "a" REPLACEMENT "z"},
        {"half \xe2\x82", "half " REPLACEMENT REPLACEMENT},
        {"\xc0\xaf", REPLACEMENT REPLACEMENT},
        {"\xed\xa0\x80", REPLACEMENT REPLACEMENT REPLACEMENT},
        /* noncharacters and their neighbours */
        {"a\xef\xbf\xbf-\xef\xbf\xbe-\xef\xbf\xbd", "a" REPLACEMENT "-" REPLACEMENT "-" REPLACEMENT},
        {"\xef\xb7\x8f\xef\xb7\x90\xef\xb7\xaf\xef\xb7\xb0",
         "\xef\xb7\x8f" REPLACEMENT REPLACEMENT "\xef\xb7\xb0"},
        {"\xf4\x8f\xbf\xbfz\xf0\x9f\xbf\xbe\xf4\x8f\xbf\xbd", REPLACEMENT "z" REPLACEMENT "\xf4\x8f\xbf\xbd"},
        {"\xff\xf4\x8f\xbf\xbf", REPLACEMENT REPLACEMENT},
};

static void test_utf8(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *text = utf8_make_valid(cases[i].from);

                g_assert_cmpstr(text, ==, cases[i].to);
                g_assert_true(text != cases[i].from);
        }
}

static void test_variant(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GVariant) value = utf8_variant(cases[i].from);

                g_assert_true(g_variant_is_floating(value));
                g_assert_true(g_variant_is_of_type(value, G_VARIANT_TYPE_STRING));
                g_assert_cmpstr(g_variant_get_string(value, NULL), ==, cases[i].to);
        }
}

static void check_clip(const char *from, gsize max, const char *to)
{
        g_autofree char *text = utf8_clip(from, max);

        g_assert_cmpstr(text, ==, to);
}

static void test_clip(void)
{
        check_clip(NULL, 10, "");
        check_clip("", 0, "");
        check_clip("hello", 5, "hello");
        check_clip("hello", G_MAXSIZE, "hello");
        check_clip("hello!", 5, "he" ELLIPSIS);
        check_clip("hello", 4, "h" ELLIPSIS);
        check_clip("hello", 3, ELLIPSIS);
        check_clip("hello", 2, "he");
        check_clip("hello", 0, "");

        /* between characters */
        check_clip("a\xe2\x82\xac\xe2\x82\xac", 7, "a\xe2\x82\xac\xe2\x82\xac");
        check_clip("a\xe2\x82\xac\xe2\x82\xac", 6, "a" ELLIPSIS);
        check_clip("\xf0\x9f\x98\x80 face", 6, ELLIPSIS);
        check_clip("\xe2\x82\xac", 2, "");

        /* what is longer only once it is repaired */
        check_clip("\xff\xff", 6, REPLACEMENT REPLACEMENT);
        check_clip("\xff\xff", 5, ELLIPSIS);

        /* and what is shorter */
        check_clip("\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", 6, REPLACEMENT REPLACEMENT);
}

/* The rule itself, for every length of texts of each width of character. */
static void test_clip_lengths(void)
{
        static const char *const characters[] = {
                "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xff", "\xe2"};

        for (gsize i = 0; i < G_N_ELEMENTS(characters); i++) {
                g_autoptr(GString) from = g_string_new(NULL);

                for (int n = 0; n < 40; n++) {
                        g_autofree char *whole = utf8_make_valid(from->str);

                        for (gsize max = 0; max < 200; max++) {
                                g_autofree char *text = utf8_clip(from->str, max);
                                gboolean cut = strlen(whole) > max;

                                g_assert_cmpuint(strlen(text), <=, max);
                                g_assert_true(g_utf8_validate(text, -1, NULL));
                                g_assert_cmpint(g_str_has_suffix(text, ELLIPSIS), ==, cut && max >= 3);
                                g_assert_true(cut || g_str_equal(text, whole));
                                g_assert_true(!cut || strlen(text) + 6 > max);
                        }

                        g_string_append(from, characters[i]);
                }
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/text/utf8", test_utf8);
        g_test_add_func("/text/variant", test_variant);
        g_test_add_func("/text/clip", test_clip);
        g_test_add_func("/text/clip-lengths", test_clip_lengths);

        return g_test_run();
}
