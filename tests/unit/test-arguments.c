/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "call/arguments.h"
#include "call/call.h"

#include "as-worker.h"
#include "base/error.h"
#include "virt/typed_params.h"

#include <string.h>
#include <unistd.h>

/* A call with these arguments, a tuple in GVariant's text form. */
static Call *call_with(const char *text)
{
        Call *call = g_new0(Call, 1);

        call->args = g_variant_parse(NULL, text, NULL, NULL, NULL);
        g_assert_nonnull(call->args);
        return call;
}

static void check_refused(GError *error, const char *words)
{
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS);
        g_assert_nonnull(strstr(error->message, words));
}

static void read_params_of(Call *call, Params *params)
{
        g_autoptr(GError) error = NULL;
        AS_WORKER;

        g_assert_true(call_params(call, 0, params, &error));
        g_assert_no_error(error);
}

/* The parameters that libvirt gets for a dictionary. */
static void read_params(const char *text, Params *params)
{
        g_autoptr(Call) call = call_with(text);

        read_params_of(call, params);
}

static void check_params_refused(const char *text, const char *words)
{
        g_autoptr(Call) call = call_with(text);
        g_autoptr(GError) error = NULL;
        g_auto(Params) params = {};
        AS_WORKER;

        g_assert_false(call_params(call, 0, &params, &error));
        check_refused(error, words);
}

static const virTypedParameter *find(const Params *params, const char *field, int type)
{
        virTypedParameterPtr param = virTypedParamsGet(params->params, params->n, field);

        g_assert_nonnull(param);
        g_assert_cmpint(param->type, ==, type);
        return param;
}

static void test_param_types(void)
{
        g_auto(Params) params = {};
        double half = 0.5;

        read_params("({'i': <int32 -2147483648>, 'u': <uint32 4294967295>,"
                    "  'x': <int64 -9223372036854775808>, 't': <uint64 18446744073709551615>,"
                    "  'd': <0.5>, 'yes': <true>, 'no': <false>, 's': <'text \u00e4'>, 'empty': <''>},)",
                    &params);

        g_assert_cmpint(params.n, ==, 9);
        g_assert_cmpint(find(&params, "i", VIR_TYPED_PARAM_INT)->value.i, ==, G_MININT);
        g_assert_cmpuint(find(&params, "u", VIR_TYPED_PARAM_UINT)->value.ui, ==, G_MAXUINT);
        g_assert_cmpint(find(&params, "x", VIR_TYPED_PARAM_LLONG)->value.l, ==, G_MININT64);
        g_assert_cmpuint(find(&params, "t", VIR_TYPED_PARAM_ULLONG)->value.ul, ==, G_MAXUINT64);
        g_assert_cmpmem(&find(&params, "d", VIR_TYPED_PARAM_DOUBLE)->value.d, sizeof half, &half,
                        sizeof half);
        g_assert_cmpint(find(&params, "yes", VIR_TYPED_PARAM_BOOLEAN)->value.b, ==, 1);
        g_assert_cmpint(find(&params, "no", VIR_TYPED_PARAM_BOOLEAN)->value.b, ==, 0);
        g_assert_cmpstr(find(&params, "s", VIR_TYPED_PARAM_STRING)->value.s, ==, "text \u00e4");
        g_assert_cmpstr(find(&params, "empty", VIR_TYPED_PARAM_STRING)->value.s, ==, "");
}

static void test_param_order(void)
{
        g_auto(Params) params = {};

        read_params("({'b': <1>, 'a': <2>, 'b': <3>},)", &params);

        g_assert_cmpint(params.n, ==, 3);
        g_assert_cmpstr(params.params[0].field, ==, "b");
        g_assert_cmpstr(params.params[1].field, ==, "a");
        g_assert_cmpint(params.params[2].value.i, ==, 3);
}

