/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a path to an object. */

#include "object.h"

#include "error.h"
#include "path.h"

#include <string.h>

/* For what has no members of its own. */
static const Interface no_interface = {};

gboolean object_resolve(GHashTable *connections, const char *path, Object *object)
{
        g_auto(PathParts) parts = {};

        *object = (Object){};
        if (!path_split(path, &parts))
                return FALSE;

        object->level = OBJECT_ROOT;
        if (!parts.connection)
                return TRUE;

        object->level = OBJECT_CONNECTION;
        object->connection = g_hash_table_lookup(connections, parts.connection);
        object->kind = &kind_connect;
        if (!object->connection || !parts.collection)
                return object->connection != NULL;

        object->level = OBJECT_COLLECTION;
        object->kind = kind_find(parts.collection);
        if (!object->kind || !parts.leaf)
                return object->kind != NULL;

        object->level = OBJECT_LEAF;
        object->leaf = strrchr(path, '/') + 1;
        object->key = object->kind->key(object->leaf);
        return object->key != NULL;
}

void object_clear(Object *object)
{
        g_clear_pointer(&object->key, g_free);
}

const Interface *object_interface(const Object *object)
{
        switch (object->level) {
        case OBJECT_CONNECTION:
        case OBJECT_LEAF:
                return object->kind->interface;
        case OBJECT_ROOT:
        case OBJECT_COLLECTION:
                break;
        }

        return NULL;
}

/* Clients of libvirt-dbus know these errors by the names that its library gives them: what cannot be called
 * is an unknown method, what cannot be read or written is a wrong argument. */
static int unknown_code(MemberKind kind)
{
        return kind == MEMBER_PROPERTY ? GUESTBUS_ERROR_INVALID_ARGS : GUESTBUS_ERROR_UNKNOWN_METHOD;
}

const Interface *object_find_interface(const Object *object, const char *name, MemberKind kind,
                                       GError **error)
{
        const Interface *interface = object_interface(object);

        if (!*name)
                return interface ? interface : &no_interface;
        if (interface && strcmp(interface->name, name) == 0)
                return interface;

        g_set_error(error, GUESTBUS_ERROR, unknown_code(kind), "the object has no interface %s", name);
        return NULL;
}

const Member *object_find_member(const Object *object, const char *interface, MemberKind kind,
                                 const char *name, const Interface **found, GError **error)
{
        const Member *member;

        *found = object_find_interface(object, interface ? interface : "", kind, error);
        if (!*found)
                return NULL;

        member = interface_find(*found, kind, name);
        if (!member)
                g_set_error(error, GUESTBUS_ERROR, unknown_code(kind), "there is no %s %s%s%s",
                            kind == MEMBER_PROPERTY ? "property" : "method", name,
                            interface && *interface ? " in " : "", interface ? interface : "");

        return member;
}
