/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "virt/typed_params.h"

#include <string.h>

/* Both wrappings and the value, for the parameter called @field. */
static GVariant *lookup(GVariant *dictionary, const char *field)
{
        g_autoptr(GVariant) inner = g_variant_lookup_value(dictionary, field, G_VARIANT_TYPE_VARIANT);

        g_assert_nonnull(inner);

        return g_variant_get_variant(inner);
}

static void check(const char *dictionary_text, const virTypedParameter *params, int n)
{
        g_autoptr(GVariant) dictionary = typed_params_to_variant(params, n);
        g_autofree char *text = NULL;

        g_assert_true(g_variant_is_floating(dictionary));
        g_assert_true(g_variant_is_of_type(dictionary, G_VARIANT_TYPE_VARDICT));

        text = g_variant_print(dictionary, TRUE);
        g_assert_cmpstr(text, ==, dictionary_text);
}

static void test_types(void)
{
        virTypedParameterPtr params = NULL;
        int n = 0, max = 0;

        g_assert_cmpint(virTypedParamsAddInt(&params, &n, &max, "i", G_MININT), ==, 0);
        g_assert_cmpint(virTypedParamsAddUInt(&params, &n, &max, "u", G_MAXUINT), ==, 0);
        g_assert_cmpint(virTypedParamsAddLLong(&params, &n, &max, "x.y", G_MININT64), ==, 0);
        g_assert_cmpint(virTypedParamsAddULLong(&params, &n, &max, "t", G_MAXUINT64), ==, 0);
        g_assert_cmpint(virTypedParamsAddDouble(&params, &n, &max, "d", 0.5), ==, 0);
        g_assert_cmpint(virTypedParamsAddBoolean(&params, &n, &max, "yes", 1), ==, 0);
        g_assert_cmpint(virTypedParamsAddBoolean(&params, &n, &max, "no", 0), ==, 0);
        g_assert_cmpint(virTypedParamsAddString(&params, &n, &max, "s", "text"), ==, 0);

        check("{'i': <<-2147483648>>, 'u': <<uint32 4294967295>>, 'x.y': <<int64 -9223372036854775808>>, "
              "'t': <<uint64 18446744073709551615>>, 'd': <<0.5>>, 'yes': <<true>>, 'no': <<false>>, "
              "'s': <<'text'>>}",
              params, n);

        virTypedParamsFree(params, n);
}

static void test_empty(void)
{
        virTypedParameter unused = {.field = "unused", .type = VIR_TYPED_PARAM_INT};

        check("@a{sv} {}", NULL, 0);
        check("@a{sv} {}", &unused, 0);
        check("@a{sv} {}", &unused, -1);
}

/* libvirt's own functions refuse to make these. */
static void test_odd(void)
{
        virTypedParameter params[] = {
                {.field = "future", .type = 1000, .value.l = -1},
                {.field = "zero", .type = 0},
                {.field = "null", .type = VIR_TYPED_PARAM_STRING, .value.s = NULL},
                {.field = "bad", .type = VIR_TYPED_PARAM_STRING, .value.s = (char *)"a\xff"},
                {.field = "f\xff", .type = VIR_TYPED_PARAM_INT, .value.i = 3},
                {.field = "true", .type = VIR_TYPED_PARAM_BOOLEAN, .value.b = 2},
        };
        g_autoptr(GVariant) dictionary = typed_params_to_variant(params, G_N_ELEMENTS(params));
        g_autoptr(GVariant) null = lookup(dictionary, "null");
        g_autoptr(GVariant) bad = lookup(dictionary, "bad");
        g_autoptr(GVariant) field = lookup(dictionary, "f\xef\xbf\xbd");
        g_autoptr(GVariant) yes = lookup(dictionary, "true");

        g_assert_cmpuint(g_variant_n_children(dictionary), ==, 4);
        g_assert_cmpstr(g_variant_get_string(null, NULL), ==, "");
        g_assert_cmpstr(g_variant_get_string(bad, NULL), ==, "a\xef\xbf\xbd");
        g_assert_cmpint(g_variant_get_int32(field), ==, 3);
        g_assert_true(g_variant_get_boolean(yes));
}

/* A name may use up the whole of its field. */
static void test_long_field(void)
{
        virTypedParameter param = {.type = VIR_TYPED_PARAM_UINT, .value.ui = 9};
        g_autoptr(GVariant) dictionary = NULL, value = NULL;

        memset(param.field, 'n', sizeof(param.field) - 1);

        dictionary = typed_params_to_variant(&param, 1);
        value = lookup(dictionary, param.field);
        g_assert_cmpuint(g_variant_get_uint32(value), ==, 9);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);

        /* virTypedParamsAdd*() reset this thread's last error, for which there is no place before this. */
        g_assert_cmpint(virInitialize(), ==, 0);

        g_test_add_func("/params/types", test_types);
        g_test_add_func("/params/empty", test_empty);
        g_test_add_func("/params/odd", test_odd);
        g_test_add_func("/params/long-field", test_long_field);

        return g_test_run();
}
