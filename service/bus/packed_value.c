/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Neither a tree of GVariants nor a sealed message is cheap to go through: an event of six details takes 5.5
 * and 3.9 us into a reply, and 320 and 1,700 bytes of memory. This takes 1.4 us, and little more memory than
 * the values themselves. sd-bus takes no part of a body as it is, but for arrays of numbers; so what is kept
 * are the steps that make it.
 *
 * A step is a letter and what it needs: a basic type and its value, ARRAY and its bytes, or sd-bus's letter
 * for a container and what is in it, as a string; CLOSE ends that. Numbers need no alignment. */

#include "bus/packed_value.h"

#include "base/thread.h"
#include "bus/signature.h"

#include <errno.h>
#include <string.h>

/* As codec.c has it: all containers around a value, variants included. */
#define DEPTH_MAX 64

/* Around the value of an entry: the dictionary, the entry, the variant; and those of one dictionary more. */
#define ENTRY_DEPTH 6

#define CLOSE       ')'
#define ARRAY       'A' /* of numbers: the letter of their type, how many bytes, the bytes */

/* What alignment may add to a value of up to eight bytes, and to the length of a string or an array. */
#define PAD_8 7
#define PAD_4 3

/* Room for the details of most events. */
#define ROOM_FIRST 256

static void pack(Packer *packer, GVariant *value, unsigned depth);

static void add(Packer *packer, const void *bytes, size_t size)
{
        size_t needed = packer->packed->size + size;

        if (needed > packer->room) {
                packer->room = MAX(2 * packer->room, needed);
                packer->packed = g_realloc(packer->packed, packer->room);
        }

        memcpy((guint8 *)packer->packed + packer->packed->size, bytes, size);
        packer->packed->size = needed;
}

static void add_letter(Packer *packer, char letter)
{
        add(packer, &letter, 1);
}

/* On the wire, where a boolean is as long as a number of its own; 0 for what is none. */
static size_t number_size(char type)
{
        return type == 'b' ? sizeof(int) : signature_fixed_size(type);
}

static void pack_number(Packer *packer, char type, const void *number, size_t size)
{
        add_letter(packer, type);
        add(packer, number, size);
        packer->packed->wire += size + size - 1;
}

static void pack_string(Packer *packer, char type, const char *string, size_t length)
{
        add_letter(packer, type);
        add(packer, string, length + 1);
        packer->packed->wire += PAD_4 + sizeof(guint32) + length + 1;
}

static void pack_basic(Packer *packer, char type, GVariant *value)
{
        size_t size = number_size(type);

        if (type == 'b') {
                int boolean = g_variant_get_boolean(value);

                pack_number(packer, type, &boolean, size);
        } else if (size > 0) {
                guint64 number = 0;

                g_variant_store(value, &number);
                pack_number(packer, type, &number, size);
        } else if (strchr("sog", type)) {
                const char *string = g_variant_get_string(value, &size);

                pack_string(packer, type, string, size);
        } else {
                packer->refused = TRUE;
        }
}

static void pack_numbers(Packer *packer, char type, size_t element, GVariant *value)
{
        gsize n;
        const void *numbers = g_variant_get_fixed_array(value, &n, element);
        guint32 size = (guint32)(n * element);

        add_letter(packer, ARRAY);
        add_letter(packer, type);
        add(packer, &size, sizeof size);
        if (size > 0)
                add(packer, numbers, size);
        packer->packed->wire += PAD_4 + sizeof(guint32) + PAD_8 + size;
}

static void pack_items(Packer *packer, GVariant *value, unsigned depth)
{
        GVariantIter iter;
        GVariant *item;

        g_variant_iter_init(&iter, value);
        while (!packer->refused && (item = g_variant_iter_next_value(&iter))) {
                pack(packer, item, depth);
                g_variant_unref(item);
        }
}

static void begin_variant(Packer *packer, const char *type)
{
        size_t length = strlen(type);

        add_letter(packer, 'v');
        add(packer, type, length + 1);
        packer->packed->wire += 1 + length + 1;
}

static void pack_variant(Packer *packer, GVariant *value, unsigned depth)
{
        g_autoptr(GVariant) content = g_variant_get_variant(value);
        const char *type = g_variant_get_type_string(content);

        if (!signature_is_allowed(type, strlen(type))) {
                packer->refused = TRUE;
                return;
        }

        begin_variant(packer, type);
        pack(packer, content, depth);
        add_letter(packer, CLOSE);
}

static void begin_container(Packer *packer, char letter, const char *contents)
{
        add_letter(packer, letter);
        add(packer, contents, strlen(contents) + 1);
        packer->packed->wire += letter == 'a' ? PAD_4 + sizeof(guint32) + PAD_8 : PAD_8;
}

/* Not inline for the reason that codec.c's are not. */
static G_NO_INLINE void open_container(Packer *packer, GVariant *value)
{
        char contents[SIGNATURE_MAX + 1];
        char letter = signature_split(g_variant_get_type(value), contents);

        begin_container(packer, letter, contents);
}

static void pack_container(Packer *packer, GVariant *value, unsigned depth)
{
        open_container(packer, value);
        pack_items(packer, value, depth);
        add_letter(packer, CLOSE);
}

/* @depth is the number of containers around @value. Its type has been found to be allowed. */
static void pack(Packer *packer, GVariant *value, unsigned depth)
{
        const char *type = g_variant_get_type_string(value);

        if (!strchr("a({v", type[0]))
                pack_basic(packer, type[0], value);
        else if (depth >= DEPTH_MAX)
                packer->refused = TRUE;
        else if (type[0] == 'v')
                pack_variant(packer, value, depth + 1);
        else if (type[0] != 'a' || signature_fixed_size(type[1]) == 0)
                pack_container(packer, value, depth + 1);
        else
                pack_numbers(packer, type[1], signature_fixed_size(type[1]), value);
}

