/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A message of any body: what codec_read() takes can be written again, and then reads the same.
 *
 * Input: a byte whose lowest bit is the order of bytes, a signature ended by 0, the body. */

#include "bus/codec.h"
#include "fuzz.h"
#include "wire.h"

#include <gio/gio.h>

static GVariant *read_message(sd_bus_message *message, const char *signature)
{
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;
        GVariant *value = codec_read(message, signature, &fds, &error);

        g_assert_true((value == NULL) == (error != NULL));
        /* No descriptor comes over that wire. */
        g_assert_null(fds);
        return value ? g_variant_ref_sink(value) : NULL;
}

static void check_again(GVariant *value, const char *signature)
{
        g_autoptr(sd_bus_message) message = wire_new();
        g_autoptr(GVariant) again = NULL;

        g_assert_true(g_variant_is_normal_form(value));
        g_assert_cmpint(codec_append_children(message, value, NULL), ==, 0);
        wire_finish(message);
        g_assert_cmpstr(sd_bus_message_get_signature(message, TRUE), ==, signature);
        again = read_message(message, signature);
        g_assert_nonnull(again);
        g_assert_true(g_variant_equal(value, again));
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        Input input = {data, size};
        gboolean big = input_byte(&input) & 1;
        g_autofree char *signature = input_string(&input);
        g_autoptr(sd_bus_message) message = NULL;
        g_autoptr(GVariant) value = NULL;

        /* Longer ones have no place in a header. */
        if (strlen(signature) > 255)
                return 0;

        message = wire_receive(big, signature, input.data, input.left);
        if (!message)
                return 0;

        value = read_message(message, sd_bus_message_get_signature(message, TRUE));
        if (value)
                check_again(value, signature);
        return 0;
}
