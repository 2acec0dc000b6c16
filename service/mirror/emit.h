/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"
#include "mirror/event_log.h"
#include "mirror/mirror.h"

#include <glib.h>

/* Telling the bus what changed: by the standard signals of properties and objects, and as events of the
 * stream. Main thread. */

/* PropertiesChanged of a native interface; @changed (a{sv}) is consumed when it is floating. */
void emit_properties(Bus *bus, const Kind *kind, const char *path, GVariant *changed);

/* @found: a comparison came upon it, no event. @slots are those that changed, one bit each. */
void emit_added(Bus *bus, EventLog *event_log, const Item *item, gboolean found);
void emit_changed(Bus *bus, EventLog *event_log, const Item *item, guint32 slots, gboolean found);
void emit_removed(Bus *bus, EventLog *event_log, const Item *item, gboolean found);

/* An event of a lifecycle that libvirt did not tell, by its number; @name is the object's at that time. */
void emit_event(EventLog *event_log, const Item *item, const char *name, int event);

/* What libvirt says of a state that event number @of told with doubt; both are NULL for a domain that is
 * gone.
 */
void emit_checked(EventLog *event_log, const Item *item, guint64 of, GVariant *state, GVariant *reason);
