/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "object.h"

/* The introspection of an object: its interfaces as their files say, and its children. @connections maps
 * names to Connection. Free with g_free(). Main thread; never waits for libvirt. */
char *introspect(const Object *object, GHashTable *connections);
