/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The stream: numbers, what is kept, and what is told again. On a private bus, as each event is a signal. */

#include "base/error.h"
#include "base/main_queue.h"
#include "bus/bus.h"
#include "bus/codec.h"
#include "members.h"
#include "mirror/event_log.h"
#include "mirror/event_numbers.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

#define EPOCH "one"
#define PATH  "/org/libvirt/Test/network/_1"

static const Epoch plain_epoch = {.name = EPOCH};
static GTestDBus *bus_daemon;
static Bus *bus;
static const Limits bus_limits = {.reply_bytes = 1 << 20};

static int on_call(sd_bus_message *message, void *data, sd_bus_error *error)
{
        return 0;
}

static void on_caller_gone(const char *name, void *data)
{
}

static void on_closed(void *data)
{
        g_assert_not_reached();
}

static unsigned warnings;

static GLogWriterOutput count_warnings(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
        if (level != G_LOG_LEVEL_WARNING)
                return g_log_writer_default(level, fields, n, data);

        warnings++;
        return G_LOG_WRITER_HANDLED;
}

static const BusOwner owner = {
        .call = on_call, .peer_gone = on_caller_gone, .name_lost = on_caller_gone, .closed = on_closed};

static guint64 add_to(EventLog *event_log, const Kind *kind, const char *path, const char *word,
                      const char *name, const char *text, gboolean synthetic)
{
        g_autoptr(PackedValue) details = NULL;
        Packer packer;

        packer_begin(&packer);
        packer_add_string(&packer, "text", text);
        details = packer_end(&packer);
        return event_log_add(event_log, kind, path, word, name, details, synthetic);
}

static guint64 add_one(EventLog *event_log, const char *word, const char *name, const char *text,
                       gboolean synthetic)
{
        return add_to(event_log, &kind_network, PATH, word, name, text, synthetic);
}

static void add(EventLog *event_log, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                guint64 before = event_log_sequence(event_log);

                g_assert_cmpuint(add_one(event_log, "refresh", "n", "x", FALSE), ==, before + 1);
        }
}

/* What GetEvents replies, or NULL and an error. */
static GVariant *read_page(const EventLog *event_log, const char *epoch, guint64 after, guint32 max,
                           GError **error)
{
        sd_bus_message *message = bus_new_signal(bus, PATH, "org.guestbus.Test1", "Page");
        GUnixFDList *fds = NULL;
        GVariant *result = NULL;
        EventLogPage page;

        if (event_log_find(event_log, epoch, after, max, &page, error)) {
                g_assert_cmpint(event_log_append(message, &page), >=, 0);
                g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
                result = codec_read(message, "a(ostxsa{sv})b", &fds, NULL);
                g_assert_nonnull(result);
                g_variant_ref_sink(result);
                g_assert_cmpuint(g_variant_get_size(result), <=, page.size + 64);
        }

        sd_bus_message_unref(message);
        return result;
}

/* Reads, and checks that the events are those from @first to @last, and whether there are more. */
static void check_read(const EventLog *event_log, guint64 after, guint32 max, guint64 first, guint64 last,
                       gboolean complete)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) result = read_page(event_log, EPOCH, after, max, &error);
        g_autoptr(GVariant) events = NULL;
        gboolean is_complete;

        g_assert_no_error(error);
        g_variant_get(result, "(@a(ostxsa{sv})b)", &events, &is_complete);
        g_assert_true(is_complete == complete);
        g_assert_cmpuint(g_variant_n_children(events), ==, last - first + 1);
        for (guint64 i = first; i <= last; i++) {
                guint64 number;

                g_variant_get_child(events, i - first, "(&o&stx&s@a{sv})", NULL, NULL, &number, NULL, NULL,
                                    NULL);
                g_assert_cmpuint(number, ==, i);
        }
}

static void check_refused(const EventLog *event_log, const char *epoch, guint64 after, int code)
{
        g_autoptr(GError) error = NULL;

        g_assert_null(read_page(event_log, epoch, after, 0, &error));
        g_assert_error(error, GUESTBUS_ERROR, code);
}

static guint64 counter(const EventLog *event_log, const char *name)
{
        g_autoptr(GVariant) counters = NULL;
        GVariantBuilder builder;
        guint64 value = 0;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a{st}"));
        event_log_count(event_log, &builder);
        counters = g_variant_ref_sink(g_variant_builder_end(&builder));
        g_variant_lookup(counters, name, "t", &value);
        return value;
}

