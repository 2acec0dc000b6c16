/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One event, one number, whoever listens. The last ones are kept as they were sent, so a listener that was
 * away gets the very same; how many is limited by number and by bytes, and who comes too late is told so. */

#include "stream.h"

#include "error.h"
#include "packed.h"

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
        Packed *details;  /* NULL where no message can have them */
        const char *name; /* after the path */
        char path[];
} Record;

struct Stream {
        Bus *bus;
        const Limits *limits;
        const char *epoch;
        Numbers *numbers;
        guint64 before; /* the number before its first */
        guint64 sequence;
        GQueue kept; /* of Record, the oldest first, without gaps: the last has the number above */
        size_t bytes;
        guint64 synthetic;
        guint64 forgotten; /* no longer kept */
        guint64 dropped;   /* kept, but not sent as a signal */
        GHashTable *kinds; /* the word to how many (guint64 *) */
};

Stream *stream_new(Bus *bus, const Limits *limits, const char *epoch)
{
        Stream *stream = g_new0(Stream, 1);

        stream->bus = bus;
        stream->limits = limits;
        stream->epoch = epoch;
        stream->kinds = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        return stream;
}

void stream_number_from(Stream *stream, Numbers *numbers)
{
        stream->numbers = numbers;
        stream->before = stream->sequence = numbers_begin(numbers);
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

static void forget_oldest(Stream *stream)
{
        Record *record = g_queue_pop_head(&stream->kept);

        stream->bytes -= record_size(record);
        g_free(record->details);
        g_free(record);
}

void stream_free(Stream *stream)
{
        if (!stream)
                return;

        while (stream->kept.length > 0)
                forget_oldest(stream);
        g_hash_table_unref(stream->kinds);
        g_free(stream);
}

static Record *record_new(const char *path, const char *word, const char *name, GVariant *details)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(details);
        size_t path_size = strlen(path) + 1, name_size = strlen(name) + 1;
        Record *record = g_malloc(sizeof *record + path_size + name_size);

        record->timestamp = g_get_real_time();
        record->word = word;
        record->details = packed_new(owned);
        memcpy(record->path, path, path_size);
        record->name = memcpy(record->path + path_size, name, name_size);
        return record;
}

static int append_fields(sd_bus_message *message, const Record *record)
{
        int r = sd_bus_message_append(message, "stxs", record->word, record->sequence, record->timestamp,
                                      record->name);

        return r < 0 ? r : packed_append(message, record->details);
}

static void send(Stream *stream, const Kind *kind, const Record *record)
{
        sd_bus_message *message = bus_new_signal(stream->bus, record->path, kind->native->name, "Event");
        int r = -EMSGSIZE;

        if (message && record->details && record->details->wire <= stream->limits->reply_bytes)
                r = append_fields(message, record);
        if (bus_send(stream->bus, message, record_wire(record), r) < 0)
                stream->dropped++;
}

static void keep(Stream *stream, Record *record)
{
        stream->bytes += record_size(record);
        g_queue_push_tail(&stream->kept, record);
        while (stream->kept.length > stream->limits->events_kept ||
               (stream->bytes > stream->limits->events_bytes && stream->kept.length > 0)) {
                forget_oldest(stream);
                stream->forgotten++;
        }
}

static void count(Stream *stream, const char *word, gboolean synthetic)
{
        guint64 *n = g_hash_table_lookup(stream->kinds, word);

        if (!n) {
                n = g_new0(guint64, 1);
                g_hash_table_insert(stream->kinds, (void *)word, n);
        }

        (*n)++;
        if (synthetic)
                stream->synthetic++;
}

guint64 stream_add(Stream *stream, const Kind *kind, const char *path, const char *word, const char *name,
                   GVariant *details, gboolean synthetic)
{
        Record *record = record_new(path, word, name, details);

        record->sequence = ++stream->sequence;
        numbers_use(stream->numbers, stream->sequence);
        count(stream, word, synthetic);
        send(stream, kind, record);
        keep(stream, record);
        return stream->sequence;
}

