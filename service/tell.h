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

/* @found: a comparison came upon it, no event. */
void tell_added(Bus *bus, Stream *stream, const Item *item, gboolean found);
void tell_changed(Bus *bus, Stream *stream, const Item *item, GVariant *changed, gboolean found);
void tell_removed(Bus *bus, Stream *stream, const Item *item, gboolean found);

/* Events for what libvirt did not tell of a lifecycle: from the state that was told last to the one that the
 * mirror has. @is_new: nobody was told that the object exists. Returns the state that is told now, static. */
const char *tell_found(Stream *stream, const Item *item, gboolean is_new);

/* Whether that state, as Item.told has it, is one of an active object. */
gboolean tell_is_active(const char *told);

/* The state that an object has, as events tell it; static. */
const char *tell_state(const Item *item);

/* The same for a domain that was stopped and started, for an object that was renamed, defined or undefined
 * (@told: the event of these that was told last, or -1), and for one that is no more (@definition: that this
 * is so of its definition was not told either). */
void tell_found_restart(Stream *stream, const Item *item);
void tell_found_definition(Stream *stream, const Item *item, GVariant *const *before, int told);
void tell_found_removed(Stream *stream, const Item *item, gboolean definition);