static void test_numbers(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 100, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);

        g_assert_cmpuint(event_log_sequence(event_log), ==, 0);
        check_read(event_log, 0, 0, 1, 0, TRUE);
        check_refused(event_log, EPOCH, 1, GUESTBUS_ERROR_INVALID_ARGS);

        add(event_log, 10);
        check_read(event_log, 0, 0, 1, 10, TRUE);
        check_read(event_log, 0, 3, 1, 3, FALSE);
        check_read(event_log, 7, 3, 8, 10, TRUE);
        check_read(event_log, 7, 2, 8, 9, FALSE);
        check_read(event_log, 10, 0, 11, 10, TRUE);
        check_refused(event_log, EPOCH, 11, GUESTBUS_ERROR_INVALID_ARGS);
        check_refused(event_log, EPOCH, G_MAXUINT64, GUESTBUS_ERROR_INVALID_ARGS);
        check_refused(event_log, "two", 10, GUESTBUS_ERROR_GONE);
        check_refused(event_log, "", 0, GUESTBUS_ERROR_GONE);
        event_log_free(event_log);
}

static gint64 clock_now(void)
{
        return 1000000;
}

/* Numbers go on from those of before; of these there is nothing to be had, whatever epoch they are said to
 * be of. */
static void test_it_goes_on(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 8, .events_bytes = 1 << 20};
        g_autofree char *directory = g_dir_make_tmp("guestbus-stream-XXXXXX", NULL);
        g_autofree char *file = g_build_filename(directory, "last-number", NULL);
        EventNumbers *numbers = event_numbers_new(directory, clock_now, 20000);
        const Epoch numbered = {EPOCH, numbers}, second = {"two", numbers};
        EventLog *event_log = event_log_new(bus, &limits, &numbered), *next;

        g_assert_cmpuint(event_log_sequence(event_log), ==, 1000001);
        check_read(event_log, 0, 0, 1000002, 1000001, TRUE);
        check_read(event_log, 1000001, 0, 1000002, 1000001, TRUE);
        check_refused(event_log, EPOCH, 1000002, GUESTBUS_ERROR_INVALID_ARGS);
        check_refused(event_log, EPOCH, 1000000, GUESTBUS_ERROR_GONE);
        check_refused(event_log, EPOCH, 1, GUESTBUS_ERROR_GONE);

        add(event_log, 8);
        check_read(event_log, 0, 0, 1000002, 1000009, TRUE);
        check_read(event_log, 0, 2, 1000002, 1000003, FALSE);
        check_read(event_log, 1000001, 0, 1000002, 1000009, TRUE);
        check_read(event_log, 1000006, 2, 1000007, 1000008, FALSE);
        check_refused(event_log, EPOCH, 1000000, GUESTBUS_ERROR_GONE);
        check_refused(event_log, EPOCH, 1000010, GUESTBUS_ERROR_INVALID_ARGS);
        g_assert_cmpuint(counter(event_log, "events"), ==, 8);
        g_assert_cmpuint(counter(event_log, "events.forgotten"), ==, 0);

        add(event_log, 1);
        check_refused(event_log, EPOCH, 0, GUESTBUS_ERROR_GONE);
        check_refused(event_log, EPOCH, 1000001, GUESTBUS_ERROR_GONE);
        check_read(event_log, 1000002, 0, 1000003, 1000010, TRUE);
        g_assert_cmpuint(counter(event_log, "events"), ==, 9);
        g_assert_cmpuint(counter(event_log, "events.forgotten"), ==, 1);

        /* As that of another view of a caller's. */
        next = event_log_new(bus, &limits, &second);
        g_assert_cmpuint(event_log_sequence(next), ==, 1000011);
        add(next, 1);
        add(event_log, 1);

        event_log_free(next);
        event_log_free(event_log);
        event_numbers_free(numbers);
        g_assert_cmpint(g_unlink(file), ==, 0);
        g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void test_too_late(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 8, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);

        add(event_log, 8);
        check_read(event_log, 0, 0, 1, 8, TRUE);
        g_assert_cmpuint(counter(event_log, "events.forgotten"), ==, 0);
        add(event_log, 1);
        check_refused(event_log, EPOCH, 0, GUESTBUS_ERROR_GONE);
        check_read(event_log, 1, 0, 2, 9, TRUE);
        add(event_log, 1000);
        check_refused(event_log, EPOCH, 1000, GUESTBUS_ERROR_GONE);
        check_read(event_log, 1001, 0, 1002, 1009, TRUE);
        check_read(event_log, 1005, 2, 1006, 1007, FALSE);
        g_assert_cmpuint(counter(event_log, "events.forgotten"), ==, 1001);
        event_log_free(event_log);
}

/* Nothing is kept, and yet everything has its number. */
static void test_none_kept(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);

        add(event_log, 3);
        check_read(event_log, 3, 0, 4, 3, TRUE);
        check_refused(event_log, EPOCH, 2, GUESTBUS_ERROR_GONE);
        event_log_free(event_log);
}

