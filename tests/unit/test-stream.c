/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The numbers of a stream: the rules of docs/events.md as a table, and streams with holes in every place. */

#include "listener/stream.h"

#define EPOCH "here"

static const StreamPicture picture = {.epoch = EPOCH, .number = 20, .oldest = 10, .entire = FALSE};

/* A stream that knows all up to 20. */
static void begin(Stream *stream)
{
        g_assert_cmpint(stream_begin(stream, &picture, NULL), ==, STREAM_NOW);
        g_assert_cmpuint(stream->mark.number, ==, 20);
        g_assert_cmpuint(stream->shown, ==, 20);
        g_assert_cmpstr(stream->mark.epoch, ==, EPOCH);
}

static void test_start(void)
{
        static const struct {
                const char *epoch;
                guint64 number, from;
                gboolean entire;
                StreamStart start;
        } rows[] = {
                {EPOCH, 20, 20, FALSE, STREAM_RESUMED}, {EPOCH, 15, 15, FALSE, STREAM_RESUMED},
                {EPOCH, 10, 10, FALSE, STREAM_RESUMED}, {EPOCH, 9, 10, FALSE, STREAM_LOST},
                {EPOCH, 30, 20, FALSE, STREAM_RESUMED}, {"before", 20, 10, FALSE, STREAM_ANEW},
                {"before", 99, 10, FALSE, STREAM_ANEW}, {"", 0, 10, TRUE, STREAM_ANEW},
                {NULL, 15, 15, FALSE, STREAM_RESUMED},  {NULL, 3, 10, FALSE, STREAM_LOST},
                {NULL, 0, 10, FALSE, STREAM_LOST},      {NULL, 0, 10, TRUE, STREAM_RESUMED},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                const StreamMark known = {.epoch = (char *)rows[i].epoch, .number = rows[i].number};
                StreamPicture seen = picture;
                Stream stream;

                seen.entire = rows[i].entire;
                g_assert_cmpint(stream_begin(&stream, &seen, &known), ==, rows[i].start);
                g_assert_cmpuint(stream.mark.number, ==, rows[i].from);
                g_assert_cmpuint(stream.shown, ==, 20);
                stream_clear(&stream);
        }
}

static void test_signals(void)
{
        Stream stream;

        begin(&stream);
        g_assert_cmpint(stream_signal(&stream, NULL, 20), ==, STREAM_DROP);
        g_assert_cmpint(stream_signal(&stream, NULL, 3), ==, STREAM_DROP);
        g_assert_cmpint(stream_signal(&stream, NULL, 21), ==, STREAM_NEXT);
        g_assert_cmpint(stream_signal(&stream, NULL, 21), ==, STREAM_DROP);
        g_assert_cmpint(stream_signal(&stream, EPOCH, 22), ==, STREAM_NEXT);
        g_assert_cmpint(stream_signal(&stream, NULL, 24), ==, STREAM_HOLE);
        g_assert_cmpuint(stream.mark.number, ==, 22);
        stream_clear(&stream);
}

/* Another epoch counts, whatever the number; and a connection that no picture had. */
static void test_epochs(void)
{
        Stream stream;

        begin(&stream);
        g_assert_cmpint(stream_signal(&stream, "other", 21), ==, STREAM_AGAIN);
        g_assert_cmpint(stream_signal(&stream, "other", 2), ==, STREAM_AGAIN);
        g_assert_cmpint(stream_signal(NULL, NULL, 1), ==, STREAM_AGAIN);
        stream_fill(&stream);
        g_assert_cmpint(stream_signal(&stream, "other", 2), ==, STREAM_AGAIN);
        g_assert_cmpuint(stream.mark.number, ==, 20);
        stream_clear(&stream);
}

/* What comes while a page is asked for is in it. */
static void test_page(void)
{
        Stream stream;

        begin(&stream);
        g_assert_cmpint(stream_signal(&stream, NULL, 23), ==, STREAM_HOLE);
        stream_fill(&stream);
        g_assert_cmpint(stream_signal(&stream, NULL, 24), ==, STREAM_DROP);
        for (guint64 number = 19; number <= 24; number++)
                g_assert_cmpint(stream_record(&stream, number), ==, number <= 20 ? STREAM_DROP : STREAM_NEXT);
        g_assert_false(stream_filled(&stream, TRUE));
        g_assert_cmpint(stream_signal(&stream, NULL, 25), ==, STREAM_NEXT);
        stream_clear(&stream);
}

/* A page is not the last, or lacks what was heard meanwhile; what was heard before does not count again. */
static void test_next_page(void)
{
        Stream stream;

        begin(&stream);
        stream_fill(&stream);
        g_assert_cmpint(stream_record(&stream, 21), ==, STREAM_NEXT);
        g_assert_true(stream_filled(&stream, FALSE));
        stream_fill(&stream);
        g_assert_cmpint(stream_signal(&stream, NULL, 22), ==, STREAM_DROP);
        g_assert_true(stream_filled(&stream, TRUE));
        stream_fill(&stream);
        g_assert_false(stream_filled(&stream, TRUE));
        stream_clear(&stream);
}

static void test_page_with_a_hole(void)
{
        Stream stream;

        begin(&stream);
        stream_fill(&stream);
        g_assert_cmpint(stream_record(&stream, 22), ==, STREAM_AGAIN);
        g_assert_cmpuint(stream.mark.number, ==, 20);
        stream_clear(&stream);
}

/* The service's side for the next test: events up to `last`, of which each signal may be lost. */
static guint64 fill(Stream *stream, guint64 last, GString *taken)
{
        gboolean complete = FALSE;
        guint64 pages = 0;

        do {
                guint64 first = stream->mark.number + 1;

                stream_fill(stream);
                for (guint64 number = first; number <= MIN(last, first + 2); number++) {
                        g_assert_cmpint(stream_record(stream, number), ==, STREAM_NEXT);
                        g_string_append_printf(taken, "%" G_GUINT64_FORMAT " ", number);
                }
                complete = stream->mark.number == last;
                pages++;
        } while (stream_filled(stream, complete));

        return pages;
}

/* Whichever of ten signals are lost: each event is taken once, in order, up to the last that was heard. */
static void test_every_hole(void)
{
        for (unsigned lost = 0; lost < 1 << 10; lost++) {
                g_autoptr(GString) taken = g_string_new(NULL), expected = g_string_new(NULL);
                guint64 last = 20;
                Stream stream;

                begin(&stream);
                for (unsigned i = 0; i < 10; i++) {
                        StreamStep step;

                        if (lost & (1U << i))
                                continue;
                        last = 21 + i;
                        step = stream_signal(&stream, NULL, last);
                        if (step == STREAM_NEXT)
                                g_string_append_printf(taken, "%" G_GUINT64_FORMAT " ", last);
                        else
                                g_assert_cmpuint(fill(&stream, last, taken), >, 0);
                }
                for (guint64 number = 21; number <= last; number++)
                        g_string_append_printf(expected, "%" G_GUINT64_FORMAT " ", number);
                g_assert_cmpstr(taken->str, ==, expected->str);
                stream_clear(&stream);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/stream/start", test_start);
        g_test_add_func("/stream/signals", test_signals);
        g_test_add_func("/stream/epochs", test_epochs);
        g_test_add_func("/stream/page", test_page);
        g_test_add_func("/stream/next-page", test_next_page);
        g_test_add_func("/stream/page-with-a-hole", test_page_with_a_hole);
        g_test_add_func("/stream/every-hole", test_every_hole);
        return g_test_run();
}
