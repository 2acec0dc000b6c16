/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"
#include "mirror/event_log.h"
#include "mirror/mirror.h"
#include "mirror/pending.h"
#include "mirror/state_waits.h"
#include "mirror/step.h"
#include "mirror/sync.h"
#include "virt/events.h"

#include <glib.h>

/* Bringing what libvirt said into the mirror and to those that listen. Whether, and when, the announcer says.
 * Main thread. */

/* Where it goes; all of it is borrowed. */
typedef struct Emitter {
        Bus *bus;
        Mirror *mirror;
        Sync *sync;
        EventLog *event_log;
        StateWaits *waits;
} Emitter;

/* PropertiesChanged of a native interface; @changed (a{sv}) stays the caller's. */
void emit_properties(Bus *bus, const Kind *kind, const char *path, const PackedValue *changed);

/* The same of an item, and an event of the stream; @slots are those that changed, one bit each. @found: a
 * comparison came upon it, no event. */
void emit_slots(Bus *bus, EventLog *event_log, const Item *item, guint32 slots, gboolean found);

/* Tells @event, of whatever kind, as it is; returns its number. */
guint64 emit_event(const Emitter *emitter, const Event *event);

/* Tells @event of the lifecycle of @item, and has the mirror show what it says. */
void emit_lifecycle(const Emitter *emitter, const Item *item, Pending *pending, const Event *event);

/* The start of a domain, which was told in libvirt's place when it was under way, is complete: it runs. */
void emit_started(const Emitter *emitter, const Item *item, Pending *pending, const Event *event);

/* Announces an object that libvirt told of, but was not asked about, or is gone already: as far as events say
 * what it is. Returns it. */
const Item *emit_held(const Emitter *emitter, Pending *pending, gboolean stale);

/* Tells what is to be told before the answer, and the answer: that the object is gone, is new (it has no
 * item), or is as it says. The answer's values are taken. */
void emit_gone(const Emitter *emitter, Step *step);
void emit_new(const Emitter *emitter, Step *step);
void emit_changed(const Emitter *emitter, Step *step);

/* Tells the values that events have changed, and that no answer has confirmed yet. */
void emit_untold(const Emitter *emitter, Pending *pending);

/* Takes over the OSType of a domain, which no event tells of, and tells it. */
void emit_system(const Emitter *emitter, const Item *item, GVariant **values);
