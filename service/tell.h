/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "mirror.h"
#include "stream.h"

#include <glib.h>

/* Telling the bus what changed: by the standard signals of properties and objects, and as events of the
 * stream. Main thread. */

/* PropertiesChanged of a native interface; @changed (a{sv}) is consumed when it is floating. */
void tell_properties(Bus *bus, const Kind *kind, const char *path, GVariant *changed);

/* @found: a comparison came upon it, no event. @slots are those that changed, one bit each. */
void tell_added(Bus *bus, Stream *stream, const Item *item, gboolean found);
void tell_changed(Bus *bus, Stream *stream, const Item *item, guint32 slots, gboolean found);
void tell_removed(Bus *bus, Stream *stream, const Item *item, gboolean found);

/* An event of a lifecycle that libvirt did not tell, by its number; @name is the object's at that time. */
void tell_event(Stream *stream, const Item *item, const char *name, int event);

/* What libvirt says of a state that event number @of told with doubt; both are NULL for a domain that is
 * gone.
 */
void tell_checked(Stream *stream, const Item *item, guint64 of, GVariant *state, GVariant *reason);