static void test_bytes(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 1000, .events_bytes = 4096};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);
        g_autofree char *long_text = g_strnfill(3000, 'x'), *too_long = g_strnfill(5000, 'x');
        guint64 kept;

        add(event_log, 500);
        kept = 500 - counter(event_log, "events.forgotten");
        g_assert_cmpuint(kept, >, 4096 / 200);
        g_assert_cmpuint(kept, <, 4096 / 40);
        check_read(event_log, 500 - kept, 0, 501 - kept, 500, TRUE);

        /* One that is long takes the place of many, one that is too long of all. */
        add_one(event_log, "refresh", "n", long_text, FALSE);
        g_assert_cmpuint(501 - counter(event_log, "events.forgotten"), <, kept / 2);
        check_read(event_log, 500, 0, 501, 501, TRUE);
        add_one(event_log, "refresh", "n", too_long, FALSE);
        g_assert_cmpuint(counter(event_log, "events.forgotten"), ==, 502);
        check_read(event_log, 502, 0, 503, 502, TRUE);
        check_refused(event_log, EPOCH, 501, GUESTBUS_ERROR_GONE);
        add(event_log, 1);
        check_read(event_log, 502, 0, 503, 503, TRUE);
        event_log_free(event_log);
}

/* A reply takes as much as it may; one event that alone is more than that is an error, not an endless loop.
 */
static void test_a_reply_has_a_limit(void)
{
        const Limits limits = {.reply_bytes = 2048, .events_kept = 1000, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);
        g_autofree char *long_text = g_strnfill(1950, 'x');
        guint64 after = 0;
        unsigned parts = 0;

        add(event_log, 100);
        while (after < 100) {
                g_autoptr(GVariant) result = read_page(event_log, EPOCH, after, 0, NULL);
                g_autoptr(GVariant) events = g_variant_get_child_value(result, 0);

                g_assert_cmpuint(g_variant_get_size(result), <=, limits.reply_bytes);
                g_assert_cmpuint(g_variant_n_children(events), >, 0);
                after += g_variant_n_children(events);
                parts++;
        }
        g_assert_cmpuint(after, ==, 100);
        g_assert_cmpuint(parts, >, 3);

        add_one(event_log, "refresh", "n", long_text, FALSE);
        check_refused(event_log, EPOCH, 100, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        check_read(event_log, 99, 1, 100, 100, FALSE);
        event_log_free(event_log);
}

static void test_what_is_kept(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 10, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);
        g_autoptr(GVariant) result = NULL, events = NULL;
        gint64 before = g_get_real_time(), at;
        const char *path, *word, *name;

        add_to(event_log, &kind_connect, "/org/libvirt/Test", "opened", "", "x", FALSE);
        result = read_page(event_log, EPOCH, 0, 0, NULL);
        events = g_variant_get_child_value(result, 0);
        g_variant_get_child(events, 0, "(&o&stx&s@a{sv})", &path, &word, NULL, &at, &name, NULL);
        g_assert_cmpstr(path, ==, "/org/libvirt/Test");
        g_assert_cmpstr(word, ==, "opened");
        g_assert_cmpstr(name, ==, "");
        g_assert_cmpint(at, >=, before);
        g_assert_cmpint(at, <=, g_get_real_time());
        event_log_free(event_log);
}

static void test_counters(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 1, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);

        add(event_log, 3);
        add_one(event_log, "lifecycle", "n", "x", TRUE);
        add_one(event_log, "lifecycle", "n", "x", FALSE);

        g_assert_cmpuint(counter(event_log, "events"), ==, 5);
        g_assert_cmpuint(counter(event_log, "events.refresh"), ==, 3);
        g_assert_cmpuint(counter(event_log, "events.lifecycle"), ==, 2);
        g_assert_cmpuint(counter(event_log, "events.synthetic"), ==, 1);
        g_assert_cmpuint(counter(event_log, "events.forgotten"), ==, 4);
        g_assert_cmpuint(counter(event_log, "events.dropped"), ==, 0);
        event_log_free(event_log);
        event_log_free(NULL);
}

/* What cannot be a signal has its number all the same, and is kept for who finds that missing. */
static void test_not_sent(void)
{
        const Limits limits = {.reply_bytes = 200, .events_kept = 10, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);
        g_autofree char *text = g_strnfill(limits.reply_bytes, 'x');

        add(event_log, 1);
        add_one(event_log, "refresh", "n", text, FALSE);
        add_one(event_log, "refresh", "\xff", "x", FALSE);
        add(event_log, 1);

        g_assert_cmpuint(warnings, ==, 2);
        g_assert_cmpuint(counter(event_log, "events"), ==, 4);
        g_assert_cmpuint(counter(event_log, "events.dropped"), ==, 2);
        g_assert_cmpuint(counter(event_log, "events.forgotten"), ==, 0);
        event_log_free(event_log);
}

