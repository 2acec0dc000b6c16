/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers, holes and epochs. */

#include "listener/stream.h"

/* Where to go on, from where the listener was. */
static StreamStart start_of(const StreamPicture *picture, const StreamMark *known, guint64 *from)
{
        if (!known) {
                *from = picture->number;
                return STREAM_NOW;
        }

        if (known->epoch && !g_str_equal(known->epoch, picture->epoch)) {
                *from = picture->oldest;
                return STREAM_ANEW;
        }

        *from = CLAMP(known->number, picture->oldest, picture->number);
        return known->number >= picture->oldest || (known->number == 0 && picture->entire) ? STREAM_RESUMED
                                                                                           : STREAM_LOST;
}

StreamStart stream_begin(Stream *stream, const StreamPicture *picture, const StreamMark *known)
{
        guint64 from = 0;
        StreamStart start = start_of(picture, known, &from);

        *stream = (Stream){
                .mark = {.epoch = g_strdup(picture->epoch), .number = from},
                .shown = picture->number,
        };
        return start;
}

void stream_clear(Stream *stream)
{
        g_clear_pointer(&stream->mark.epoch, g_free);
}

StreamStep stream_signal(Stream *stream, const char *epoch, guint64 number)
{
        if (!stream || (epoch && !g_str_equal(epoch, stream->mark.epoch)))
                return STREAM_AGAIN;

        if (number <= stream->mark.number)
                return STREAM_DROP;

        if (stream->filling) {
                stream->heard = MAX(stream->heard, number);
                return STREAM_DROP;
        }

        if (number != stream->mark.number + 1)
                return STREAM_HOLE;

        stream->mark.number = number;
        return STREAM_NEXT;
}

void stream_fill(Stream *stream)
{
        stream->filling = TRUE;
        stream->heard = 0;
}

StreamStep stream_record(Stream *stream, guint64 number)
{
        if (number <= stream->mark.number)
                return STREAM_DROP;

        if (number != stream->mark.number + 1)
                return STREAM_AGAIN;

        stream->mark.number = number;
        return STREAM_NEXT;
}

gboolean stream_filled(Stream *stream, gboolean complete)
{
        stream->filling = FALSE;
        return !complete || stream->heard > stream->mark.number;
}
