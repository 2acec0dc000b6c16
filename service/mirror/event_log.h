/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config.h"
#include "bus/bus.h"
#include "bus/packed_value.h"
#include "mirror/event_numbers.h"
#include "virt/kind.h"

#include <glib.h>

/* The stream of events of one connection: numbered, sent as signals, and kept for a while. Main thread. */

typedef struct EventLog EventLog;

/* What is common to the streams of a service is @epoch: the numbers belong to it, and come from it. All
 * pointers must outlive the stream. */
EventLog *event_log_new(Bus *bus, const Limits *limits, const Epoch *epoch);

/* NULL is fine. */
void event_log_free(EventLog *event_log);

/* Adds an event about the object of @kind at @path and sends it as the signal Event. @word is its kind in
 * words, a static string; @name the object's, valid UTF-8; @details (a{sv}) stay the caller's, and are NULL
 * where no message can have them. @synthetic: libvirt did not tell, as @details say, too. Returns its number.
 */
guint64 event_log_add(EventLog *event_log, const Kind *kind, const char *path, const char *word,
                      const char *name, PackedValue *details, gboolean synthetic);

/* The number of the last event; before the first, the one that it will follow. */
guint64 event_log_sequence(const EventLog *event_log);

/* Some events in a row, as they are kept, until the next is added. */
typedef struct EventLogPage {
        const GList *first;
        guint32 n;
        size_t size;       /* about how many bytes they take in a message */
        gboolean complete; /* there are no more after them */
} EventLogPage;

/* Finds the events after number @after: at most @max, and at most a page, as with 0. FALSE and an error where
 * they cannot be had. */
gboolean event_log_find(const EventLog *event_log, const char *epoch, guint64 after, guint32 max,
                        EventLogPage *page, GError **error);

/* Appends what Connection1.GetEvents returns. Returns 0 or a negative errno. */
int event_log_append(sd_bus_message *message, const EventLogPage *page);

/* What event_log_restore() needs to go on, (tta{st}a(ostxsa{sv})), floating: the number before the first and
 * that of the last, the counters, and what is kept; NULL where that does not fit into a message. */
#define EVENT_LOG_SAVED "(tta{st}a(ostxsa{sv}))"
GVariant *event_log_save(const EventLog *event_log);

/* Goes on where another stream of the same epoch ended; for one that has no event yet. FALSE, and nothing is
 * changed, where @saved does not fit together. */
gboolean event_log_restore(EventLog *event_log, GVariant *saved);

/* Adds its counters to a builder of a{st}. */
void event_log_count(const EventLog *event_log, GVariantBuilder *counters);