/* Another start goes on where this one ended: with the numbers, what is kept, and the counters. */
static void test_handed_over(void)
{
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 3, .events_bytes = 1 << 20};
        EventLog *event_log = event_log_new(bus, &limits, &plain_epoch), *next;
        g_autoptr(GVariant) saved = NULL, before = NULL, after = NULL;

        add(event_log, 4);
        add_one(event_log, "lifecycle", "n", "x", TRUE);
        saved = g_variant_ref_sink(event_log_save(event_log));
        g_assert_true(g_variant_is_of_type(saved, G_VARIANT_TYPE(EVENT_LOG_SAVED)));
        before = read_page(event_log, EPOCH, 2, 0, NULL);
        event_log_free(event_log);

        next = event_log_new(bus, &limits, &plain_epoch);
        g_assert_true(event_log_restore(next, saved));
        after = read_page(next, EPOCH, 2, 0, NULL);
        g_assert_true(g_variant_equal(before, after));
        g_assert_cmpuint(event_log_sequence(next), ==, 5);
        check_refused(next, EPOCH, 1, GUESTBUS_ERROR_GONE);
        g_assert_cmpuint(counter(next, "events"), ==, 5);
        g_assert_cmpuint(counter(next, "events.refresh"), ==, 4);
        g_assert_cmpuint(counter(next, "events.synthetic"), ==, 1);
        g_assert_cmpuint(counter(next, "events.forgotten"), ==, 2);
        add(next, 1);
        check_read(next, 3, 0, 4, 6, TRUE);
        g_assert_cmpuint(counter(next, "events.refresh"), ==, 5);
        event_log_free(next);
}

/* Nothing of what does not fit together is taken over. */
static void test_handed_over_damaged(void)
{
        static const char *const saved[] = {
                /* More than there were, a hole, and numbers of no order. */
                "(5, 4, {}, [])",
                "(5, 5, {}, [('/a', 'w', 5, 1, '', {})])",
                "(1, 4, {}, [('/a', 'w', 2, 1, '', {}), ('/a', 'w', 4, 1, '', {})])",
                "(1, 4, {}, [('/a', 'w', 4, 1, '', {}), ('/a', 'w', 3, 1, '', {})])",
                "(1, 4, {}, [('/a', 'w', 2, 1, '', {}), ('/a', 'w', 3, 1, '', {})])",
        };
        const Limits limits = {.reply_bytes = 1 << 20, .events_kept = 3, .events_bytes = 1 << 20};

        for (gsize i = 0; i < G_N_ELEMENTS(saved); i++) {
                EventLog *event_log = event_log_new(bus, &limits, &plain_epoch);
                g_autoptr(GVariant) value =
                        g_variant_parse(G_VARIANT_TYPE(EVENT_LOG_SAVED), saved[i], NULL, NULL, NULL);

                g_assert_nonnull(value);
                g_assert_false(event_log_restore(event_log, value));
                g_assert_cmpuint(event_log_sequence(event_log), ==, 0);
                add(event_log, 1);
                check_read(event_log, 0, 0, 1, 1, TRUE);
                event_log_free(event_log);
        }
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        g_log_set_writer_func(count_warnings, NULL, NULL);
        main_queue_init();
        bus_daemon = g_test_dbus_new(G_TEST_DBUS_NONE);
        g_test_dbus_up(bus_daemon);
        bus = bus_new(BUS_SESSION, g_test_dbus_get_bus_address(bus_daemon), &bus_limits, &owner, NULL, NULL);
        g_assert_nonnull(bus);

        g_test_add_func("/stream/numbers", test_numbers);
        g_test_add_func("/stream/it-goes-on", test_it_goes_on);
        g_test_add_func("/stream/too-late", test_too_late);
        g_test_add_func("/stream/none-kept", test_none_kept);
        g_test_add_func("/stream/bytes", test_bytes);
        g_test_add_func("/stream/a-reply-has-a-limit", test_a_reply_has_a_limit);
        g_test_add_func("/stream/what-is-kept", test_what_is_kept);
        g_test_add_func("/stream/counters", test_counters);
        g_test_add_func("/stream/not-sent", test_not_sent);
        g_test_add_func("/stream/handed-over", test_handed_over);
        g_test_add_func("/stream/handed-over-damaged", test_handed_over_damaged);
        r = g_test_run();

        bus_free(bus, 1000);
        g_test_dbus_down(bus_daemon);
        g_object_unref(bus_daemon);
        return r;
}
