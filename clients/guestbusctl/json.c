/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GVariant as JSON. */

#include "guestbusctl/json.h"

#include <math.h>

void json_add_text(GString *json, const char *text)
{
        g_string_append_c(json, '"');
        for (const char *at = text; *at; at++) {
                unsigned char c = (unsigned char)*at;

                if (c == '"' || c == '\\')
                        g_string_append_printf(json, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        g_string_append_printf(json, "\\u%04x", c);
                else
                        g_string_append_c(json, *at);
        }
        g_string_append_c(json, '"');
}

void json_add_key(GString *json, const char *key)
{
        char last = json->len > 0 ? json->str[json->len - 1] : '\0';

        if (last != '{')
                g_string_append_c(json, ',');
        json_add_text(json, key);
        g_string_append_c(json, ':');
}

void json_add_member(GString *json, const char *key, const char *text)
{
        json_add_key(json, key);
        json_add_text(json, text);
}

static void add_number(GString *json, GVariant *value)
{
        char digits[G_ASCII_DTOSTR_BUF_SIZE];
        g_autofree char *text = NULL;
        double number;

        if (g_variant_is_of_type(value, G_VARIANT_TYPE_BYTE)) {
                g_string_append_printf(json, "%d", g_variant_get_byte(value));
        } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_DOUBLE)) {
                number = g_variant_get_double(value);
                g_string_append(json,
                                isfinite(number) ? g_ascii_dtostr(digits, sizeof digits, number) : "null");
        } else {
                text = g_variant_print(value, FALSE);
                g_string_append(json, text);
        }
}

static void add_entry(GString *json, GVariant *entry)
{
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) value = g_variant_get_child_value(entry, 1);
        g_autofree char *text = g_variant_is_of_type(key, G_VARIANT_TYPE_STRING)
                                        ? g_variant_dup_string(key, NULL)
                                        : g_variant_print(key, FALSE);

        json_add_key(json, text);
        json_add_value(json, value);
}

static void add_children(GString *json, GVariant *value)
{
        gboolean dictionary = g_variant_is_of_type(value, G_VARIANT_TYPE_DICTIONARY);

        g_string_append_c(json, dictionary ? '{' : '[');
        for (gsize i = 0; i < g_variant_n_children(value); i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(value, i);

                if (dictionary) {
                        add_entry(json, child);
                } else {
                        if (i > 0)
                                g_string_append_c(json, ',');
                        json_add_value(json, child);
                }
        }
        g_string_append_c(json, dictionary ? '}' : ']');
}

void json_add_value(GString *json, GVariant *value)
{
        g_autoptr(GVariant) inside = NULL;

        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_BOOLEAN:
                g_string_append(json, g_variant_get_boolean(value) ? "true" : "false");
                break;
        case G_VARIANT_CLASS_STRING:
        case G_VARIANT_CLASS_OBJECT_PATH:
        case G_VARIANT_CLASS_SIGNATURE:
                json_add_text(json, g_variant_get_string(value, NULL));
                break;
        case G_VARIANT_CLASS_VARIANT:
                inside = g_variant_get_variant(value);
                json_add_value(json, inside);
                break;
        case G_VARIANT_CLASS_ARRAY:
        case G_VARIANT_CLASS_TUPLE:
        case G_VARIANT_CLASS_DICT_ENTRY:
                add_children(json, value);
                break;
        default:
                add_number(json, value);
        }
}
