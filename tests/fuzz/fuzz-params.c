/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arguments that are one value on D-Bus and a pointer and a length in libvirt: dictionaries of typed
 * parameters above all, which come back as they went in.
 *
 * Input: a list of entries, each a type's letter, a name ended by 0, and a value: see add_entry(). */

#include "as-worker.h"
#include "base/utf8.h"
#include "call/arguments.h"
#include "call/call.h"
#include "fuzz.h"
#include "virt/typed_params.h"

#include <gio/gunixfdlist.h>

/* A string as a caller may send it. */
static GVariant *string_of(Input *input)
{
        g_autofree char *bytes = input_string(input);

        return utf8_variant(bytes);
}

static double double_of(Input *input)
{
        guint64 bits = input_number(input);
        double number;

        memcpy(&number, &bits, sizeof number);
        return number;
}

static GVariant *value_of(Input *input, char type)
{
        switch (type) {
        case 'i':
                return g_variant_new_int32((gint32)input_number(input));
        case 'u':
                return g_variant_new_uint32((guint32)input_number(input));
        case 'x':
                return g_variant_new_int64((gint64)input_number(input));
        case 't':
                return g_variant_new_uint64(input_number(input));
        case 'd':
                return g_variant_new_double(double_of(input));
        case 'b':
                return g_variant_new_boolean(input_byte(input) & 1);
        case 'y':
                return g_variant_new_byte(input_byte(input));
        case 'h':
                return g_variant_new_handle((gint32)input_number(input));
        case 'a':
                return g_variant_new_bytestring("");
        default:
                return string_of(input);
        }
}

/* An entry whose letter is upper-case is wrapped once more, as replies have it. */
static void add_entry(Input *input, GVariantBuilder *entries)
{
        char letter = (char)input_byte(input);
        g_autoptr(GVariant) name = g_variant_ref_sink(string_of(input));
        GVariant *value = value_of(input, g_ascii_tolower(letter));

        if (g_ascii_isupper(letter))
                value = g_variant_new_variant(value);
        g_variant_builder_add(entries, "{sv}", g_variant_get_string(name, NULL), value);
}

static GVariant *unwrap(GVariant *value)
{
        while (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
                GVariant *inner = g_variant_get_variant(value);

                g_variant_unref(value);
                value = inner;
        }

        return value;
}

/* The same names with the same values, in the same order. */
static void check_same(GVariant *before, GVariant *after)
{
        g_assert_cmpuint(g_variant_n_children(before), ==, g_variant_n_children(after));
        for (gsize i = 0; i < g_variant_n_children(before); i++) {
                g_autoptr(GVariant) old = NULL, new = NULL;
                const char *old_name, *new_name;

                g_variant_get_child(before, i, "{&sv}", &old_name, &old);
                g_variant_get_child(after, i, "{&sv}", &new_name, &new);
                old = unwrap(old);
                new = unwrap(new);
                g_assert_cmpstr(old_name, ==, new_name);
                g_assert_true(g_variant_equal(old, new));
        }
}

static gboolean is_libvirts(GVariant *dictionary)
{
        for (gsize i = 0; i < g_variant_n_children(dictionary); i++) {
                g_autoptr(GVariant) value = NULL;
                const char *name;

                g_variant_get_child(dictionary, i, "{&sv}", &name, &value);
                value = unwrap(value);
                if (strlen(name) >= VIR_TYPED_PARAM_FIELD_LENGTH ||
                    !strchr("iuxtdbs", *g_variant_get_type_string(value)))
                        return FALSE;
        }

        return TRUE;
}

static void check_params(const Call *call, GVariant *dictionary)
{
        g_autoptr(GError) error = NULL;
        g_auto(Params) params = {};
        g_autoptr(GVariant) again = NULL;
        AS_WORKER;

        if (!call_params(call, 0, &params, &error)) {
                g_assert_nonnull(error);
                g_assert_false(is_libvirts(dictionary));
                return;
        }

        g_assert_true(is_libvirts(dictionary));
        again = g_variant_ref_sink(typed_params_to_variant(params.params, params.n));
        check_same(dictionary, again);
}

static void check_bitmap(const Call *call)
{
        g_autoptr(GVariant) booleans = g_variant_get_child_value(call->args, 1), again = NULL;
        g_auto(Bitmap) bitmap = {};
        AS_WORKER;

        g_assert_true(call_bitmap(call, 1, &bitmap, NULL));
        again = g_variant_ref_sink(bits_to_variant(bitmap.bits, (unsigned)g_variant_n_children(booleans)));
        g_assert_true(g_variant_equal(booleans, again));
}

static void check_strings(const Call *call)
{
        g_autoptr(GVariant) strings = g_variant_get_child_value(call->args, 2);
        g_auto(Strings) read = {};
        AS_WORKER;

        g_assert_true(call_strings(call, 2, &read, NULL));
        g_assert_cmpuint(read.n, ==, g_variant_n_children(strings));
        g_assert_true((read.strings == NULL) == (read.n == 0));
}

static void check_files(const Call *call)
{
        g_autoptr(GError) error = NULL;
        g_auto(Files) files = {};
        g_autoptr(GVariant) handles = g_variant_get_child_value(call->args, 3);
        AS_WORKER;

        /* No descriptor came with it, so that each handle is one too many. */
        g_assert_true(call_files(call, 3, &files, &error) == (g_variant_n_children(handles) == 0));
}

static void check_bytes(const Call *call, const Input *input)
{
        g_auto(Bytes) bytes = {};
        AS_WORKER;

        g_assert_true(call_bytes(call, 4, &bytes, NULL));
        g_assert_cmpmem(bytes.bytes, bytes.n, input->data, input->left);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        const Input all = {data, size};
        Input input = all;
        g_autoptr(Call) call = g_new0(Call, 1);
        GVariantBuilder entries, booleans, strings, handles;
        g_autoptr(GVariant) dictionary = NULL;

        g_variant_builder_init(&entries, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_init(&booleans, G_VARIANT_TYPE("ab"));
        g_variant_builder_init(&strings, G_VARIANT_TYPE_STRING_ARRAY);
        g_variant_builder_init(&handles, G_VARIANT_TYPE("ah"));
        while (input.left > 0) {
                Input same = input;
                guint8 letter = *input.data;

                add_entry(&input, &entries);
                g_variant_builder_add(&booleans, "b", letter & 1);
                if (letter & 2)
                        g_variant_builder_add_value(&strings, string_of(&same));
                if (letter & 4)
                        g_variant_builder_add(&handles, "h", (gint32)input_number(&same));
        }

        dictionary = g_variant_ref_sink(g_variant_builder_end(&entries));
        call->args = g_variant_ref_sink(
                g_variant_new("(@a{sv}abasah@ay)", dictionary, &booleans, &strings, &handles,
                              g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, all.data, all.left, 1)));
        check_params(call, dictionary);
        check_bitmap(call);
        check_strings(call);
        check_files(call);
        check_bytes(call, &all);
        return 0;
}
