/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The complete listener. Its life is a circle:
 *
 *     subscribe ─► ask for the picture ─► follow the numbers
 *                       ▲                        │
 *                       └────────────────────────┘
 *            a new owner, another epoch, events that are gone
 *
 * The numbers in comments are those of the rules in docs/events.md. What comes while the picture is asked for
 * is in the picture, and what comes while a page of events is asked for is in the page. Should it not be, its
 * number shows that, and it is asked for. */

#include "listener/listener.h"

#include "listener/autoptr.h"
#include "listener/bus_source.h"
#include "listener/names.h"
#include "listener/value.h"

#include <errno.h>

/* After a failure the service is asked again so much later. The name's next owner is asked at once. */
#define AGAIN_MS 1000

#define PAGE_US  (25 * G_TIME_SPAN_SECOND)

/* Of the service alone. Who else sends to us directly is found out by the sender. */
#define MATCH_EVENT "type='signal',sender='" SERVICE "',path_namespace='" ROOT "',member='Event'"
#define MATCH_OWNER                                                                                          \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                          \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" SERVICE "'"

/* The stream of one connection. */
typedef struct Channel {
        Listener *listener;
        char *path;
        Stream stream;
        gboolean unsure;    /* the picture may lack some of its objects until its event `resynced` */
        sd_bus_slot *asked; /* GetEvents */
} Channel;

struct Listener {
        sd_bus *bus;
        GSource *source;
        const ListenerOwner *owner;
        void *data;
        GHashTable *channels; /* path to Channel; empty while the picture is asked for */
        GHashTable *known;    /* path to StreamMark: where channels were, or are to begin */
        StreamMark *rest;     /* the same for all others, or NULL */
        GHashTable *heard;    /* path to the greatest number that came while the picture was asked for */
        Inventory *inventory;
        char *service; /* the unique name that the picture is from; NULL while it is asked for */
        sd_bus_slot *event_match, *owner_match;
        sd_bus_slot *asked; /* GetManagedObjects */
        guint again;        /* a timer */
        gboolean called;    /* the bus was asked once to start the service */
};

static void begin(Listener *listener);
static void ask_for_events(Channel *channel);

static StreamMark *mark_new(const char *epoch, guint64 number)
{
        StreamMark *mark = g_new0(StreamMark, 1);

        mark->epoch = g_strdup(epoch);
        mark->number = number;
        return mark;
}

static void mark_free(void *data)
{
        StreamMark *mark = data;

        if (!mark)
                return;

        g_free(mark->epoch);
        g_free(mark);
}

static void channel_free(void *data)
{
        Channel *channel = data;

        sd_bus_slot_unref(channel->asked);
        stream_clear(&channel->stream);
        g_free(channel->path);
        g_free(channel);
}

Listener *listener_new(sd_bus *bus, const ListenerOwner *owner, void *data)
{
        Listener *listener = g_new0(Listener, 1);

        listener->bus = sd_bus_ref(bus);
        listener->owner = owner;
        listener->data = data;
        listener->channels = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, channel_free);
        listener->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, mark_free);
        listener->heard = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        return listener;
}

void listener_free(Listener *listener)
{
        if (!listener)
                return;

        g_clear_handle_id(&listener->again, g_source_remove);
        sd_bus_slot_unref(listener->asked);
        sd_bus_slot_unref(listener->event_match);
        sd_bus_slot_unref(listener->owner_match);
        g_hash_table_unref(listener->channels);
        g_hash_table_unref(listener->known);
        g_hash_table_unref(listener->heard);
        mark_free(listener->rest);
        inventory_free(listener->inventory);
        bus_source_free(listener->source);
        sd_bus_unref(listener->bus);
        g_free(listener->service);
        g_free(listener);
}

void listener_mark(Listener *listener, const char *connection, const char *epoch, guint64 number)
{
        if (connection) {
                g_hash_table_replace(listener->known, g_strdup(connection), mark_new(epoch, number));
                return;
        }

        mark_free(listener->rest);
        listener->rest = mark_new(epoch, number);
}

const Inventory *listener_inventory(const Listener *listener)
{
        return listener->inventory;
}

/* Notes where each channel is, for the next picture. */
static void remember(const Listener *listener)
{
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, listener->channels);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const Channel *channel = value;
                const StreamMark *mark = &channel->stream.mark;

                g_hash_table_replace(listener->known, g_strdup(channel->path),
                                     mark_new(mark->epoch, mark->number));
        }
}

void listener_marks(const Listener *listener, ListenerMarkFunc each, void *data)
{
        GHashTableIter iter;
        gpointer path, mark;

        remember(listener);
        g_hash_table_iter_init(&iter, listener->known);
        while (g_hash_table_iter_next(&iter, &path, &mark))
                each(path, mark, data);
}

static gboolean on_again(void *data)
{
        Listener *listener = data;

        listener->again = 0;
        begin(listener);
        return G_SOURCE_REMOVE;
}

/* Begins again, but not in a circle as fast as the bus is. */
static void begin_later(Listener *listener)
{
        if (!listener->again)
                listener->again = g_timeout_add(AGAIN_MS, on_again, listener);
}

