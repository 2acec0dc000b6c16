/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stream of events, and who asks for some of it: numbers are without gaps, what is gone is said to be,
 * and each event is sent once.
 *
 * Input: three bytes of limits, then steps: see step(). */

#include "codec.h"
#include "error.h"
#include "fuzz.h"
#include "members.h"
#include "peer.h"
#include "stream.h"
#include "text.h"

#define EPOCH "epoch"
#define PATH  "/org/libvirt/Test/domain/_1"

static Peer peer;
static Limits limits;
static guint64 sent;

static void on_name(const char *name, void *data)
{
}

static void on_closed(void *data)
{
        g_assert_not_reached();
}

static int on_call(sd_bus_message *message, void *data, sd_bus_error *error)
{
        return 0;
}

static void on_message(sd_bus_message *message, void *data)
{
        const char *word;
        uint64_t sequence;

        peer_check_body(message);
        g_assert_cmpint(sd_bus_message_read(message, "st", &word, &sequence), >, 0);
        g_assert_cmpuint(sequence, ==, ++sent);
}

static void add(Stream *stream, Input *input)
{
        g_autofree char *text = input_string(input), *name = text_utf8(text);
        guint8 repeat = input_byte(input);
        guint64 before = stream_sequence(stream);
        GVariantBuilder details;

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        for (guint8 i = 0; i < repeat; i++)
                g_variant_builder_add(&details, "{sv}", name, text_variant(text));
        if (repeat & 1)
                g_variant_builder_add(&details, "{sv}", "synthetic", g_variant_new_boolean(TRUE));
        g_assert_cmpuint(stream_add(stream, &kind_domain, PATH, "word", name, g_variant_builder_end(&details),
                                    FALSE),
                         ==, before + 1);
}

/* From @after on, without a gap, at most @max; all that are left where it says so. */
static void check_events(const Stream *stream, GVariant *result, guint64 after, guint32 max)
{
        g_autoptr(GVariant) events = g_variant_get_child_value(result, 0);
        gsize n = g_variant_n_children(events);
        gboolean complete;

        g_variant_get_child(result, 1, "b", &complete);
        g_assert_true(max == 0 || n <= max);
        g_assert_true(complete == (after + n == stream_sequence(stream)));
        g_assert_true(complete || n > 0);
        for (gsize i = 0; i < n; i++) {
                guint64 sequence;

                g_variant_get_child(events, i, "(&o&stx&s@a{sv})", NULL, NULL, &sequence, NULL, NULL, NULL);
                g_assert_cmpuint(sequence, ==, after + i + 1);
        }
}

/* What GetEvents replies: the size that was told before is no less than what it takes. */
static GVariant *read_page(const Stream *stream, const char *epoch, guint64 after, guint32 max,
                           GError **error)
{
        sd_bus_message *message = bus_new_signal(peer.bus, PATH, "org.guestbus.Domain1", "Page");
        GUnixFDList *fds = NULL;
        GVariant *result = NULL;
        StreamPage page;

        if (stream_find(stream, epoch, after, max, &page, error)) {
                g_assert_cmpint(stream_append(message, &page), >=, 0);
                g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
                peer_check_body(message);
                g_assert_cmpint(sd_bus_message_rewind(message, TRUE), >=, 0);
                result = g_variant_ref_sink(codec_read(message, "a(ostxsa{sv})b", &fds, NULL));
                g_assert_cmpuint(page.size, <=, limits.reply_bytes);
        }

        sd_bus_message_unref(message);
        return result;
}

static void read_some(const Stream *stream, Input *input)
{
        guint8 what = input_byte(input);
        guint64 after = what & 1 ? input_number(input) : input_byte(input);
        guint32 max = what & 2 ? (guint32)input_number(input) : input_byte(input);
        g_autofree char *epoch = what & 4 ? input_string(input) : g_strdup(EPOCH);
        g_autofree char *valid = text_utf8(epoch);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) result = read_page(stream, valid, after, max, &error);

        if (!result) {
                g_assert_true(error && error->domain == GUESTBUS_ERROR);
                g_assert_true(error->code == GUESTBUS_ERROR_GONE ||
                              error->code == GUESTBUS_ERROR_INVALID_ARGS ||
                              error->code == GUESTBUS_ERROR_LIMITS_EXCEEDED);
                g_assert_true((error->code == GUESTBUS_ERROR_INVALID_ARGS) ==
                              (strcmp(valid, EPOCH) == 0 && after > stream_sequence(stream)));
                return;
        }

        g_assert_no_error(error);
        g_assert_cmpstr(valid, ==, EPOCH);
        check_events(stream, result, after, max);
}

static void step(Stream *stream, Input *input)
{
        if (input_byte(input) & 1)
                add(stream, input);
        else
                read_some(stream, input);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        static const BusOwner owner = {
                .call = on_call, .caller_gone = on_name, .name_lost = on_name, .closed = on_closed};
        Input input = {data, size};
        GVariantBuilder counters;
        Stream *stream;

        if (!peer.bus)
                peer_open(&peer, &limits, &owner, NULL);

        limits.events_kept = input_byte(&input);
        limits.events_bytes = 1024U * (1 + input_byte(&input));
        /* Larger than any one event of an input of usual size: all are sent. */
        limits.reply_bytes = 1U << 24;
        if (input_byte(&input) & 1)
                limits.reply_bytes = 1U << 22;

        sent = 0;
        stream = stream_new(peer.bus, &limits, EPOCH);
        while (input.left > 0)
                step(stream, &input);

        peer_settle(&peer, on_message, NULL);
        g_assert_cmpuint(sent, ==, stream_sequence(stream));
        g_variant_builder_init(&counters, G_VARIANT_TYPE("a{st}"));
        stream_count(stream, &counters);
        g_variant_unref(g_variant_ref_sink(g_variant_builder_end(&counters)));
        stream_free(stream);
        return 0;
}
