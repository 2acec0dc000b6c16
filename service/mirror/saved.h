/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"

#include <glib.h>

/* The mirror's objects as a value, for the next start of the service. Main thread. */

/* Of each object: its collection, its UUID, and its properties by name. */
#define SAVED_OBJECTS "a(ssa{sv})"

/* All objects of @mirror, floating. */
GVariant *saved_objects(const Mirror *mirror);

/* Fills @mirror, which is empty. What this service does not know, a kind, a property, or one of another type,
 * is left out: another version may have saved it. */
void saved_restore(GVariant *objects, Mirror *mirror);
