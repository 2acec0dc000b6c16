/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a path to an object. */

#include "object.h"

#include "error.h"
#include "members.h"
#include "path.h"

#include <string.h>

gboolean object_resolve(GHashTable *connections, const char *path, Object *object)
{
        g_auto(PathParts) parts = {};

        if (!path_split(path, &parts))
                return FALSE;

        *object = (Object){.kind = OBJECT_ROOT};
        if (!parts.connection)
                return TRUE;

        object->connection = g_hash_table_lookup(connections, parts.connection);
        object->kind = OBJECT_CONNECTION;
        if (!object->connection || !parts.collection)
                return object->connection != NULL;

        object->kind = OBJECT_COLLECTION;
        if (strcmp(parts.collection, "domain") != 0 || !parts.leaf)
                return strcmp(parts.collection, "domain") == 0;

        object->kind = OBJECT_DOMAIN;
        object->leaf = strrchr(path, '/') + 1;
        return path_leaf_to_uuid(object->leaf, object->uuid);
}

const Interface *const *object_interfaces(ObjectKind kind)
{
        static const Interface *const none[] = {NULL};
        static const Interface *const connection[] = {&interface_org_libvirt_connect, NULL};
        static const Interface *const domain[] = {&interface_org_libvirt_domain, NULL};

        switch (kind) {
        case OBJECT_CONNECTION:
                return connection;
        case OBJECT_DOMAIN:
                return domain;
        case OBJECT_ROOT:
        case OBJECT_COLLECTION:
                break;
        }

        return none;
}

const Interface *object_find_interface(const Object *object, const char *interface, GError **error)
{
        const Interface *const *each = object_interfaces(object->kind);

        for (; *each; each++)
                if (strcmp((*each)->name, interface) == 0)
                        return *each;

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_INTERFACE, "the object has no interface %s",
                    interface);
        return NULL;
}

static const Member *find_anywhere(const Object *object, MemberKind kind, const char *name,
                                   const Interface **found)
{
        for (const Interface *const *each = object_interfaces(object->kind); *each; each++) {
                const Member *member = interface_find(*each, kind, name);

                if (member) {
                        *found = *each;
                        return member;
                }
        }

        return NULL;
}

const Member *object_find_member(const Object *object, const char *interface, MemberKind kind,
                                 const char *name, const Interface **found, GError **error)
{
        const Member *member;

        if (interface && *interface) {
                *found = object_find_interface(object, interface, error);
                if (!*found)
                        return NULL;

                member = interface_find(*found, kind, name);
        } else {
                member = find_anywhere(object, kind, name, found);
        }

        if (!member)
                g_set_error(error, GUESTBUS_ERROR,
                            kind == MEMBER_PROPERTY ? GUESTBUS_ERROR_UNKNOWN_PROPERTY
                                                    : GUESTBUS_ERROR_UNKNOWN_METHOD,
                            "there is no %s %s%s%s", kind == MEMBER_PROPERTY ? "property" : "method", name,
                            interface && *interface ? " in " : "", interface ? interface : "");

        return member;
}
