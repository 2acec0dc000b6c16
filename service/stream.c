/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One event, one number, whoever listens. The last ones are kept as they were sent, so a listener that was
 * away gets the very same; how many is limited by number and by bytes, and who comes too late is told so. */

#include "stream.h"

#include "codec.h"
#include "error.h"

#include <errno.h>
#include <string.h>

/* What GetEvents returns for one. */
#define RECORD_TYPE "(ostxsa{sv})"

/* One that is kept. */
typedef struct Record {
        guint64 sequence;
        gint64 timestamp;
        const char *word;
        GVariant *details;
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

static size_t record_size(const Record *record)
{
        return sizeof *record + g_variant_get_size(record->details) + strlen(record->path) +
               strlen(record->name);
}

static void forget_oldest(Stream *stream)
{
        Record *record = g_queue_pop_head(&stream->kept);

        stream->bytes -= record_size(record);
        g_variant_unref(record->details);
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
        size_t path_size = strlen(path) + 1, name_size = strlen(name) + 1;
        Record *record = g_malloc(sizeof *record + path_size + name_size);

        record->timestamp = g_get_real_time();
        record->word = word;
        record->details = g_variant_ref_sink(details);
        memcpy(record->path, path, path_size);
        record->name = memcpy(record->path + path_size, name, name_size);
        return record;
}

static void send(Stream *stream, const Kind *kind, const Record *record)
{
        sd_bus_message *message = bus_new_signal(stream->bus, record->path, kind->native->name, "Event");
        int r = g_variant_get_size(record->details) <= stream->limits->reply_bytes ? 0 : -EMSGSIZE;

        if (message && r >= 0)
                r = sd_bus_message_append(message, "stxs", record->word, record->sequence, record->timestamp,
                                          record->name);
        if (message && r >= 0)
                r = codec_append(message, record->details, NULL);
        if (bus_send(stream->bus, message, record_size(record), r) < 0)
                stream->dropped++;
}

static void keep(Stream *stream, Record *record)
{
        /* Its bytes are smaller by far than the tree of values that it was made of. */
        g_variant_get_data(record->details);
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

GVariant *stream_read(const Stream *stream, const char *epoch, guint64 after, guint32 max, GError **error)
{
        /* The wire needs more than GVariant, by what aligning each value costs: never more than twice. */
        size_t room = stream->limits->reply_bytes / 2;
        GVariantBuilder events;
        const GList *each;
        guint32 n = 0;

        if (!check_place(stream, epoch, after, error))
                return NULL;

        g_variant_builder_init(&events, G_VARIANT_TYPE("a" RECORD_TYPE));
        each = g_queue_peek_nth_link((GQueue *)&stream->kept,
                                     (guint)(MAX(after, stream->before) -
                                             (stream->sequence - stream->kept.length)));
        for (; each && (max == 0 || n < max); each = each->next, n++) {
                const Record *record = each->data;
                size_t size = record_size(record);

                if (size > room && n > 0)
                        break;

                if (size > room) {
                        g_variant_builder_clear(&events);
                        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                                    "event %" G_GUINT64_FORMAT " is too large for a reply", record->sequence);
                        return NULL;
                }

                room -= size;
                g_variant_builder_add(&events, "(ostxs@a{sv})", record->path, record->word, record->sequence,
                                      record->timestamp, record->name, record->details);
        }

        return g_variant_new("(a" RECORD_TYPE "b)", &events, each == NULL);
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