static void try_again(Listener *listener, const sd_bus_error *error)
{
        listener->owner->failed(error, listener->data);
        begin_later(listener);
}

static void hand_out(Channel *channel, const Event *event)
{
        Listener *listener = channel->listener;

        /* What is replayed from before the picture is in it. */
        if (event->number > channel->stream.shown)
                inventory_apply(listener->inventory, event);
        listener->owner->event(event, listener->data);
}

/* 6. The next event. Returns FALSE when the picture has to be asked for again: 3. it lacked some objects of a
 * connection, whose libvirt has come back. */
static gboolean took(Channel *channel, const Event *event)
{
        hand_out(channel, event);
        return !channel->unsure || event->number <= channel->stream.shown ||
               !g_str_equal(event->kind, "resynced") || !g_str_equal(event->path, channel->path);
}

/* Takes the events of one page; FALSE: begin again. */
static gboolean take_page(Channel *channel, GVariant *events)
{
        for (gsize i = 0; i < g_variant_n_children(events); i++) {
                g_autoptr(GVariant) record = g_variant_get_child_value(events, i);
                g_autoptr(Event) event = event_new_from_record(record);
                StreamStep step = event ? stream_record(&channel->stream, event->number) : STREAM_AGAIN;

                if (step == STREAM_AGAIN || (step == STREAM_NEXT && !took(channel, event)))
                        return FALSE;
        }

        return TRUE;
}

static int on_events(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        g_autoptr(GVariant) body = NULL, events = NULL;
        Channel *channel = userdata;
        gboolean complete;

        channel->asked = sd_bus_slot_unref(channel->asked);
        if (sd_bus_message_is_method_error(reply, ERROR_GONE) > 0) {
                begin(channel->listener);
                return 0;
        }

        if (sd_bus_message_is_method_error(reply, NULL) > 0 || value_read_all(reply, &body) < 0 ||
            !g_variant_is_of_type(body, G_VARIANT_TYPE("(a(ostxsa{sv})b)"))) {
                begin_later(channel->listener);
                return 0;
        }

        g_variant_get(body, "(@a(ostxsa{sv})b)", &events, &complete);
        if ((!complete && g_variant_n_children(events) == 0) || !take_page(channel, events))
                begin(channel->listener);
        else if (stream_filled(&channel->stream, complete))
                ask_for_events(channel);
        return 0;
}

/* 7. What was missed, page by page. If it cannot be had, the picture can. */
static void ask_for_events(Channel *channel)
{
        g_autoptr(sd_bus_message) message = NULL;
        Listener *listener = channel->listener;
        const StreamMark *mark = &channel->stream.mark;
        int r;

        stream_fill(&channel->stream);
        r = sd_bus_message_new_method_call(listener->bus, &message, listener->service, channel->path,
                                           IFACE_CONNECTION, "GetEvents");
        if (r >= 0)
                r = sd_bus_message_append(message, "stu", mark->epoch, mark->number, 0);
        if (r >= 0)
                r = sd_bus_call_async(listener->bus, &channel->asked, message, on_events, channel, PAGE_US);
        if (r < 0)
                begin(listener);
}

/* Where the listener was. A connection that comes when it already follows others begins with its first event.
 */
static const StreamMark *known_mark(const Listener *listener, const char *path, const Inventory *before)
{
        static const StreamMark nowhere = {.epoch = (char *)""};
        const StreamMark *mark = g_hash_table_lookup(listener->known, path);

        return mark ? mark : before ? &nowhere : listener->rest;
}

/* 2. The picture's numbers; what the listener knows up to a smaller one is asked for. */
static void open_channel(Listener *listener, const char *path, const Inventory *before)
{
        StreamPicture picture = inventory_stream(listener->inventory, path);
        const guint64 *heard = g_hash_table_lookup(listener->heard, path);
        Channel *channel = g_new0(Channel, 1);
        StreamStart start = stream_begin(&channel->stream, &picture, known_mark(listener, path, before));

        channel->listener = listener;
        channel->path = g_strdup(path);
        channel->unsure = !inventory_is_connected(listener->inventory, path);
        g_hash_table_insert(listener->channels, channel->path, channel);
        listener->owner->stream(channel->path, start, before, listener->data);
        if (channel->stream.mark.number < MAX(picture.number, heard ? *heard : 0))
                ask_for_events(channel);
}

static void end_channels(Listener *listener, const Inventory *before)
{
        g_autoptr(GPtrArray) paths = inventory_paths(before);

        for (guint i = 0; i < paths->len; i++)
                if (inventory_is_connection(before, paths->pdata[i]) &&
                    !inventory_has(listener->inventory, paths->pdata[i])) {
                        g_hash_table_remove(listener->known, paths->pdata[i]);
                        listener->owner->ended(paths->pdata[i], listener->data);
                }
}

static void open_channels(Listener *listener, const Inventory *before)
{
        g_autoptr(GPtrArray) paths = inventory_paths(listener->inventory);

        for (guint i = 0; i < paths->len && listener->service; i++)
                if (inventory_is_connection(listener->inventory, paths->pdata[i]))
                        open_channel(listener, paths->pdata[i], before);
}

