/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stream of events, and who asks for some of it: numbers are without gaps, what is gone is said to be,
 * and each event is sent once.
 *
 * Input: three bytes of limits, then steps: see step(). */

#include "base/error.h"
#include "base/utf8.h"
#include "bus/codec.h"
#include "fake-bus.h"
#include "fuzz.h"
#include "members.h"
#include "mirror/event_log.h"

#define EPOCH "epoch"
#define PATH  "/org/libvirt/Test/domain/_1"

static const Epoch plain_epoch = {.name = EPOCH};
static FakeBus fake;
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

        fake_bus_check_body(message);
        g_assert_cmpint(sd_bus_message_read(message, "st", &word, &sequence), >, 0);
        g_assert_cmpuint(sequence, ==, ++sent);
}

static void add(EventLog *event_log, Input *input)
{
        g_autofree char *text = input_string(input), *name = utf8_make_valid(text);
        guint8 repeat = input_byte(input);
        guint64 before = event_log_sequence(event_log);
        g_autoptr(PackedValue) details = NULL;
        Packer packer;

        packer_begin(&packer);
        for (guint8 i = 0; i < repeat; i++)
                packer_add(&packer, name, utf8_variant(text));
        if (repeat & 1)
                packer_add_boolean(&packer, "synthetic", TRUE);
        details = packer_end(&packer);
        g_assert_cmpuint(event_log_add(event_log, &kind_domain, PATH, "word", name, details, FALSE), ==,
                         before + 1);
}

/* From @after on, without a gap, at most @max; all that are left where it says so. */
static void check_events(const EventLog *event_log, GVariant *result, guint64 after, guint32 max)
{
        g_autoptr(GVariant) events = g_variant_get_child_value(result, 0);
        gsize n = g_variant_n_children(events);
        gboolean complete;

        g_variant_get_child(result, 1, "b", &complete);
        g_assert_true(max == 0 || n <= max);
        g_assert_true(complete == (after + n == event_log_sequence(event_log)));
        g_assert_true(complete || n > 0);
        for (gsize i = 0; i < n; i++) {
                guint64 sequence;

                g_variant_get_child(events, i, "(&o&stx&s@a{sv})", NULL, NULL, &sequence, NULL, NULL, NULL);
                g_assert_cmpuint(sequence, ==, after + i + 1);
        }
}

/* What GetEvents replies: the size that was told before is no less than what it takes. */
static GVariant *read_page(const EventLog *event_log, const char *epoch, guint64 after, guint32 max,
                           GError **error)
{
        sd_bus_message *message = bus_new_signal(fake.bus, PATH, "org.guestbus.Domain1", "Page");
        GUnixFDList *fds = NULL;
        GVariant *result = NULL;
        EventLogPage page;

        if (event_log_find(event_log, epoch, after, max, &page, error)) {
                g_assert_cmpint(event_log_append(message, &page), >=, 0);
                g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
                fake_bus_check_body(message);
                g_assert_cmpint(sd_bus_message_rewind(message, TRUE), >=, 0);
                result = g_variant_ref_sink(codec_read(message, "a(ostxsa{sv})b", &fds, NULL));
                g_assert_cmpuint(page.size, <=, limits.reply_bytes);
        }

        sd_bus_message_unref(message);
        return result;
}

static void read_some(const EventLog *event_log, Input *input)
{
        guint8 what = input_byte(input);
        guint64 after = what & 1 ? input_number(input) : input_byte(input);
        guint32 max = what & 2 ? (guint32)input_number(input) : input_byte(input);
        g_autofree char *epoch = what & 4 ? input_string(input) : g_strdup(EPOCH);
        g_autofree char *valid = utf8_make_valid(epoch);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) result = read_page(event_log, valid, after, max, &error);

        if (!result) {
                g_assert_true(error && error->domain == GUESTBUS_ERROR);
                g_assert_true(error->code == GUESTBUS_ERROR_GONE ||
                              error->code == GUESTBUS_ERROR_INVALID_ARGS ||
                              error->code == GUESTBUS_ERROR_LIMITS_EXCEEDED);
                g_assert_true((error->code == GUESTBUS_ERROR_INVALID_ARGS) ==
                              (strcmp(valid, EPOCH) == 0 && after > event_log_sequence(event_log)));
                return;
        }

        g_assert_no_error(error);
        g_assert_cmpstr(valid, ==, EPOCH);
        check_events(event_log, result, after, max);
}

static void step(EventLog *event_log, Input *input)
{
        if (input_byte(input) & 1)
                add(event_log, input);
        else
                read_some(event_log, input);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        static const BusOwner owner = {
                .call = on_call, .peer_gone = on_name, .name_lost = on_name, .closed = on_closed};
        Input input = {data, size};
        GVariantBuilder counters;
        EventLog *event_log;

        if (!fake.bus)
                fake_bus_open(&fake, &limits, &owner, NULL);

        limits.events_kept = input_byte(&input);
        limits.events_bytes = 1024U * (1 + input_byte(&input));
        /* Larger than any one event of an input of usual size: all are sent. */
        limits.reply_bytes = 1U << 24;
        if (input_byte(&input) & 1)
                limits.reply_bytes = 1U << 22;

        sent = 0;
        event_log = event_log_new(fake.bus, &limits, &plain_epoch);
        while (input.left > 0)
                step(event_log, &input);

        fake_bus_settle(&fake, on_message, NULL);
        g_assert_cmpuint(sent, ==, event_log_sequence(event_log));
        g_variant_builder_init(&counters, G_VARIANT_TYPE("a{st}"));
        event_log_count(event_log, &counters);
        g_variant_unref(g_variant_ref_sink(g_variant_builder_end(&counters)));
        event_log_free(event_log);
        return 0;
}