/* What may come several times: as a key that does, or as one with all values. */
static void test_param_multiple(void)
{
        static const char *const names[] = {"disks", "n", "disks", "disks", "disks", "compression"};
        static const char *const values[] = {"vda", NULL, "", "vdb", "vdc", "xbzrle"};
        g_auto(Params) params = {};

        read_params("({'disks': <'vda'>, 'n': <7>, 'disks': <['', 'vdb']>, 'none': <@as []>,"
                    " 'disks': <<<['vdc']>>>, 'compression': <['xbzrle']>},)",
                    &params);

        g_assert_cmpint(params.n, ==, G_N_ELEMENTS(names));
        for (int i = 0; i < params.n; i++) {
                g_assert_cmpstr(params.params[i].field, ==, names[i]);
                g_assert_cmpint(params.params[i].type, ==,
                                values[i] ? VIR_TYPED_PARAM_STRING : VIR_TYPED_PARAM_INT);
                if (values[i])
                        g_assert_cmpstr(params.params[i].value.s, ==, values[i]);
        }
}

static void test_param_none(void)
{
        g_auto(Params) params = {};

        read_params("(@a{sv} {},)", &params);

        g_assert_cmpint(params.n, ==, 0);
}

/* A reply's values are wrapped twice; a client may send back what it got, wrapped as often. */
static void test_param_nested(void)
{
        g_auto(Params) params = {};

        read_params("({'one': <1>, 'two': <<uint32 2>>, 'four': <<<<'4'>>>>},)", &params);

        g_assert_cmpint(find(&params, "one", VIR_TYPED_PARAM_INT)->value.i, ==, 1);
        g_assert_cmpuint(find(&params, "two", VIR_TYPED_PARAM_UINT)->value.ui, ==, 2);
        g_assert_cmpstr(find(&params, "four", VIR_TYPED_PARAM_STRING)->value.s, ==, "4");
}

static void test_param_round_trip(void)
{
        g_auto(Params) params = {}, again = {};
        g_autoptr(Call) call = g_new0(Call, 1);
        g_autoptr(GVariant) sent = NULL, back = NULL;

        read_params("({'i': <-1>, 'd': <0.5>, 'b': <true>, 's': <'x'>, 't': <uint64 7>},)", &params);
        call->args = g_variant_ref_sink(
                g_variant_new("(@a{sv})", typed_params_to_variant(params.params, params.n)));
        read_params_of(call, &again);
        back = g_variant_ref_sink(typed_params_to_variant(again.params, again.n));

        sent = g_variant_get_child_value(call->args, 0);

        g_assert_true(g_variant_equal(back, sent));
}

/* The error names the parameter and the type it has. */
static void test_param_wrong_types(void)
{
        static const struct {
                const char *value;
                const char *type;
        } wrong[] = {
                {"byte 1", "\"y\""},         {"int16 1", "\"n\""},       {"uint16 1", "\"q\""},
                {"objectpath '/'", "\"o\""}, {"signature 's'", "\"g\""}, {"handle 0", "\"h\""},
                {"[1]", "\"ai\""},           {"(1, 2)", "\"(ii)\""},     {"@a{sv} {}", "\"a{sv}\""},
                {"<byte 1>", "\"y\""},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_autofree char *text =
                        g_strdup_printf("({'good': <1>, 'text': <'owned'>, 'bad one': <%s>},)",
                                        wrong[i].value);

                check_params_refused(text, "\"bad one\"");
                check_params_refused(text, wrong[i].type);
        }
}

static void test_param_names(void)
{
        g_autofree char *longest = g_strnfill(VIR_TYPED_PARAM_FIELD_LENGTH - 1, 'n');
        g_autofree char *too_long = g_strnfill(VIR_TYPED_PARAM_FIELD_LENGTH, 'n');
        g_autofree char *huge = g_strnfill(1024 * 1024, 'n');
        g_autofree char *good_text = g_strdup_printf("({'%s': <1>},)", longest);
        g_autofree char *bad_text = g_strdup_printf("({'first': <'owned'>, '%s': <'x'>},)", too_long);
        g_autofree char *huge_text = g_strdup_printf("({'%s': <1>},)", huge);
        g_auto(Params) params = {};

        read_params(good_text, &params);
        g_assert_cmpstr(params.params[0].field, ==, longest);

        check_params_refused(bad_text, "name of more than 79 bytes");
        check_params_refused(huge_text, "name of more than 79 bytes");
}

