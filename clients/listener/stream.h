/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The numbers of one connection's events: which is next, which was missed, when to begin again. Pure: it asks
 * nothing and knows no bus. */

/* What to do with an event. */
typedef enum StreamStep {
        STREAM_DROP,  /* it is known, or a page that was asked for will have it */
        STREAM_NEXT,  /* it is the next one, and noted */
        STREAM_HOLE,  /* some were missed: ask for all after the noted number */
        STREAM_AGAIN, /* the numbers belong to another stream: begin again */
} StreamStep;

/* From where a stream goes on. */
typedef enum StreamStart {
        STREAM_NOW,     /* from now on: nothing was known of it */
        STREAM_RESUMED, /* after the noted number: nothing is missed */
        STREAM_LOST,    /* some events after the noted number are no longer kept */
        STREAM_ANEW,    /* the service was restarted: all that this start of it has told is replayed */
} StreamStart;

/* Up to where a listener knows a stream. @epoch NULL stands for whichever there is. */
typedef struct StreamMark {
        char *epoch;
        guint64 number;
} StreamMark;

/* What a picture says of a stream. */
typedef struct StreamPicture {
        const char *epoch;
        guint64 number;  /* of the last event */
        guint64 oldest;  /* the number before the first event that is still kept */
        gboolean entire; /* all events of the epoch are kept */
} StreamPicture;

typedef struct Stream {
        StreamMark mark;
        guint64 shown;    /* the picture has what events up to this number told */
        guint64 heard;    /* the greatest number that was dropped while a page was asked for */
        gboolean filling; /* a page was asked for */
} Stream;

/* Begins with a picture. @known is where the listener was, NULL if it was nowhere. Returns how; when the
 * stream's number is smaller than the picture's then, there are events to ask for. */
StreamStart stream_begin(Stream *stream, const StreamPicture *picture, const StreamMark *known);

void stream_clear(Stream *stream);

/* An event that came as a signal. @stream NULL: of a connection that no picture had. @epoch: the one in the
 * event's details, NULL if they have none. */
StreamStep stream_signal(Stream *stream, const char *epoch, guint64 number);

/* A page is asked for, of events after the noted number. */
void stream_fill(Stream *stream);

/* An event of that page. STREAM_AGAIN when it is not the next one: the service has broken its word. */
StreamStep stream_record(Stream *stream, guint64 number);

/* The page ended. Returns whether another one has to be asked for. */
gboolean stream_filled(Stream *stream, gboolean complete);