guint64 stream_sequence(const Stream *stream)
{
        return stream->sequence;
}

static gboolean check_place(const Stream *stream, const char *epoch, guint64 after, GError **error)
{
        guint64 forgotten = stream->sequence - stream->kept.length;

        if (strcmp(epoch, stream->epoch) != 0) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_GONE,
                            "the events of epoch \"%s\" are gone; the service was started again, and its "
                            "epoch is now \"%s\"",
                            epoch, stream->epoch);
                return FALSE;
        }

        if (after > stream->sequence) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                            "there is no event %" G_GUINT64_FORMAT " yet; the last one is %" G_GUINT64_FORMAT,
                            after, stream->sequence);
                return FALSE;
        }

        if (after > 0 && after < stream->before) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_GONE,
                            "event %" G_GUINT64_FORMAT
                            " is not of epoch \"%s\", which begins after %" G_GUINT64_FORMAT
                            "; GetManagedObjects tells what is",
                            after, stream->epoch, stream->before);
                return FALSE;
        }

        if (MAX(after, stream->before) < forgotten) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_GONE,
                            "events up to %" G_GUINT64_FORMAT " are gone, and those after %" G_GUINT64_FORMAT
                            " were asked for; GetManagedObjects tells what is",
                            forgotten, after);
                return FALSE;
        }

        return TRUE;
}

gboolean stream_find(const Stream *stream, const char *epoch, guint64 after, guint32 max, StreamPage *page,
                     GError **error)
{
        size_t room = MIN(PAGE_BYTES, stream->limits->reply_bytes), size = 0;
        guint32 most = max == 0 ? PAGE_EVENTS : MIN(max, PAGE_EVENTS), n = 0;
        const GList *first, *each;

        if (!check_place(stream, epoch, after, error))
                return FALSE;

        first = g_queue_peek_nth_link((GQueue *)&stream->kept,
                                      (guint)(MAX(after, stream->before) -
                                              (stream->sequence - stream->kept.length)));
        for (each = first; each && n < most; each = each->next, n++) {
                size_t wire = record_wire(each->data);

                /* One that is too long for a page is a page. */
                if (size + wire > room && n > 0)
                        break;

                size += wire;
        }

        if (size > stream->limits->reply_bytes) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "event %" G_GUINT64_FORMAT " is too large for a reply",
                            ((const Record *)first->data)->sequence);
                return FALSE;
        }

        *page = (StreamPage){.first = first, .n = n, .size = size, .complete = each == NULL};
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

int stream_append(sd_bus_message *message, const StreamPage *page)
{
        const GList *each = page->first;
        int r = sd_bus_message_open_container(message, 'a', "(" RECORD_FIELDS ")");

        for (guint32 i = 0; i < page->n && r >= 0; i++, each = each->next)
                r = append_record(message, each->data);
        if (r >= 0)
                r = sd_bus_message_close_container(message);

        return r < 0 ? r : sd_bus_message_append(message, "b", (int)page->complete);
}

void stream_count(const Stream *stream, GVariantBuilder *counters)
{
        GHashTableIter iter;
        gpointer word, n;

        g_variant_builder_add(counters, "{st}", "events", stream->sequence - stream->before);
        g_variant_builder_add(counters, "{st}", "events.synthetic", stream->synthetic);
        g_variant_builder_add(counters, "{st}", "events.forgotten", stream->forgotten);
        g_variant_builder_add(counters, "{st}", "events.dropped", stream->dropped);
        g_hash_table_iter_init(&iter, stream->kinds);
        while (g_hash_table_iter_next(&iter, &word, &n)) {
                g_autofree char *key = g_strconcat("events.", word, NULL);

                g_variant_builder_add(counters, "{st}", key, *(guint64 *)n);
        }
}
