/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text from libvirt: whatever it was, sd-bus sends what is made of it, and what was good stays as it is.
 *
 * Input: a byte that limits its length, the text. */

#include "base/utf8.h"
#include "fuzz.h"
#include "wire.h"

/* sd-bus is the judge. */
static gboolean is_sendable(const char *text)
{
        g_autoptr(sd_bus_message) message = wire_new();

        return sd_bus_message_append_basic(message, 's', text) >= 0;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        Input input = {data, size};
        guint8 max = input_byte(&input);
        g_autofree char *string = input_string(&input);
        g_autofree char *text = utf8_make_valid(string), *again = utf8_make_valid(text),
                        *clip = utf8_clip(string, max);
        g_autoptr(GVariant) variant = g_variant_ref_sink(utf8_variant(string));

        g_assert_true(is_sendable(text));
        g_assert_true(is_sendable(clip));
        g_assert_cmpstr(again, ==, text);
        g_assert_cmpstr(g_variant_get_string(variant, NULL), ==, text);
        if (is_sendable(string))
                g_assert_cmpstr(text, ==, string);

        g_assert_cmpuint(strlen(clip), <=, max);
        if (strlen(text) <= max)
                g_assert_cmpstr(clip, ==, text);
        return 0;
}
