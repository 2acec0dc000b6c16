/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events, and the paths of objects. */

#include "listener/event.h"

#include "listener/names.h"

#include <string.h>

#define BELOW_ROOT ROOT "/"

char *path_connection(const char *path)
{
        const char *name, *end;

        if (!g_str_has_prefix(path, BELOW_ROOT))
                return NULL;

        name = path + strlen(BELOW_ROOT);
        end = strchrnul(name, '/');
        return end > name ? g_strndup(path, (size_t)(end - path)) : NULL;
}

char *path_collection(const char *path)
{
        g_autofree char *connection = path_connection(path);
        const char *rest = connection ? path + strlen(connection) : "";

        return *rest == '/' ? g_strndup(rest + 1, strcspn(rest + 1, "/")) : NULL;
}

const char *connection_name(const char *connection)
{
        return connection + strlen(BELOW_ROOT);
}

Event *event_new(const char *path, GVariant *body)
{
        g_autofree char *connection = path_connection(path);
        Event *event;

        if (!connection || !g_variant_is_of_type(body, G_VARIANT_TYPE("(stxsa{sv})")))
                return NULL;

        event = g_new0(Event, 1);
        event->path = g_strdup(path);
        event->connection = g_steal_pointer(&connection);
        event->owner = g_variant_ref_sink(body);
        g_variant_get(body, "(&stx&s@a{sv})", &event->kind, &event->number, &event->time, &event->name,
                      &event->details);
        return event;
}

Event *event_new_from_record(GVariant *record)
{
        GVariant *fields[5];
        const char *path;

        g_variant_get_child(record, 0, "&o", &path);
        for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
                fields[i] = g_variant_get_child_value(record, i + 1);
        {
                g_autoptr(GVariant) body =
                        g_variant_ref_sink(g_variant_new_tuple(fields, G_N_ELEMENTS(fields)));

                for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
                        g_variant_unref(fields[i]);
                return event_new(path, body);
        }
}

void event_free(Event *event)
{
        if (!event)
                return;

        g_free(event->path);
        g_free(event->connection);
        g_clear_pointer(&event->details, g_variant_unref);
        g_clear_pointer(&event->owner, g_variant_unref);
        g_free(event);
}

const char *event_text(const Event *event, const char *key)
{
        const char *text = NULL;

        g_variant_lookup(event->details, key, "&s", &text);
        return text;
}

gboolean event_flag(const Event *event, const char *key)
{
        gboolean flag = FALSE;

        return g_variant_lookup(event->details, key, "b", &flag) && flag;
}
