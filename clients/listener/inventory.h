/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "listener/event.h"
#include "listener/stream.h"

/* All that is known of the objects of all connections: what GetManagedObjects returned, and what events have
 * told since. Pure, as the streams are. */
typedef struct Inventory Inventory;

/* @objects is a{oa{sa{sv}}}. What the answer may lack, because a connection is without its libvirt, is taken
 * over from
 * @before, which may be NULL. */
Inventory *inventory_new(GVariant *objects, const Inventory *before);
void inventory_free(Inventory *inventory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Inventory, inventory_free)

/* What @event told is known from now on. */
void inventory_apply(Inventory *inventory, const Event *event);

/* The paths, sorted; free the list, not what is in it. They are valid until the next change. */
GPtrArray *inventory_paths(const Inventory *inventory);
gboolean inventory_has(const Inventory *inventory, const char *path);

/* A property of the object's org.guestbus interface: NULL, "" or FALSE when it has none of that name and
 * type. The text is valid until the next change. */
GVariant *inventory_value(const Inventory *inventory, const char *path, const char *property);
const char *inventory_text(const Inventory *inventory, const char *path, const char *property);
gboolean inventory_flag(const Inventory *inventory, const char *path, const char *property);

/* Whether that is a connection, and whether its libvirt is there. */
gboolean inventory_is_connection(const Inventory *inventory, const char *path);
gboolean inventory_is_connected(const Inventory *inventory, const char *connection);

/* What it says of the stream of a connection. Its text is valid as long as the inventory. */
StreamPicture inventory_stream(const Inventory *inventory, const char *connection);