static GVariant *many_params(unsigned n)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        for (unsigned i = 0; i < n; i++)
                g_variant_builder_add(&builder, "{sv}", "n", g_variant_new_uint32(i));

        return g_variant_new("(@a{sv})", g_variant_builder_end(&builder));
}

static void test_param_number(void)
{
        g_autoptr(Call) most = g_new0(Call, 1), over = g_new0(Call, 1);
        g_autoptr(GError) error = NULL;
        g_auto(Params) params = {}, none = {};
        AS_WORKER;

        most->args = g_variant_ref_sink(many_params(4096));
        over->args = g_variant_ref_sink(many_params(4097));

        g_assert_true(call_params(most, 0, &params, NULL));
        g_assert_cmpint(params.n, ==, 4096);
        g_assert_cmpuint(params.params[4095].value.ui, ==, 4095);
        g_assert_false(call_params(over, 0, &none, &error));
        check_refused(error, "4097");
}

/* Bit i of n is set where i is divisible by three, there and back. */
static void check_bitmap(unsigned n)
{
        g_autoptr(Call) call = g_new0(Call, 1);
        g_autoptr(GVariant) back = NULL;
        g_auto(Bitmap) bitmap = {};
        GVariantBuilder builder;
        AS_WORKER;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("ab"));
        for (unsigned i = 0; i < n; i++)
                g_variant_builder_add(&builder, "b", i % 3 == 0);
        call->args = g_variant_ref_sink(g_variant_new("(uab)", 7, &builder));

        g_assert_true(call_bitmap(call, 1, &bitmap, NULL));
        g_assert_cmpint(bitmap.n, ==, (n + 7) / 8);
        for (unsigned bit = 0; bit < (unsigned)bitmap.n * 8; bit++)
                g_assert_cmpint(VIR_CPU_USED(bitmap.bits, bit) != 0, ==, bit < n && bit % 3 == 0);

        back = g_variant_ref_sink(bits_to_variant(bitmap.bits, n));
        g_assert_true(g_variant_is_of_type(back, G_VARIANT_TYPE("ab")));
        g_assert_cmpuint(g_variant_n_children(back), ==, n);
        for (unsigned i = 0; i < n; i++) {
                g_autoptr(GVariant) bit = g_variant_get_child_value(back, i);

                g_assert_cmpint(g_variant_get_boolean(bit), ==, i % 3 == 0);
        }
}

static void test_bitmaps(void)
{
        static const unsigned lengths[] = {0, 1, 7, 8, 9, 1000};

        for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++)
                check_bitmap(lengths[i]);
}

/* Three descriptors came with the message. */
static Call *call_with_files(const char *text, int fds[3])
{
        Call *call = call_with(text);

        call->fds = g_unix_fd_list_new();
        for (int i = 0; i < 3; i++)
                g_assert_cmpint(g_unix_fd_list_append(call->fds, STDERR_FILENO, NULL), ==, i);
        for (int i = 0; i < 3; i++)
                fds[i] = g_unix_fd_list_peek_fds(call->fds, NULL)[i];

        return call;
}

static void test_files(void)
{
        int fds[3];
        g_autoptr(Call) call = call_with_files("([handle 2, handle 0, handle 2],)", fds);
        g_auto(Files) files = {};
        AS_WORKER;

        g_assert_true(call_files(call, 0, &files, NULL));
        g_assert_cmpuint(files.n, ==, 3);
        g_assert_cmpint(files.files[0], ==, fds[2]);
        g_assert_cmpint(files.files[1], ==, fds[0]);
        g_assert_cmpint(files.files[2], ==, fds[2]);
}

