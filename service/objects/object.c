/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a path to an object. */

#include "objects/object.h"

#include "base/error.h"
#include "base/thread.h"
#include "bus/path.h"
#include "members.h"

#include <string.h>

/* For what has no members of its own. */
static const Interface no_interface = {};

gboolean object_resolve(GHashTable *connections, const char *path, Object *object)
{
        g_auto(PathParts) parts = {};

        ASSERT_MAIN();
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
        ASSERT_MAIN();
        g_clear_pointer(&object->key, g_free);
}

const Item *object_item(const Object *object)
{
        ASSERT_MAIN();
        if (object->level != OBJECT_LEAF || !kind_is_mirrored(object->kind))
                return NULL;

        return mirror_find(connection_mirror(object->connection), object->kind, object->leaf);
}

void object_interfaces(const Object *object, const Interface *interfaces[OBJECT_INTERFACES_MAX + 1])
{
        size_t n = 0;

        ASSERT_MAIN();
        switch (object->level) {
        case OBJECT_ROOT:
                interfaces[n++] = &interface_manager1;
                interfaces[n++] = &interface_object_manager;
                break;
        case OBJECT_CONNECTION:
        case OBJECT_LEAF:
                interfaces[n++] = object->kind->interface;
                if (object->kind->native)
                        interfaces[n++] = object->kind->native;
                break;
        case OBJECT_COLLECTION:
                break;
        }

        interfaces[n] = NULL;
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
        const Interface *interfaces[OBJECT_INTERFACES_MAX + 1];

        ASSERT_MAIN();
        object_interfaces(object, interfaces);
        if (!*name)
                return interfaces[0] ? interfaces[0] : &no_interface;

        for (const Interface **each = interfaces; *each; each++)
                if (strcmp((*each)->name, name) == 0)
                        return *each;

        g_set_error(error, GUESTBUS_ERROR, unknown_code(kind), "the object has no interface %s", name);
        return NULL;
}

const Member *object_find_member(const Object *object, const char *interface, MemberKind kind,
                                 const char *name, const Interface **found, GError **error)
{
        const Interface *interfaces[OBJECT_INTERFACES_MAX + 1];
        const Member *member = NULL;

        ASSERT_MAIN();
        object_interfaces(object, interfaces);
        if (interface && *interface) {
                *found = object_find_interface(object, interface, kind, error);
                if (!*found)
                        return NULL;

                member = interface_find(*found, kind, name);
        } else {
                for (const Interface **each = interfaces; *each && !member; each++) {
                        *found = *each;
                        member = interface_find(*each, kind, name);
                }
        }

        if (!member)
                g_set_error(error, GUESTBUS_ERROR, unknown_code(kind), "there is no %s %s%s%s",
                            kind == MEMBER_PROPERTY ? "property" : "method", name,
                            interface && *interface ? " in " : "", interface ? interface : "");

        return member;
}
