/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* An event of the stream of a connection: the arguments of a signal Event, and whose it is. */
typedef struct Event {
        char *path;       /* of the object that it is about */
        char *connection; /* the path of the connection whose stream it belongs to */
        const char *kind;
        guint64 number;
        gint64 time; /* microseconds since 1970 */
        const char *name;
        GVariant *details; /* a{sv} */
        GVariant *owner;   /* of the strings */
} Event;

/* @body is (stxsa{sv}), as in the signal. Returns NULL when it is not, or when @path is not of a connection.
 */
Event *event_new(const char *path, GVariant *body);

/* The same from what GetEvents returns: (ostxsa{sv}). */
Event *event_new_from_record(GVariant *record);

void event_free(Event *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Event, event_free)

/* A text in the details; NULL if there is none of that name. */
const char *event_text(const Event *event, const char *key);

/* Whether the details have that flag, and it is set. */
gboolean event_flag(const Event *event, const char *key);

/* Of a path: its connection's path, owned, or NULL; the kind of object as the path names it (domain, ...), or
 * NULL for a connection; the name of its connection. */
char *path_connection(const char *path);
char *path_collection(const char *path);
const char *connection_name(const char *connection);
