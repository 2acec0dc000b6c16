/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/member.h"
#include "call/call.h"
#include "connection/connection.h"
#include "virt/kind.h"

#include <glib.h>

/* What stands at an object path. Main thread. */

/* Finds what @path means, by its form alone: whether a leaf is there is for the mirror or libvirt to say.
 * FALSE when no object can be there. @connections maps names to Connection. Clear @object with object_clear()
 * either way. */
gboolean object_resolve(GHashTable *connections, const char *path, Object *object);
void object_clear(Object *object);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Object, object_clear)

/* What the mirror has of a leaf; NULL for none, and for what is not mirrored. */
const Item *object_item(const Object *object);

/* The object's interfaces besides the standard ones, ended by NULL: the one that libvirt-dbus has first. */
#define OBJECT_INTERFACES_MAX 2
void object_interfaces(const Object *object, const Interface *interfaces[OBJECT_INTERFACES_MAX + 1]);

/* The one of that name; the first one for "", which means any. NULL and an error where there is none, called
 * after what is looked for in it. An object without any has an empty one for "". */
const Interface *object_find_interface(const Object *object, const char *name, MemberKind kind,
                                       GError **error);

/* The row of a member. With @interface NULL or "" it need not be named, as D-Bus allows. NULL and an error
 * that says which of the two is unknown. */
const Member *object_find_member(const Object *object, const char *interface, MemberKind kind,
                                 const char *name, const Interface **found, GError **error);
