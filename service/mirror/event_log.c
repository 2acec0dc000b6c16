/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One event, one number, for all listeners. The last ones are kept as they were sent, so a listener that was
 * away gets the very same; how many is limited by number and by bytes, and a listener that comes too late is
 * told so. */

#include "mirror/event_log.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/thread.h"
#include "bus/codec.h"
#include "bus/packed_value.h"
#include "bus/path.h"
#include "members.h"

#include <errno.h>
#include <string.h>

/* What GetEvents returns for one. */
#define RECORD_FIELDS "ostxsa{sv}"

/* What the fields but the strings and the details take in a message, at most. */
#define FIELDS_BYTES 64

/* The most that one reply holds: it takes some 0.5 ms, half of what a caller gets in one turn (turns.c), and
 * is read by every library. What is left is asked for with the next call. */
#define PAGE_EVENTS 256

/* The same where the events are long. To append a megabyte takes a millisecond. */
#define PAGE_BYTES (512U << 10)

/* One that is kept. */
typedef struct Record {
        guint64 sequence;
        gint64 timestamp;
        const char *word;
        PackedValue *details; /* NULL where no message can have them */
        const char *name;     /* after the path */
        char path[];
} Record;

struct EventLog {
        Bus *bus;
        const Limits *limits;
        const Epoch *epoch;
        guint64 before; /* the number before its first */
        guint64 sequence;
        GQueue kept; /* of Record, the oldest first, without gaps: the last has the number above */
        size_t bytes;
        guint64 synthetic;
        guint64 forgotten; /* no longer kept */
        guint64 dropped;   /* kept, but not sent as a signal */
        GHashTable *kinds; /* the word to how many (guint64 *) */
};

EventLog *event_log_new(Bus *bus, const Limits *limits, const Epoch *epoch)
{
        EventLog *event_log = g_new0(EventLog, 1);

        ASSERT_MAIN();
        event_log->bus = bus;
        event_log->limits = limits;
        event_log->epoch = epoch;
        event_log->before = event_log->sequence = event_numbers_begin(epoch->numbers);
        event_log->kinds = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        return event_log;
}

static size_t strings_size(const Record *record)
{
        return strlen(record->path) + 1 + strlen(record->name) + 1;
}

/* In memory. */
static size_t record_size(const Record *record)
{
        return sizeof *record + strings_size(record) + (record->details ? record->details->size : 0);
}

/* In a message, at most. */
static size_t record_wire(const Record *record)
{
        return FIELDS_BYTES + strlen(record->word) + strings_size(record) +
               (record->details ? record->details->wire : 0);
}

static void forget_oldest(EventLog *event_log)
{
        Record *record = g_queue_pop_head(&event_log->kept);

        event_log->bytes -= record_size(record);
        packed_value_unref(record->details);
        g_free(record);
}

void event_log_free(EventLog *event_log)
{
        ASSERT_MAIN();
        if (!event_log)
                return;

        while (event_log->kept.length > 0)
                forget_oldest(event_log);
        g_hash_table_unref(event_log->kinds);
        g_free(event_log);
}

static Record *record_new(const char *path, const char *word, const char *name, PackedValue *details)
{
        size_t path_size = strlen(path) + 1, name_size = strlen(name) + 1;
        Record *record = g_malloc(sizeof *record + path_size + name_size);

        record->timestamp = g_get_real_time();
        record->word = word;
        record->details = packed_value_ref(details);
        memcpy(record->path, path, path_size);
        record->name = memcpy(record->path + path_size, name, name_size);
        return record;
}

static int append_fields(sd_bus_message *message, const Record *record)
{
        int r = sd_bus_message_append_basic(message, 's', record->word);

        if (r >= 0)
                r = sd_bus_message_append_basic(message, 't', &record->sequence);
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 'x', &record->timestamp);
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', record->name);

        return r < 0 ? r : packed_value_append(message, record->details);
}

static void send(EventLog *event_log, const Kind *kind, const Record *record)
{
        sd_bus_message *message = bus_new_signal(event_log->bus, record->path, kind->native->name, "Event");
        int r = -EMSGSIZE;

        if (message && record->details && record->details->wire <= event_log->limits->reply_bytes)
                r = append_fields(message, record);
        if (bus_send(event_log->bus, message, record_wire(record), r) < 0)
                event_log->dropped++;
}

static void keep(EventLog *event_log, Record *record)
{
        event_log->bytes += record_size(record);
        g_queue_push_tail(&event_log->kept, record);
        while (event_log->kept.length > event_log->limits->events_kept ||
               (event_log->bytes > event_log->limits->events_bytes && event_log->kept.length > 0)) {
                forget_oldest(event_log);
                event_log->forgotten++;
        }
}