static PackedValue *end(Packer *packer)
{
        PackedValue *packed = g_steal_pointer(&packer->packed);

        if (packer->refused) {
                g_free(packed);
                return NULL;
        }

        return g_realloc(packed, packed->size);
}

static void begin(Packer *packer)
{
        *packer = (Packer){.packed = g_malloc(ROOM_FIRST), .room = ROOM_FIRST};
        *packer->packed = (PackedValue){.references = 1, .size = sizeof(PackedValue)};
}

PackedValue *packed_value_new(GVariant *value)
{
        const char *type = g_variant_get_type_string(value);
        Packer packer;

        ASSERT_MAIN();
        begin(&packer);
        if (signature_is_allowed(type, strlen(type)))
                pack(&packer, value, 0);
        else
                packer.refused = TRUE;

        return end(&packer);
}

PackedValue *packed_value_ref(PackedValue *packed)
{
        ASSERT_MAIN();
        if (packed)
                packed->references++;
        return packed;
}

void packed_value_unref(PackedValue *packed)
{
        ASSERT_MAIN();
        if (packed && --packed->references == 0)
                g_free(packed);
}

/* Dictionaries */

void packer_begin(Packer *packer)
{
        ASSERT_MAIN();
        begin(packer);
        begin_container(packer, 'a', "{sv}");
}

static void begin_entry(Packer *packer, const char *key, const char *type)
{
        begin_container(packer, 'e', "sv");
        pack_string(packer, 's', key, strlen(key));
        begin_variant(packer, type);
}

static void end_entry(Packer *packer)
{
        static const char ends[] = {CLOSE, CLOSE};

        add(packer, ends, sizeof ends);
}

static void add_number(Packer *packer, const char *key, const char *type, const void *number, size_t size)
{
        ASSERT_MAIN();
        begin_entry(packer, key, type);
        pack_number(packer, type[0], number, size);
        end_entry(packer);
}

void packer_add_string(Packer *packer, const char *key, const char *value)
{
        ASSERT_MAIN();
        begin_entry(packer, key, "s");
        pack_string(packer, 's', value, strlen(value));
        end_entry(packer);
}

void packer_add_boolean(Packer *packer, const char *key, gboolean value)
{
        int boolean = value != FALSE;

        add_number(packer, key, "b", &boolean, sizeof boolean);
}

void packer_add_int32(Packer *packer, const char *key, gint32 value)
{
        add_number(packer, key, "i", &value, sizeof value);
}

void packer_add_uint32(Packer *packer, const char *key, guint32 value)
{
        add_number(packer, key, "u", &value, sizeof value);
}

void packer_add_uint64(Packer *packer, const char *key, guint64 value)
{
        add_number(packer, key, "t", &value, sizeof value);
}

void packer_add(Packer *packer, const char *key, GVariant *value)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(value);
        const char *type = g_variant_get_type_string(owned);

        ASSERT_MAIN();
        if (!signature_is_allowed(type, strlen(type))) {
                packer->refused = TRUE;
                return;
        }

        begin_entry(packer, key, type);
        pack(packer, owned, ENTRY_DEPTH);
        end_entry(packer);
}

void packer_open(Packer *packer, const char *key)
{
        ASSERT_MAIN();
        begin_entry(packer, key, "a{sv}");
        begin_container(packer, 'a', "{sv}");
}

void packer_close(Packer *packer)
{
        ASSERT_MAIN();
        add_letter(packer, CLOSE);
        end_entry(packer);
}

PackedValue *packer_end(Packer *packer)
{
        ASSERT_MAIN();
        add_letter(packer, CLOSE);
        return end(packer);
}

/* Messages */

/* Each appends what stands at @step and returns how long that is, or a negative errno. */

static gssize append_numbers(sd_bus_message *message, const guint8 *step)
{
        guint32 size;
        int r;

        memcpy(&size, step + 1, sizeof size);
        r = sd_bus_message_append_array(message, (char)step[0], step + 1 + sizeof size, size);
        return r < 0 ? r : 1 + (gssize)sizeof size + size;
}

static gssize append_basic(sd_bus_message *message, char type, const guint8 *step)
{
        size_t size = number_size(type);
        guint64 number;
        int r;

        if (size == 0) {
                r = sd_bus_message_append_basic(message, type, step);
                return r < 0 ? r : (gssize)strlen((const char *)step) + 1;
        }

        memcpy(&number, step, size);
        r = sd_bus_message_append_basic(message, type, &number);
        return r < 0 ? r : (gssize)size;
}

static gssize append_step(sd_bus_message *message, const guint8 *step)
{
        char letter = (char)*step++;
        gssize size;

        switch (letter) {
        case CLOSE:
                size = sd_bus_message_close_container(message);
                return size < 0 ? size : 1;
        case 'a':
        case 'r':
        case 'e':
        case 'v':
                size = sd_bus_message_open_container(message, letter, (const char *)step);
                return size < 0 ? size : 1 + (gssize)strlen((const char *)step) + 1;
        case ARRAY:
                size = append_numbers(message, step);
                break;
        default:
                size = append_basic(message, letter, step);
                break;
        }

        return size < 0 ? size : 1 + size;
}

int packed_value_append(sd_bus_message *message, const PackedValue *packed)
{
        const guint8 *end = (const guint8 *)packed + packed->size;
        gssize size;

        ASSERT_MAIN();
        for (const guint8 *step = packed->steps; step < end; step += size) {
                size = append_step(message, step);
                if (size < 0)
                        return (int)size;
        }

        return 0;
}
