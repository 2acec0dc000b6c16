/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GVariant as JSON. */

#include "guestbusctl/json.h"

static void test_values(void)
{
        static const char *const rows[][2] = {
                {"true", "true"},
                {"byte 0x7f", "127"},
                {"int32 -5", "-5"},
                {"uint64 18446744073709551615", "18446744073709551615"},
                {"1.5", "1.5"},
                {"inf", "null"},
                {"'a\"b\\\\c\\n\\u0001é'", "\"a\\\"b\\\\c\\u000a\\u0001é\""},
                {"objectpath '/a'", "\"/a\""},
                {"@ai []", "[]"},
                {"[1, 2]", "[1,2]"},
                {"('x', <2>)", "[\"x\",2]"},
                {"@a{sv} {}", "{}"},
                {"{'a': <1>, 'b': <['c']>}", "{\"a\":1,\"b\":[\"c\"]}"},
                {"{uint32 5: true}", "{\"5\":true}"},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(GVariant) value = g_variant_parse(NULL, rows[i][0], NULL, NULL, &error);
                g_autoptr(GString) json = g_string_new(NULL);

                g_assert_no_error(error);
                json_add_value(json, value);
                g_assert_cmpstr(json->str, ==, rows[i][1]);
        }
}

static void test_members(void)
{
        g_autoptr(GString) json = g_string_new("{");

        json_add_member(json, "a", "b{");
        json_add_member(json, "c", "");
        json_add_key(json, "d");
        g_string_append(json, "1}");
        g_assert_cmpstr(json->str, ==, "{\"a\":\"b{\",\"c\":\"\",\"d\":1}");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/json/values", test_values);
        g_test_add_func("/json/members", test_members);
        return g_test_run();
}
