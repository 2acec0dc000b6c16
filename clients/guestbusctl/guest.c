/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests by name, UUID or path. */

#include "guestbusctl/guest.h"

#include "guestbusctl/text.h"

#include <string.h>

struct GuestFilter {
        char **words;
        char **paths; /* of each word, NULL where there is no such guest yet */
        guint n;
};

gboolean guest_is(const char *path)
{
        g_autofree char *collection = path_collection(path);

        return collection && g_str_equal(collection, "domain");
}

gboolean guest_is_of(const char *path, const char *connection)
{
        return g_str_has_prefix(path, connection) && g_str_has_prefix(path + strlen(connection), "/domain/");
}

/* A path ends with "_" and the UUID, whose dashes are written as "_". */
static gboolean has_uuid(const char *path, const char *word)
{
        g_autofree char *escaped = g_ascii_strdown(word, -1);
        const char *end = strrchr(path, '/');

        return end && end[1] == '_' && g_str_equal(end + 2, g_strdelimit(escaped, "-", '_'));
}

static gboolean is_called(const char *word, const char *path, const char *name)
{
        return g_str_equal(word, path) || g_str_equal(word, name) || has_uuid(path, word);
}

GPtrArray *guest_find(const Inventory *inventory, const char *word)
{
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);
        GPtrArray *found = g_ptr_array_new();

        for (guint i = 0; i < paths->len; i++)
                if (guest_is(paths->pdata[i]) &&
                    is_called(word, paths->pdata[i], inventory_text(inventory, paths->pdata[i], "Name")))
                        g_ptr_array_add(found, paths->pdata[i]);
        return found;
}

char *guest_candidates(const Inventory *inventory, const char *word, GPtrArray *paths)
{
        g_autofree char *escaped = text_escape(word);
        GString *text = g_string_new(NULL);

        g_string_printf(text, "\"%s\" is the name of %u guests; name one by its path:", escaped, paths->len);
        for (guint i = 0; i < paths->len; i++)
                g_string_append_printf(text, "\n  %s", (const char *)paths->pdata[i]);
        return g_string_free(text, FALSE);
}

GuestFilter *guest_filter_new(char **words)
{
        GuestFilter *filter = g_new0(GuestFilter, 1);

        filter->words = g_strdupv(words);
        filter->n = filter->words ? g_strv_length(filter->words) : 0;
        filter->paths = g_new0(char *, filter->n);
        return filter;
}

void guest_filter_free(GuestFilter *filter)
{
        if (!filter)
                return;

        for (guint i = 0; i < filter->n; i++)
                g_free(filter->paths[i]);
        g_free(filter->paths);
        g_strfreev(filter->words);
        g_free(filter);
}

const char *guest_filter_find(GuestFilter *filter, const Inventory *inventory)
{
        for (guint i = 0; i < filter->n; i++) {
                g_autoptr(GPtrArray) found = NULL;

                if (filter->paths[i] && inventory_has(inventory, filter->paths[i]))
                        continue;

                found = guest_find(inventory, filter->words[i]);
                if (found->len > 1)
                        return filter->words[i];

                if (found->len == 1) {
                        g_free(filter->paths[i]);
                        filter->paths[i] = g_strdup(found->pdata[0]);
                }
        }

        return NULL;
}

/* A guest that is gone gives its name free for another. */
static void follow(GuestFilter *filter, guint i, const Event *event)
{
        if (g_str_equal(event->kind, "removed"))
                g_clear_pointer(&filter->paths[i], g_free);
        else if (!filter->paths[i])
                filter->paths[i] = g_strdup(event->path);
}

gboolean guest_filter_takes(GuestFilter *filter, const Event *event)
{
        gboolean takes = filter->n == 0 || g_str_equal(event->path, event->connection);

        for (guint i = 0; i < filter->n && guest_is(event->path); i++) {
                const char *path = filter->paths[i];

                if (path ? g_str_equal(path, event->path)
                         : is_called(filter->words[i], event->path, event->name)) {
                        takes = TRUE;
                        follow(filter, i, event);
                }
        }

        return takes;
}

gboolean guest_filter_has(const GuestFilter *filter, const char *path)
{
        for (guint i = 0; i < filter->n; i++)
                if (filter->paths[i] && g_str_equal(filter->paths[i], path))
                        return TRUE;

        return filter->n == 0;
}
