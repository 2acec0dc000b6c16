/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's strings may hold any bytes; D-Bus's are UTF-8, of which sd-bus takes a part. */

#include "base/utf8.h"

#include <string.h>

/* U+2026 and U+FFFD, spelt out because their lengths matter below. */
#define ELLIPSIS           "\xe2\x80\xa6"
#define ELLIPSIS_LENGTH    (sizeof(ELLIPSIS) - 1)
#define REPLACEMENT        "\xef\xbf\xbd"
#define REPLACEMENT_LENGTH (sizeof(REPLACEMENT) - 1)

/* Whether a character of valid UTF-8 is one of Unicode's 66 noncharacters. GLib and D-Bus allow them, but
 * sd-bus refuses to send them. */
static gboolean is_noncharacter(const char *character)
{
        gunichar c;

        /* The first of them is U+FDD0, whose first byte is this; most text has no such byte. */
        if ((guchar)*character < 0xef)
                return FALSE;

        c = g_utf8_get_char(character);

        return (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef);
}

static gboolean has_noncharacter(const char *text)
{
        for (; *text; text = g_utf8_next_char(text))
                if (is_noncharacter(text))
                        return TRUE;

        return FALSE;
}

/* In place: what is put in is never longer than what was there. */
static void replace_noncharacters(char *text)
{
        const char *next;
        char *to = text;

        for (const char *from = text; *from; from = next) {
                next = g_utf8_next_char(from);

                if (is_noncharacter(from)) {
                        memcpy(to, REPLACEMENT, REPLACEMENT_LENGTH);
                        to += REPLACEMENT_LENGTH;
                } else {
                        memmove(to, from, (gsize)(next - from));
                        to += next - from;
                }
        }

        *to = '\0';
}

static char *repair(const char *string, gssize length)
{
        char *text = g_utf8_make_valid(string, length);

        if (has_noncharacter(text))
                replace_noncharacters(text);

        return text;
}

char *utf8_make_valid(const char *string)
{
        return string ? repair(string, -1) : g_strdup("");
}

GVariant *utf8_variant(const char *string)
{
        if (!string)
                return g_variant_new_string("");

        if (g_utf8_validate(string, -1, NULL) && !has_noncharacter(string))
                return g_variant_new_string(string);

        return g_variant_new_take_string(repair(string, -1));
}

/* The last place at or before @at where a character of the valid string @text begins. */
static gsize character_boundary(const char *text, gsize at)
{
        while (at > 0 && ((guchar)text[at] & 0xc0) == 0x80)
                at--;

        return at;
}

char *utf8_clip(const char *string, gsize max)
{
        g_autofree char *clipped = NULL;
        gsize enough;
        gsize keep;

        if (!string)
                return g_strdup("");

        /* Megabytes are not worth repairing when only their beginning is kept. Repairing makes three bytes of
         * four at worst, so that this much gives more than @max; and half a character, which may be left
         * where it is cut off, lies beyond. */
        enough = max < G_MAXSIZE / 2 ? max + max / 3 + 8 : G_MAXSSIZE;
        clipped = repair(string, (gssize)strnlen(string, enough));

        if (strlen(clipped) <= max)
                return g_steal_pointer(&clipped);

        if (max < ELLIPSIS_LENGTH) {
                clipped[character_boundary(clipped, max)] = '\0';
                return g_steal_pointer(&clipped);
        }

        keep = character_boundary(clipped, max - ELLIPSIS_LENGTH);
        memcpy(clipped + keep, ELLIPSIS, ELLIPSIS_LENGTH + 1);

        return g_steal_pointer(&clipped);
}
