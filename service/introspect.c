/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Introspection, from memory: it works while a hypervisor does not answer, and takes time in proportion to
 * what it says. */

#include "introspect.h"

#include "members.h"

#define DOCTYPE                                                                                              \
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"                 \
        "\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"

static void append_child(GString *xml, const char *name)
{
        g_string_append(xml, "<node name=\"");
        g_string_append(xml, name); /* an element of an object path needs no escaping */
        g_string_append(xml, "\"/>");
}

static void append_children(GString *xml, const Object *object, GHashTable *connections)
{
        GHashTableIter iter;
        gpointer name;

        switch (object->kind) {
        case OBJECT_ROOT:
                g_hash_table_iter_init(&iter, connections);
                break;
        case OBJECT_CONNECTION:
                append_child(xml, "domain");
                return;
        case OBJECT_COLLECTION:
                mirror_iterate(connection_mirror(object->connection), &iter);
                break;
        case OBJECT_DOMAIN:
                return;
        }

        while (g_hash_table_iter_next(&iter, &name, NULL))
                append_child(xml, name);
}

char *introspect(const Object *object, GHashTable *connections)
{
        GString *xml = g_string_new(DOCTYPE "<node>");

        g_string_append(xml, interface_standard_xml);
        for (const Interface *const *each = object_interfaces(object->kind); *each; each++)
                g_string_append(xml, (*each)->xml);
        append_children(xml, object, connections);
        g_string_append(xml, "</node>\n");

        return g_string_free(xml, FALSE);
}
