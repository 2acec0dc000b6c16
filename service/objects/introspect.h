/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "objects/object.h"

/* The introspection of an object: its interface as its file says, and its children. @connections maps names
 * to Connection; @children are the last elements of a collection's paths ("as"), or NULL where the mirror has
 * them. Free with g_free(). Main thread; never waits for libvirt. */
char *introspect(const Object *object, GHashTable *connections, GVariant *children);
