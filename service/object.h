/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "connection.h"
#include "member.h"

#include <glib.h>

/* What stands at an object path. Main thread. */

typedef enum ObjectKind {
        OBJECT_ROOT,       /* /org/libvirt */
        OBJECT_CONNECTION, /* /org/libvirt/QEMU */
        OBJECT_COLLECTION, /* /org/libvirt/QEMU/domain */
        OBJECT_DOMAIN,     /* /org/libvirt/QEMU/domain/_... */
} ObjectKind;

typedef struct Object {
        ObjectKind kind;
        Connection *connection; /* NULL for the root */
        char uuid[VIR_UUID_STRING_BUFLEN];
        const char *leaf; /* last element of a domain's path; borrowed from the path */
} Object;

/* Finds what @path means, by its form alone: whether a domain exists is for the mirror or libvirt to say.
 * FALSE when no object can be there. @connections maps names to Connection. */
gboolean object_resolve(GHashTable *connections, const char *path, Object *object);

/* The interfaces of that kind of object besides the standard ones, ended by NULL. */
const Interface *const *object_interfaces(ObjectKind kind);

/* The row of a member, and the interface it is in. With @interface NULL or "" all are searched, as D-Bus
 * allows. NULL and an error that says which of the two is unknown. */
const Member *object_find_member(const Object *object, const char *interface, MemberKind kind,
                                 const char *name, const Interface **found, GError **error);

/* The interface of that name on the object; NULL and an error where it has none. */
const Interface *object_find_interface(const Object *object, const char *interface, GError **error);