static int read_picture(Listener *listener, sd_bus_message *reply)
{
        g_autoptr(GVariant) body = NULL, objects = NULL;
        g_autoptr(Inventory) before = NULL;
        int r = value_read_all(reply, &body);

        if (r < 0)
                return r;

        if (!g_variant_is_of_type(body, G_VARIANT_TYPE("(a{oa{sa{sv}}})")))
                return -EBADMSG;

        before = g_steal_pointer(&listener->inventory);
        objects = g_variant_get_child_value(body, 0);
        listener->inventory = inventory_new(objects, before);
        listener->service = g_strdup(sd_bus_message_get_sender(reply));
        if (before)
                end_channels(listener, before);
        open_channels(listener, before);
        return 0;
}

static int on_picture(sd_bus_message *reply, void *userdata, sd_bus_error *unused)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        Listener *listener = userdata;
        int r;

        listener->asked = sd_bus_slot_unref(listener->asked);
        if (sd_bus_message_is_method_error(reply, NULL) > 0) {
                try_again(listener, sd_bus_message_get_error(reply));
                return 0;
        }

        r = read_picture(listener, reply);
        if (r < 0) {
                sd_bus_error_set_errno(&error, r);
                try_again(listener, &error);
        }

        return 0;
}

/* The bus may start the service once, for the first call. Later its host's administrator may have stopped it.
 */
static int ask_for_picture(Listener *listener)
{
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(listener->bus, &message, SERVICE, ROOT, IFACE_MANAGER,
                                               "GetManagedObjects");

        if (r >= 0)
                r = sd_bus_message_set_auto_start(message, !listener->called);
        if (r >= 0)
                r = sd_bus_call_async(listener->bus, &listener->asked, message, on_picture, listener,
                                      PICTURE_US);

        listener->called = TRUE;
        return r;
}

/* 1. The picture. All that was asked before is forgotten, and what comes until it is there is in it. */
static void begin(Listener *listener)
{
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        int r;

        g_clear_handle_id(&listener->again, g_source_remove);
        listener->asked = sd_bus_slot_unref(listener->asked);
        remember(listener);
        g_hash_table_remove_all(listener->channels);
        g_hash_table_remove_all(listener->heard);
        g_clear_pointer(&listener->service, g_free);

        r = ask_for_picture(listener);
        if (r < 0) {
                sd_bus_error_set_errno(&error, r);
                try_again(listener, &error);
        }
}

static void note_heard(Listener *listener, const Event *event)
{
        guint64 *heard = g_hash_table_lookup(listener->heard, event->connection);

        if (!heard) {
                heard = g_new0(guint64, 1);
                g_hash_table_insert(listener->heard, g_strdup(event->connection), heard);
        }

        *heard = MAX(*heard, event->number);
}

static void take_signal(Listener *listener, const Event *event)
{
        Channel *channel = g_hash_table_lookup(listener->channels, event->connection);

        switch (stream_signal(channel ? &channel->stream : NULL, event_text(event, "epoch"), event->number)) {
        case STREAM_DROP:
                break;
        case STREAM_NEXT:
                if (!took(channel, event))
                        begin(listener);
                break;
        case STREAM_HOLE:
                ask_for_events(channel);
                break;
        case STREAM_AGAIN:
                begin(listener);
                break;
        }
}

/* Anyone can send a signal to us alone. Only what the service has sent, from which the picture is, counts. */
static int on_event(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        g_autoptr(GVariant) body = NULL;
        g_autoptr(Event) event = NULL;
        Listener *listener = userdata;

        if (listener->service && g_strcmp0(sd_bus_message_get_sender(message), listener->service) != 0)
                return 0;

        if (value_read_all(message, &body) >= 0)
                event = event_new(sd_bus_message_get_path(message), body);
        if (!event)
                return 0;

        if (listener->service)
                take_signal(listener, event);
        else
                note_heard(listener, event);
        return 0;
}

/* 8. Another owner of the name is another service. */
static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        const char *name, *old, *new;
        Listener *listener = userdata;

        if (g_strcmp0(sd_bus_message_get_sender(message), "org.freedesktop.DBus") != 0 ||
            sd_bus_message_read(message, "sss", &name, &old, &new) < 0 || !g_str_equal(name, SERVICE))
                return 0;

        if (*new &&g_strcmp0(new, listener->service) != 0)
                begin(listener);
        else if (!*new)
                listener->owner->away(listener->data);
        return 0;
}

static void on_gone(int error, void *data)
{
        Listener *listener = data;

        listener->owner->gone(error, listener->data);
}

int listener_start(Listener *listener)
{
        int r = sd_bus_add_match_async(listener->bus, &listener->event_match, MATCH_EVENT, on_event, NULL,
                                       listener);

        if (r >= 0)
                r = sd_bus_add_match_async(listener->bus, &listener->owner_match, MATCH_OWNER, on_owner, NULL,
                                           listener);
        if (r < 0)
                return r;

        listener->source = bus_source_new(listener->bus, on_gone, listener);
        begin(listener);
        return 0;
}
