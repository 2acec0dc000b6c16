/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Introspection, from memory: it works while a hypervisor does not answer, and takes time in proportion to
 * what it says. */

#include "objects/introspect.h"

#include "base/thread.h"
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

static void append_table(GString *xml, GHashTableIter *iter)
{
        gpointer name;

        while (g_hash_table_iter_next(iter, &name, NULL))
                append_child(xml, name);
}

static void append_members(GString *xml, const Object *object, GVariant *children)
{
        GHashTableIter iter;
        GVariantIter list;
        const char *name;

        if (kind_is_mirrored(object->kind)) {
                mirror_iterate(connection_mirror(object->connection), object->kind, &iter);
                append_table(xml, &iter);
        } else if (children) {
                g_variant_iter_init(&list, children);
                while (g_variant_iter_next(&list, "&s", &name))
                        append_child(xml, name);
        }
}

static void append_children(GString *xml, const Object *object, GHashTable *connections, GVariant *children)
{
        GHashTableIter iter;

        switch (object->level) {
        case OBJECT_ROOT:
                g_hash_table_iter_init(&iter, connections);
                append_table(xml, &iter);
                break;
        case OBJECT_CONNECTION:
                for (const Kind *const *kind = kinds; *kind; kind++)
                        append_child(xml, (*kind)->collection);
                break;
        case OBJECT_COLLECTION:
                append_members(xml, object, children);
                break;
        case OBJECT_LEAF:
                break;
        }
}

char *introspect(const Object *object, GHashTable *connections, GVariant *children)
{
        const Interface *interfaces[OBJECT_INTERFACES_MAX + 1];
        GString *xml = g_string_new(DOCTYPE "<node>");

        ASSERT_MAIN();
        g_string_append(xml, interface_standard_xml);
        object_interfaces(object, interfaces);
        for (const Interface **each = interfaces; *each; each++)
                g_string_append(xml, (*each)->xml);
        append_children(xml, object, connections, children);
        g_string_append(xml, "</node>\n");

        return g_string_free(xml, FALSE);
}
