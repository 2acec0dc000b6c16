/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A GVariant of any type and any bytes: codec_append() refuses it, or what it writes reads the same.
 *
 * Input: a type in GVariant's letters ended by 0, the bytes of the value. */

#include "bus/codec.h"
#include "fuzz.h"
#include "wire.h"

#include <gio/gio.h>

/* Some value, which is not what its bytes say where those are not in GVariant's normal form. */
static GVariant *value_of(const char *type, const Input *input)
{
        g_autoptr(GBytes) bytes = g_bytes_new(input->data, input->left);
        g_autoptr(GVariant) value = g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE);

        return g_variant_ref_sink(g_steal_pointer(&value));
}

/* By what they print: GLib takes some arrays of arrays for normal that are not written as it writes them. */
static gboolean same(GVariant *one, GVariant *other)
{
        g_autofree char *first = g_variant_print(one, TRUE), *second = g_variant_print(other, TRUE);

        return strcmp(first, second) == 0;
}

static void check_read(sd_bus_message *message, GVariant *value)
{
        g_autoptr(GVariant) tuple = NULL, again = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;

        wire_finish(message);
        tuple = codec_read(message, g_variant_get_type_string(value), &fds, &error);
        g_assert_no_error(error);
        g_variant_ref_sink(tuple);
        again = g_variant_get_child_value(tuple, 0);
        g_assert_true(same(value, again));
}

static void check_children(GVariant *value)
{
        g_autoptr(sd_bus_message) message = wire_new();
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) again = NULL;

        if (codec_append_children(message, value, NULL) < 0)
                return;

        wire_finish(message);
        again = codec_read(message, sd_bus_message_get_signature(message, TRUE), &fds, NULL);
        g_assert_nonnull(again);
        g_variant_ref_sink(again);
        g_assert_cmpuint(g_variant_n_children(again), ==, g_variant_n_children(value));
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        Input input = {data, size};
        g_autofree char *type = input_string(&input);
        g_autoptr(sd_bus_message) message = NULL;
        g_autoptr(GVariant) value = NULL;

        if (!g_variant_type_string_is_valid(type) || !g_variant_type_is_definite(G_VARIANT_TYPE(type)))
                return 0;

        value = value_of(type, &input);
        message = wire_new();
        if (codec_append(message, value, NULL) == 0)
                check_read(message, value);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_TUPLE))
                check_children(value);
        return 0;
}