static void count(EventLog *event_log, const char *word, gboolean synthetic)
{
        guint64 *n = g_hash_table_lookup(event_log->kinds, word);

        if (!n) {
                n = g_new0(guint64, 1);
                g_hash_table_insert(event_log->kinds, (void *)word, n);
        }

        (*n)++;
        if (synthetic)
                event_log->synthetic++;
}

guint64 event_log_add(EventLog *event_log, const Kind *kind, const char *path, const char *word,
                      const char *name, PackedValue *details, gboolean synthetic)
{
        Record *record = record_new(path, word, name, details);

        ASSERT_MAIN();
        record->sequence = ++event_log->sequence;
        event_numbers_use(event_log->epoch->numbers, event_log->sequence);
        count(event_log, word, synthetic);
        send(event_log, kind, record);
        keep(event_log, record);
        return event_log->sequence;
}

guint64 event_log_sequence(const EventLog *event_log)
{
        ASSERT_MAIN();
        return event_log->sequence;
}

static gboolean check_place(const EventLog *event_log, const char *epoch, guint64 after, GError **error)
{
        guint64 forgotten = event_log->sequence - event_log->kept.length;

        if (strcmp(epoch, event_log->epoch->name) != 0) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_GONE,
                            "the events of epoch \"%s\" are gone; the service was started again, and its "
                            "epoch is now \"%s\"",
                            epoch, event_log->epoch->name);
                return FALSE;
        }

        if (after > event_log->sequence) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                            "there is no event %" G_GUINT64_FORMAT " yet; the last one is %" G_GUINT64_FORMAT,
                            after, event_log->sequence);
                return FALSE;
        }

        if (after > 0 && after < event_log->before) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_GONE,
                            "event %" G_GUINT64_FORMAT
                            " is not of epoch \"%s\", which begins after %" G_GUINT64_FORMAT
                            "; GetManagedObjects tells what is",
                            after, event_log->epoch->name, event_log->before);
                return FALSE;
        }

        if (MAX(after, event_log->before) < forgotten) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_GONE,
                            "events up to %" G_GUINT64_FORMAT " are gone, and those after %" G_GUINT64_FORMAT
                            " were asked for; GetManagedObjects tells what is",
                            forgotten, after);
                return FALSE;
        }

        return TRUE;
}

gboolean event_log_find(const EventLog *event_log, const char *epoch, guint64 after, guint32 max,
                        EventLogPage *page, GError **error)
{
        size_t room = MIN(PAGE_BYTES, event_log->limits->reply_bytes), size = 0;
        guint32 most = max == 0 ? PAGE_EVENTS : MIN(max, PAGE_EVENTS), n = 0;
        const GList *first, *each;

        ASSERT_MAIN();
        if (!check_place(event_log, epoch, after, error))
                return FALSE;

        first = g_queue_peek_nth_link((GQueue *)&event_log->kept,
                                      (guint)(MAX(after, event_log->before) -
                                              (event_log->sequence - event_log->kept.length)));
        for (each = first; each && n < most; each = each->next, n++) {
                size_t wire = record_wire(each->data);

                /* One that is too long for a page is a page. */
                if (size + wire > room && n > 0)
                        break;

                size += wire;
        }

        if (size > event_log->limits->reply_bytes) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "event %" G_GUINT64_FORMAT " is too large for a reply",
                            ((const Record *)first->data)->sequence);
                return FALSE;
        }

        *page = (EventLogPage){.first = first, .n = n, .size = size, .complete = each == NULL};
        return TRUE;
}

/* What no message can have, and no signal had either, is told without its details: the events after it are
 * not to be lost with them. */
static int append_record(sd_bus_message *message, const Record *record)
{
        static const char *const none = "stxsa{sv}";
        int r = sd_bus_message_open_container(message, 'r', RECORD_FIELDS);

        if (r >= 0)
                r = sd_bus_message_append_basic(message, 'o', record->path);
        if (r >= 0)
                r = record->details ? append_fields(message, record)
                                    : sd_bus_message_append(message, none, record->word, record->sequence,
                                                            record->timestamp, record->name, 0);

        return r < 0 ? r : sd_bus_message_close_container(message);
}

int event_log_append(sd_bus_message *message, const EventLogPage *page)
{
        const GList *each = page->first;
        int r = sd_bus_message_open_container(message, 'a', "(" RECORD_FIELDS ")");

        ASSERT_MAIN();
        for (guint32 i = 0; i < page->n && r >= 0; i++, each = each->next)
                r = append_record(message, each->data);
        if (r >= 0)
                r = sd_bus_message_close_container(message);

        return r < 0 ? r : sd_bus_message_append(message, "b", (int)page->complete);
}

