/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* Objects of the mirror and the like, from memory into a message, without a detour: there are thousands of
 * them. All return 0 or a negative errno. Main thread. */

/* The path, then the interfaces: what GetManagedObjects has for one object, less the dictionary's entry.
 * @values are those of the native interface's properties, by slot. libvirt's interface comes without
 * properties, for they are read from libvirt. */
int marshal_object(sd_bus_message *message, const char *path, const Kind *kind, GVariant *const *values);

/* The same for an item. */
int marshal_item(sd_bus_message *message, const Item *item);

/* The values of all properties of @native, by slot, as GetAll has them. */
int marshal_values(sd_bus_message *message, const Interface *native, GVariant *const *values);
