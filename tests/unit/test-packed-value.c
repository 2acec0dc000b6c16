/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which values can be packed, how much they take, and that an event's come out as they were. That every value
 * does, and what sd-bus refuses, is in test-codec.c. */

#include "bus/packed_value.h"
#include "codec-bus.h"

static GVariant *nest(unsigned depth)
{
        GVariant *value = g_variant_new_byte(7);

        while (depth-- > 0)
                value = g_variant_new_variant(value);
        return value;
}

static PackedValue *pack(GVariant *value)
{
        g_autoptr(GVariant) held = g_variant_ref_sink(value);

        return packed_value_new(held);
}

static const struct {
        const char *text;
        gboolean packs;
} values[] = {
        {"'text'", TRUE},
        {"objectpath '/a'", TRUE},
        {"signature 'a{sv}'", TRUE},
        {"@as []", TRUE},
        {"@ab [true, false]", TRUE},
        {"@a{s(iv)} {'a': (1, <'b'>)}", TRUE},
        {"<<<'deep'>>>", TRUE},

        /* What D-Bus does not know. */
        {"@ms nothing", FALSE},
        {"@mi 1", FALSE},
        {"()", FALSE},
        {"<()>", FALSE},
        {"[<@ms 'a'>]", FALSE},
};

static void test_which(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
                g_autoptr(PackedValue) packed = pack(g_variant_new_parsed(values[i].text));

                g_assert_cmpint(packed != NULL, ==, values[i].packs);
        }
}

static void test_depth(void)
{
        g_autoptr(PackedValue) most = pack(nest(64));
        g_autoptr(PackedValue) more = pack(nest(65));

        g_assert_nonnull(most);
        g_assert_null(more);
}

/* The most that it takes, wherever in a message it begins. */
static void test_size(void)
{
        static const struct {
                const char *text;
                size_t wire;
        } rows[] = {
                {"byte 1", 1},       {"@n 1", 2 + 1},      {"true", 4 + 3},
                {"@x 1", 8 + 7},     {"'abc'", 3 + 4 + 4}, {"@ay [1, 2, 3]", 3 + 4 + 7 + 3},
                {"<byte 1>", 3 + 1},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(PackedValue) packed = pack(g_variant_new_parsed(rows[i].text));

                g_assert_cmpuint(packed->wire, ==, rows[i].wire);
                g_assert_cmpuint(packed->size, >, sizeof *packed);
        }
}

/* Several, one after the other, and as often as one likes. */
static void test_event(void)
{
        const char *text = "{'event': <'started'>, 'event-number': <2>, 'big': <@t 18446744073709551615>,"
                           " 'half': <0.5>, 'yes': <true>, 'cpus': <[@y 1, 255]>, 'paths': <['/a', '']>}";
        g_autoptr(GVariant) details = g_variant_ref_sink(g_variant_new_parsed(text));
        g_autoptr(GVariant) expected = g_variant_ref_sink(g_variant_new("(@*@*)", details, details));
        g_autoptr(PackedValue) packed = packed_value_new(details);

        for (unsigned i = 0; i < 3; i++) {
                g_autoptr(sd_bus_message) message = message_new();
                g_autoptr(GUnixFDList) fds = NULL;
                g_autoptr(GVariant) read = NULL;

                g_assert_cmpint(packed_value_append(message, packed), ==, 0);
                g_assert_cmpint(packed_value_append(message, packed), ==, 0);
                message_finish(message);
                read = codec_read(message, "a{sv}a{sv}", &fds, NULL);
                g_assert_true(read && g_variant_equal(read, expected));
        }
}

/* What is packed entry by entry is the same as what is packed whole, and longer than the room at first. */
static void test_dictionary(void)
{
        g_autofree char *text = g_strnfill(1000, 'x');
        g_autofree char *parsed =
                g_strdup_printf("{'text': <'%s'>, 'yes': <true>, 'i': <-1>, 'u': <uint32 7>,"
                                " 't': <uint64 8>, 'in': <{'k': <[1, 2]>}>, 'o': <objectpath '/a'>}",
                                text);
        g_autoptr(GVariant) whole = g_variant_ref_sink(g_variant_new_parsed(parsed));
        g_autoptr(PackedValue) expected = packed_value_new(whole);
        g_autoptr(PackedValue) packed = NULL;
        Packer packer;

        packer_begin(&packer);
        packer_add_string(&packer, "text", text);
        packer_add_boolean(&packer, "yes", 8);
        packer_add_int32(&packer, "i", -1);
        packer_add_uint32(&packer, "u", 7);
        packer_add_uint64(&packer, "t", 8);
        packer_open(&packer, "in");
        packer_add(&packer, "k", g_variant_new_parsed("[1, 2]"));
        packer_close(&packer);
        packer_add(&packer, "o", g_variant_new_object_path("/a"));
        packed = packer_end(&packer);

        g_assert_cmpuint(packed->wire, ==, expected->wire);
        g_assert_cmpmem(packed->steps, packed->size - sizeof *packed, expected->steps,
                        expected->size - sizeof *expected);
}

static void test_refused(void)
{
        g_autoptr(PackedValue) packed = NULL;
        Packer packer;

        packer_begin(&packer);
        packer_add_string(&packer, "before", "x");
        packer_add(&packer, "none", g_variant_new_parsed("@ms nothing"));
        packer_add_string(&packer, "after", "x");
        packed = packer_end(&packer);
        g_assert_null(packed);
}

static void test_owners(void)
{
        PackedValue *packed = pack(g_variant_new_parsed("'text'"));

        g_assert_true(packed_value_ref(packed) == packed);
        packed_value_unref(packed);
        g_assert_cmpuint(packed->references, ==, 1);
        packed_value_unref(packed);
        packed_value_unref(packed_value_ref(NULL));
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        test_bus_open();
        g_test_add_func("/packed-value/which", test_which);
        g_test_add_func("/packed-value/depth", test_depth);
        g_test_add_func("/packed-value/size", test_size);
        g_test_add_func("/packed-value/event", test_event);
        g_test_add_func("/packed-value/dictionary", test_dictionary);
        g_test_add_func("/packed-value/refused", test_refused);
        g_test_add_func("/packed-value/owners", test_owners);
        result = g_test_run();
        test_bus_close();

        return result;
}