void event_log_count(const EventLog *event_log, GVariantBuilder *counters)
{
        GHashTableIter iter;
        gpointer word, n;

        ASSERT_MAIN();
        g_variant_builder_add(counters, "{st}", "events", event_log->sequence - event_log->before);
        g_variant_builder_add(counters, "{st}", "events.synthetic", event_log->synthetic);
        g_variant_builder_add(counters, "{st}", "events.forgotten", event_log->forgotten);
        g_variant_builder_add(counters, "{st}", "events.dropped", event_log->dropped);
        g_hash_table_iter_init(&iter, event_log->kinds);
        while (g_hash_table_iter_next(&iter, &word, &n)) {
                g_autofree char *key = g_strconcat("events.", word, NULL);

                g_variant_builder_add(counters, "{st}", key, *(guint64 *)n);
        }
}

/* The records as GetEvents would return them, in one page. */
static GVariant *save_records(const EventLog *event_log)
{
        const EventLogPage all = {.first = event_log->kept.head,
                                  .n = event_log->kept.length,
                                  .complete = TRUE};
        sd_bus_message *message =
                bus_new_signal(event_log->bus, PATH_ROOT, interface_connection1.name, "Event");
        GUnixFDList *none = NULL; /* no event has descriptors */
        GVariant *body = NULL;

        if (message && event_log_append(message, &all) >= 0 && sd_bus_message_seal(message, 1, 0) >= 0 &&
            sd_bus_message_rewind(message, TRUE) >= 0)
                body = codec_read_few(message, "a(" RECORD_FIELDS ")b", G_MAXUINT, &none, NULL);

        sd_bus_message_unref(message);
        return body;
}

GVariant *event_log_save(const EventLog *event_log)
{
        g_autoptr(GVariant) body = NULL, records = NULL;
        GVariantBuilder counters;

        ASSERT_MAIN();
        body = save_records(event_log);
        if (!body)
                return NULL;

        g_variant_ref_sink(body);
        records = g_variant_get_child_value(body, 0);
        g_variant_builder_init(&counters, G_VARIANT_TYPE("a{st}"));
        event_log_count(event_log, &counters);
        return g_variant_new("(tta{st}@a(" RECORD_FIELDS "))", event_log->before, event_log->sequence,
                             &counters, records);
}

/* Whether the numbers are those of the last events in a row. */
static gboolean fits_together(guint64 before, guint64 sequence, GVariant *records)
{
        gsize n = g_variant_n_children(records);

        if (before > sequence || n > sequence - before)
                return FALSE;

        for (gsize i = 0; i < n; i++) {
                guint64 number;

                g_variant_get_child(records, i, "(ostxsa{sv})", NULL, NULL, &number, NULL, NULL, NULL);
                if (number != sequence - n + 1 + i)
                        return FALSE;
        }

        return TRUE;
}

static void restore_records(EventLog *event_log, GVariant *records)
{
        const char *path, *word, *name;
        GVariantIter iter;
        GVariant *details;
        guint64 number;
        gint64 timestamp;

        g_variant_iter_init(&iter, records);
        while (g_variant_iter_loop(&iter, "(&o&stx&s@a{sv})", &path, &word, &number, &timestamp, &name,
                                   &details)) {
                g_autoptr(PackedValue) packed = packed_value_new(details);
                Record *record = record_new(path, g_intern_string(word), name, packed);

                record->sequence = number;
                record->timestamp = timestamp;
                keep(event_log, record);
        }
}

static void restore_counters(EventLog *event_log, GVariant *counters)
{
        const char *name;
        GVariantIter iter;
        guint64 value;

        g_variant_iter_init(&iter, counters);
        while (g_variant_iter_loop(&iter, "{&st}", &name, &value)) {
                if (g_str_equal(name, "events.synthetic")) {
                        event_log->synthetic = value;
                } else if (g_str_equal(name, "events.forgotten")) {
                        event_log->forgotten = value;
                } else if (g_str_equal(name, "events.dropped")) {
                        event_log->dropped = value;
                } else if (g_str_has_prefix(name, "events.")) {
                        guint64 *n = g_new(guint64, 1);

                        *n = value;
                        g_hash_table_replace(event_log->kinds, (void *)g_intern_string(strchr(name, '.') + 1),
                                             n);
                }
        }
}

gboolean event_log_restore(EventLog *event_log, GVariant *saved)
{
        g_autoptr(GVariant) counters = NULL, records = NULL;
        guint64 before, sequence;

        ASSERT_MAIN();
        ASSERT(event_log->sequence == event_log->before);
        g_variant_get(saved, "(tt@a{st}@a(" RECORD_FIELDS "))", &before, &sequence, &counters, &records);
        if (!fits_together(before, sequence, records))
                return FALSE;

        event_log->before = before;
        event_log->sequence = sequence;
        event_numbers_use(event_log->epoch->numbers, sequence);
        restore_counters(event_log, counters);
        restore_records(event_log, records);
        return TRUE;
}
