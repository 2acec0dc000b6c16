/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events and names for people. */

#include "guestbusctl/text.h"

#include <string.h>

char *text_escape(const char *text)
{
        GString *line = g_string_new(NULL);

        for (const char *at = text; *at; at = g_utf8_next_char(at)) {
                gunichar c = g_utf8_get_char(at);

                if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                        g_string_append_printf(line, "\\x%02x", c);
                else
                        g_string_append_unichar(line, c);
        }

        return g_string_free(line, FALSE);
}

unsigned text_width(const char *text)
{
        unsigned width = 0;

        for (const char *at = text; *at; at = g_utf8_next_char(at)) {
                gunichar c = g_utf8_get_char(at);

                width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
        }

        return width;
}

static gboolean same_day(GDateTime *a, GDateTime *b)
{
        return g_date_time_get_year(a) == g_date_time_get_year(b) &&
               g_date_time_get_day_of_year(a) == g_date_time_get_day_of_year(b);
}

char *text_time(gint64 time, gint64 now)
{
        g_autoptr(GDateTime) then = g_date_time_new_from_unix_local(time / G_TIME_SPAN_SECOND);
        g_autoptr(GDateTime) today = g_date_time_new_from_unix_local(now / G_TIME_SPAN_SECOND);
        g_autofree char *seconds = NULL;

        if (!then || !today)
                return g_strdup("?");

        seconds = g_date_time_format(then, same_day(then, today) ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S");
        return g_strdup_printf("%s.%03d", seconds, (int)(time % G_TIME_SPAN_SECOND / 1000));
}

gboolean text_is_news(const Event *event)
{
        g_autoptr(GVariant) autostart = g_variant_lookup_value(event->details, "Autostart", NULL);

        if (g_str_equal(event->kind, "changed"))
                return autostart != NULL;

        return !g_str_equal(event->kind, "added") && !g_str_equal(event->kind, "removed");
}

/* A value without its type: texts as they are. */
static void add_value(GString *line, GVariant *value)
{
        g_autofree char *text = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
                                        ? g_variant_dup_string(value, NULL)
                                        : g_variant_print(value, FALSE);

        g_string_append(line, text);
}

static gboolean is_empty(GVariant *value)
{
        return g_variant_is_of_type(value, G_VARIANT_TYPE_STRING) && !*g_variant_get_string(value, NULL);
}

/* All details in the order in which they come, but for the numbers of words and for what is empty. */
static void add_details(GString *line, const Event *event)
{
        GVariantIter iter;
        const char *key;
        GVariant *value;

        g_variant_iter_init(&iter, event->details);
        while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
                if (g_str_has_suffix(key, "-number") || g_str_equal(key, "epoch") || is_empty(value))
                        continue;
                g_string_append_printf(line, " %s=", key);
                add_value(line, value);
        }
}

static void add_state(GString *line, const Event *event, gboolean unicode)
{
        const char *state = event_text(event, "state"), *reason = event_text(event, "reason");
        g_autoptr(GVariant) checked = g_variant_lookup_value(event->details, "checked", NULL);

        if (state)
                g_string_append_printf(line, " %s %s", unicode ? "→" : "->", state);
        if (checked && !event_flag(event, "checked"))
                g_string_append_c(line, '?');
        if (reason)
                g_string_append_printf(line, " (%s)", reason);
        if (event_flag(event, "synthetic"))
                g_string_append(line, ", found");
}

static void add_lifecycle(GString *line, const Event *event, gboolean unicode)
{
        const char *what = event_text(event, "event"), *detail = event_text(event, "detail");

        g_string_append_printf(line, " %s", what ? what : event->kind);
        if (detail)
                g_string_append_printf(line, " (%s)", detail);
        add_state(line, event, unicode);
}

static void add_what(GString *line, const Event *event, gboolean unicode)
{
        if (g_str_equal(event->kind, "lifecycle")) {
                add_lifecycle(line, event, unicode);
                return;
        }

        g_string_append_printf(line, " %s", event->kind);
        if (g_str_equal(event->kind, "state-checked"))
                add_state(line, event, unicode);
        else
                add_details(line, event);
}

/* Guests have no word before their name. */
static void add_object(GString *line, const Event *event)
{
        g_autofree char *collection = path_collection(event->path);

        g_string_append_printf(line, " %s", connection_name(event->connection));
        if (collection && !g_str_equal(collection, "domain"))
                g_string_append_printf(line, " %s", collection);
        if (*event->name)
                g_string_append_printf(line, " %s", event->name);
}

char *text_event(const Event *event, gint64 now, gboolean unicode)
{
        g_autofree char *time = text_time(event->time, now);
        g_autoptr(GString) line = g_string_new(time);

        add_object(line, event);
        add_what(line, event, unicode);
        return text_escape(line->str);
}
