/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Object paths are libvirt-dbus's, byte for byte: clients keep them. One object has one path. */

#include "bus/path.h"

#include <string.h>
#include <systemd/sd-bus.h>

/* Most paths are shorter. */
#define PATH_FREE          512

#define UUID_STRING_LENGTH (VIR_UUID_STRING_BUFLEN - 1)

static gboolean uuid_has_dash(gsize place)
{
        return place == 8 || place == 13 || place == 18 || place == 23;
}

/* -1 for what is no lower-case digit: with both cases allowed, one object would have many paths. */
static int hex_value(char c)
{
        return g_ascii_isupper(c) ? -1 : g_ascii_xdigit_value(c);
}

void path_uuid_text(const unsigned char raw[VIR_UUID_BUFLEN], char uuid[VIR_UUID_STRING_BUFLEN])
{
        static const char digits[] = "0123456789abcdef";
        char *text = uuid;

        for (gsize i = 0; i < VIR_UUID_BUFLEN; i++) {
                if (uuid_has_dash((gsize)(text - uuid)))
                        *text++ = '-';
                *text++ = digits[raw[i] >> 4];
                *text++ = digits[raw[i] & 0xf];
        }

        *text = '\0';
}

char *path_uuid_leaf(const char *uuid)
{
        return g_strdelimit(g_strconcat("_", uuid, NULL), "-", '_');
}

char *path_uuid(const char *connection_path, const char *collection, const char *uuid)
{
        g_autofree char *leaf = path_uuid_leaf(uuid);

        return g_strconcat(connection_path, "/", collection, "/", leaf, NULL);
}

char *path_name(const char *connection_path, const char *collection, const char *name)
{
        g_autofree char *leaf = path_escape(name);

        return g_strconcat(connection_path, "/", collection, "/", leaf, NULL);
}

gboolean path_leaf_to_uuid(const char *leaf, char uuid[VIR_UUID_STRING_BUFLEN])
{
        char result[VIR_UUID_STRING_BUFLEN];

        if (!leaf || leaf[0] != '_')
                return FALSE;

        /* The terminating NUL is no digit, so a short leaf ends the loop before its end is passed. */
        for (gsize i = 0; i < UUID_STRING_LENGTH; i++) {
                char c = leaf[1 + i];

                if (uuid_has_dash(i) ? c != '_' : hex_value(c) < 0)
                        return FALSE;

                result[i] = uuid_has_dash(i) ? '-' : c;
        }

        if (leaf[1 + UUID_STRING_LENGTH] != '\0')
                return FALSE;

        result[UUID_STRING_LENGTH] = '\0';
        memcpy(uuid, result, sizeof(result));

        return TRUE;
}

char *path_escape(const char *name)
{
        static const char digits[] = "0123456789abcdef";
        GString *leaf;

        /* A path element must not be empty, and a lone '_' is the escape of nothing else. */
        if (!name || name[0] == '\0')
                return g_strdup("_");

        leaf = g_string_new(NULL);

        for (const char *c = name; *c; c++) {
                if (g_ascii_isalnum(*c)) {
                        g_string_append_c(leaf, *c);
                        continue;
                }

                g_string_append_c(leaf, '_');
                g_string_append_c(leaf, digits[(guchar)*c >> 4]);
                g_string_append_c(leaf, digits[(guchar)*c & 0xf]);
        }

        return g_string_free(leaf, FALSE);
}

/* Reads one byte of a name from *@leaf and moves it on. Returns 0 where there is no byte that a name can
 * hold, an escaped NUL included. */
static char unescape_byte(const char **leaf)
{
        const char *c = *leaf;
        int high, low;

        if (g_ascii_isalnum(*c)) {
                *leaf += 1;
                return *c;
        }

        if (*c != '_')
                return 0;

        high = hex_value(c[1]);
        if (high < 0)
                return 0;

        low = hex_value(c[2]);
        if (low < 0)
                return 0;

        *leaf += 3;
        return (char)(high << 4 | low);
}

char *path_unescape(const char *leaf)
{
        g_autoptr(GString) name = g_string_new(NULL);

        if (!leaf || leaf[0] == '\0')
                return NULL;

        if (g_str_equal(leaf, "_"))
                return g_strdup("");

        while (*leaf) {
                char c;

                c = unescape_byte(&leaf);
                if (c == 0)
                        return NULL;

                g_string_append_c(name, c);
        }

        return g_string_free(g_steal_pointer(&name), FALSE);
}

gboolean object_path_fits(const char *path)
{
        return sd_bus_object_path_is_valid(path) > 0;
}

gboolean path_split(const char *path, PathParts *parts)
{
        g_auto(PathParts) result = {};
        const char **pieces[] = {&result.connection, &result.collection, &result.leaf};
        char *rest;

        *parts = (PathParts){};

        if (!path || !g_str_has_prefix(path, PATH_ROOT))
                return FALSE;

        rest = result.buffer = g_strdup(path + strlen(PATH_ROOT));

        for (gsize i = 0; i < G_N_ELEMENTS(pieces) && *rest == '/'; i++) {
                *rest++ = '\0';
                *pieces[i] = rest;
                rest += strcspn(rest, "/");

                if (rest == *pieces[i])
                        return FALSE;
        }

        /* A fourth element, or more letters after "/org/libvirt". */
        if (*rest != '\0')
                return FALSE;

        *parts = result;
        result = (PathParts){};

        return TRUE;
}

void path_parts_clear(PathParts *parts)
{
        g_free(parts->buffer);
        *parts = (PathParts){};
}

gsize path_cost(const char *path)
{
        gsize length = strlen(path);

        return length > PATH_FREE ? 2 * length : 0;
}
