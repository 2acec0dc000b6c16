/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "config.h"
#include "kind.h"
#include "numbers.h"

#include <glib.h>

/* The stream of events of one connection: numbered, sent as signals, and kept for a while. Main thread. */

typedef struct Stream Stream;

/* What is common to the streams of a service is @epoch: the numbers belong to it. All pointers must outlive
 * the stream. */
Stream *stream_new(Bus *bus, const Limits *limits, const char *epoch);

/* Before the first event: numbers it from where @numbers, which must outlive it, have come to. */
void stream_number_from(Stream *stream, Numbers *numbers);

/* NULL is fine. */
void stream_free(Stream *stream);

/* Adds an event about the object of @kind at @path and sends it as the signal Event. @word is its kind in
 * words, a static string; @name the object's, valid UTF-8; @details (a{sv}) is consumed when it is floating.
 * @synthetic: libvirt did not tell, as @details say, too. Returns its number. */
guint64 stream_add(Stream *stream, const Kind *kind, const char *path, const char *word, const char *name,
                   GVariant *details, gboolean synthetic);

/* The number of the last event; before the first, the one that it will follow. */
guint64 stream_sequence(const Stream *stream);

/* The events after number @after (0: all), at most @max (0: no such limit) and as many as one reply may hold:
 * what Connection1.GetEvents returns, floating. NULL and an error where they cannot be had. */
GVariant *stream_read(const Stream *stream, const char *epoch, guint64 after, guint32 max, GError **error);

/* Adds its counters to a builder of a{st}. */
void stream_count(const Stream *stream, GVariantBuilder *counters);