static void test_files_none(void)
{
        int fds[3];
        g_autoptr(Call) with = call_with_files("(@ah [],)", fds);
        g_autoptr(Call) without = call_with("(@ah [],)");
        g_auto(Files) one = {}, other = {};
        AS_WORKER;

        g_assert_true(call_files(with, 0, &one, NULL));
        g_assert_cmpuint(one.n, ==, 0);
        g_assert_true(call_files(without, 0, &other, NULL));
        g_assert_cmpuint(other.n, ==, 0);
}

static void check_files_refused(Call *call, const char *words)
{
        g_autoptr(GError) error = NULL;
        g_auto(Files) files = {};
        AS_WORKER;

        g_assert_false(call_files(call, 0, &files, &error));
        check_refused(error, words);
}

static void test_files_out_of_range(void)
{
        static const char *const texts[] = {"([handle 3],)", "([handle 0, handle -1],)",
                                            "([handle 2147483647],)", "([handle -2147483648],)"};
        g_autoptr(Call) bare = call_with("([handle 0],)");

        check_files_refused(bare, "file handle 0 is none of the 0");
        for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
                int fds[3];
                g_autoptr(Call) call = call_with_files(texts[i], fds);

                check_files_refused(call, "none of the 3 descriptors");
        }
}

static void test_strings(void)
{
        g_autoptr(Call) call = call_with("(uint32 1, ['a', '', 'c \u00e4'], @as [])");
        g_auto(Strings) some = {}, none = {};
        AS_WORKER;

        g_assert_true(call_strings(call, 1, &some, NULL));
        g_assert_cmpuint(some.n, ==, 3);
        g_assert_cmpstr(some.strings[0], ==, "a");
        g_assert_cmpstr(some.strings[1], ==, "");
        g_assert_cmpstr(some.strings[2], ==, "c \u00e4");

        g_assert_true(call_strings(call, 2, &none, NULL));
        g_assert_cmpuint(none.n, ==, 0);
        g_assert_null(none.strings);
}

static void test_bytes(void)
{
        g_autoptr(Call) call = call_with("([byte 0, 255, 0, 7], @ay [])");
        g_auto(Bytes) some = {}, none = {};
        AS_WORKER;

        g_assert_true(call_bytes(call, 0, &some, NULL));
        g_assert_cmpmem(some.bytes, some.n, "\0\377\0\7", 4);
        g_assert_true(call_bytes(call, 1, &none, NULL));
        g_assert_cmpuint(none.n, ==, 0);
}

static void test_room(void)
{
        g_auto(Params) params = {.n = 5}, none = {.n = 0}, failed = {.n = -1};

        g_assert_true(params_allocate(&params));
        for (int i = 0; i < params.n; i++)
                g_assert_cmpint(params.params[i].type, ==, 0);
        g_assert_true(params_allocate(&none));
        g_assert_true(params_allocate(&failed));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/args/params/types", test_param_types);
        g_test_add_func("/args/params/order", test_param_order);
        g_test_add_func("/args/params/multiple", test_param_multiple);
        g_test_add_func("/args/params/none", test_param_none);
        g_test_add_func("/args/params/nested", test_param_nested);
        g_test_add_func("/args/params/round-trip", test_param_round_trip);
        g_test_add_func("/args/params/wrong-types", test_param_wrong_types);
        g_test_add_func("/args/params/names", test_param_names);
        g_test_add_func("/args/params/number", test_param_number);
        g_test_add_func("/args/params/room", test_room);
        g_test_add_func("/args/bitmaps", test_bitmaps);
        g_test_add_func("/args/files", test_files);
        g_test_add_func("/args/files/none", test_files_none);
        g_test_add_func("/args/files/out-of-range", test_files_out_of_range);
        g_test_add_func("/args/strings", test_strings);
        g_test_add_func("/args/bytes", test_bytes);

        return g_test_run();
}
