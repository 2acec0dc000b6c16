/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus as a source of the main loop. */

#include "bus/bus.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/thread.h"
#include "bus/autoptr.h"
#include "bus/codec.h"
#include "bus/descriptors.h"
#include "bus/path.h"
#include "bus/send_queue.h"
#include "bus/spare_descriptors.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>

/* Messages handled in a row before events and results get their turn, and the time that they may take. The
 * number is as great as that time allows, or callers would wait in the bus's queue behind others that send
 * more (turns.c). */
#define BATCH    512
#define BATCH_US (5 * G_TIME_SPAN_MILLISECOND)

/* The name of the bus driver: the bus lets no client own it or send from it. */
#define DRIVER "org.freedesktop.DBus"

/* So many full batches in a row mean that the bus is ahead: it may have dropped a message for us. */
#define FULL_BATCHES 8

/* A bus reads this much in some 0.5 ms. A message that is sent while more waits would not arrive sooner. */
#define BUSY_BYTES (64U << 10)

/* What the owner of a name gets to show that it is there. */
#define OWNER_ANSWERS_US (1 * G_TIME_SPAN_SECOND)

/* After a failure without a message the next attempt waits for so long. So many in a row are the end: the
 * stream cannot be read any more, for instance because bytes were lost. */
#define FAILURE_PAUSE_US (10 * G_TIME_SPAN_MILLISECOND)
#define FAILURES_MAX     100

/* A path has up to 64 KiB, and this leaves more than enough for all other fields of a header. A bus may pass
 * on unknown fields of any length, and a call that waits keeps them. */
#define FIELDS_MAX (68 << 10)

/* Failures are logged once in so long. */
#define COMPLAIN_US (1 * G_TIME_SPAN_MINUTE)

typedef struct BusSource {
        GSource base;
        Bus *bus;
        GPollFD poll;
} BusSource;

struct Bus {
        sd_bus *bus;
        BusSource *source;
        const Limits *limits;
        const BusOwner *owner;
        void *data;
        SendQueue *output;
        gboolean gone;           /* and its owner knows */
        sd_bus_message *current; /* the call that is being handled, or NULL */
        unsigned full_batches;   /* in a row */
        gboolean lent;           /* it may have taken spare descriptors */
        unsigned failures;       /* in a row, without a message */
        gint64 paused_until;     /* monotonic */
        gint64 complained_at;    /* monotonic; 0: never */
        struct Bus *wide;        /* the one that this one narrows, which all goes through; or NULL */
        GHashTable *names;       /* the only ones that signals go to then */
};

static guint64 queued(const Bus *bus)
{
        uint64_t n = 0;

        return sd_bus_get_n_queued_write(bus->bus, &n) < 0 ? 0 : n;
}

/* Once. What is sent from now on has no one to go to. */
static void bus_is_gone(Bus *bus, const char *why)
{
        if (bus->gone)
                return;

        bus->gone = TRUE;
        log_fatal("the bus is gone: %s", why);
        bus->owner->closed(bus->data);
}

static int ms_until(gint64 then)
{
        gint64 left = then - g_get_monotonic_time();

        return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT);
}

/* Milliseconds until sd-bus wants to be called, -1 for never. */
static int bus_timeout_ms(sd_bus *bus)
{
        uint64_t until = UINT64_MAX;

        if (sd_bus_get_timeout(bus, &until) < 0 || until == UINT64_MAX)
                return -1;

        return ms_until((gint64)until);
}

static gboolean is_paused(const Bus *bus)
{
        return bus->failures > 0 && g_get_monotonic_time() < bus->paused_until;
}

/* The same until the source has something to do. */
static int source_timeout_ms(Bus *bus)
{
        gint64 deadline = send_queue_deadline(bus->output);
        int timeout, left;

        if (is_paused(bus))
                return ms_until(bus->paused_until);

        timeout = send_queue_is_behind(bus->output) ? -1 : bus_timeout_ms(bus->bus);
        if (deadline < 0)
                return timeout;

        left = ms_until(deadline);
        return timeout < 0 ? left : MIN(left, timeout);
}

/* The poll record is the source's own and set in place. g_source_modify_unix_fd() in a source's own prepare
 * function wakes the loop that is about to sleep, again and again. */
static gboolean bus_source_prepare(GSource *source, gint *timeout)
{
        BusSource *self = (BusSource *)source;
        int events = sd_bus_get_events(self->bus->bus);

        send_queue_look(self->bus->output, queued(self->bus), FALSE, g_get_monotonic_time());
        self->poll.events = events >= 0 ? (gushort)events : 0;
        if (send_queue_is_behind(self->bus->output))
                self->poll.events &= POLLOUT;
        if (is_paused(self->bus))
                self->poll.events = 0;
        *timeout = source_timeout_ms(self->bus);
        return events < 0 || *timeout == 0;
}

static gboolean bus_source_check(GSource *source)
{
        BusSource *self = (BusSource *)source;

        return self->poll.revents != 0 || source_timeout_ms(self->bus) == 0;
}

/* Once in a while, or callers could fill the log. */
static void complain(Bus *bus, const char *why)
{
        gint64 now = g_get_monotonic_time();

        if (bus->complained_at > 0 && now - bus->complained_at < COMPLAIN_US)
                return;

        bus->complained_at = now;
        g_warning("failed to handle a message of the bus: %s", why);
}

/* sd-bus does not answer a call that it fails to handle itself. */
static void answer_current(Bus *bus, int r)
{
        const char *interface = sd_bus_message_get_interface(bus->current);

        sd_bus_reply_method_errnof(bus->current, r, "%s%s%s failed: %s", interface ? interface : "",
                                   interface ? "." : "", sd_bus_message_get_member(bus->current),
                                   g_strerror(-r));
}

/* What sd_bus_process() failed with. Only a closed bus is gone, and one that cannot be read any more; what
 * was about one message, such as a question for a machine id where there is none, is over with it. Returns
 * what sd_bus_process() should have. */
static int cope(Bus *bus, int r)
{
        if (sd_bus_is_open(bus->bus) <= 0) {
                bus_is_gone(bus, g_strerror(-r));
                return r;
        }

        complain(bus, g_strerror(-r));
        if (bus->current) {
                answer_current(bus, r);
                return 1;
        }

        /* These stand for descriptors that were cut off, in libsystemd until 252 and from then on. */
        if (r == -EXFULL || r == -ECHRNG) {
                bus_is_gone(bus, "descriptors of a message found no room, and its beginning went with them");
                return r;
        }

        if (++bus->failures >= FAILURES_MAX) {
                bus_is_gone(bus, g_strerror(-r));
                return r;
        }

        bus->paused_until = g_get_monotonic_time() + FAILURE_PAUSE_US;
        return 0;
}

static int process(Bus *bus)
{
        int r;

        bus->lent = spare_descriptors_lend(bus->source->poll.fd);
        r = sd_bus_process(bus->bus, NULL);
        if (r < 0)
                r = cope(bus, r);

        bus->current = sd_bus_message_unref(bus->current);
        descriptors_settle();
        if (bus->lent)
                spare_descriptors_return();
        bus->lent = FALSE;
        return r;
}

static void suspect(Bus *bus)
{
        if (bus->owner->suspicious)
                bus->owner->suspicious(bus->data);
}

/* A batch is over, with @more to be read behind it or not. What was left out meanwhile is asked for while the
 * bus is ahead, and when it no longer is. */
static void note_pace(Bus *bus, gboolean more)
{
        if (more && ++bus->full_batches % FULL_BATCHES != 0)
                return;

        if (bus->full_batches >= FULL_BATCHES)
                suspect(bus);
        if (!more)
                bus->full_batches = 0;
}

static gboolean bus_source_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
        BusSource *self = (BusSource *)source;
        Bus *bus = self->bus;
        gint64 now = g_get_monotonic_time(), end = now + BATCH_US;
        gint64 deadline = send_queue_deadline(bus->output);
        gboolean moved = (self->poll.revents & POLLOUT) != 0;
        int r = 1;

        if (deadline >= 0 && now >= deadline && !moved) {
                bus_is_gone(bus, "it does not read what is sent to it");
                return G_SOURCE_REMOVE;
        }

        if (is_paused(bus))
                return G_SOURCE_CONTINUE;

        /* The first time in any case: it writes what waits. */
        for (unsigned i = 0; i < BATCH && r > 0 && now < end; i++, now = g_get_monotonic_time()) {
                r = process(bus);
                send_queue_look(bus->output, queued(bus), moved, now);
                if (send_queue_is_behind(bus->output))
                        break;
        }

        if (r < 0)
                return G_SOURCE_REMOVE;

        /* While output waits, nothing is read. */
        if (send_queue_is_behind(bus->output))
                bus->full_batches = FULL_BATCHES;
        else
                note_pace(bus, r > 0);
        return G_SOURCE_CONTINUE;
}

static GSourceFuncs bus_source_funcs = {
        .prepare = bus_source_prepare,
        .check = bus_source_check,
        .dispatch = bus_source_dispatch,
};

/* The bus delivers a signal that names us as its destination whether or not we subscribed, and sd-bus finds a
 * match for it. Only the driver has a reason to send us such a signal. */
static gboolean is_forged(sd_bus_message *message)
{
        return sd_bus_message_is_signal(message, NULL, NULL) > 0 && sd_bus_message_get_destination(message) &&
               !bus_is_driver(message);
}

/* Whether the message that is handed out has some of the last descriptors that there are. */
static gboolean has_spare(const Bus *bus)
{
        int highest = descriptors_highest();

        return highest > 0 ? spare_descriptors_has(highest)
                           : bus->lent && spare_descriptors_are_all(bus->source->poll.fd);
}

/* Before anything else has the message. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Bus *bus = userdata;

        bus->failures = 0;
        if (sd_bus_message_is_method_call(message, NULL, NULL) <= 0)
                return is_forged(message);

        sd_bus_message_unref(bus->current);
        bus->current = sd_bus_message_ref(message);
        if (descriptors_fields() > FIELDS_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                         "at most %d bytes of header are accepted with a call", FIELDS_MAX);

        if (!has_spare(bus))
                return 0;

        sd_bus_error_set_const(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                               "the service has no room for descriptors that come with a call");
        return -EMFILE;
}

static int on_name_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Bus *bus = userdata;
        const char *name;

        if (!bus_is_driver(message) || sd_bus_message_read(message, "s", &name) < 0)
                return 0;

        if (name[0] == ':')
                bus->owner->peer_gone(name, bus->data);

        return 0;
}

static int on_name_lost(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Bus *bus = userdata;
        const char *name;

        if (bus_is_driver(message) && sd_bus_message_read(message, "s", &name) >= 0)
                bus->owner->name_lost(name, bus->data);

        return 0;
}

/* One rule for all peers that leave: one rule for each would exceed the bus's limit of rules. */
#define MATCH_GONE                                                                                           \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                          \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"
#define MATCH_LOST                                                                                           \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                          \
        "interface='org.freedesktop.DBus',member='NameLost'"

int bus_open(sd_bus **bus, BusKind kind, const char *address)
{
        int r;

        ASSERT_MAIN();
        if (!address)
                return kind == BUS_SYSTEM ? sd_bus_open_system(bus) : sd_bus_open_user(bus);

        r = sd_bus_new(bus);
        if (r >= 0)
                r = sd_bus_set_address(*bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(*bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(*bus, 1);
        if (r >= 0)
                r = sd_bus_start(*bus);

        return r;
}

Bus *bus_new(BusKind kind, const char *address, const Limits *limits, const BusOwner *owner, void *data,
             GError **error)
{
        Bus *bus = g_new0(Bus, 1);
        int r;

        ASSERT_MAIN();
        bus->limits = limits;
        bus->output = send_queue_new(limits);
        bus->owner = owner;
        bus->data = data;

        r = bus_open(&bus->bus, kind, address);
        if (r >= 0)
                r = sd_bus_add_filter(bus->bus, NULL, on_message, bus);
        if (r >= 0)
                r = sd_bus_add_match(bus->bus, NULL, MATCH_GONE, on_name_owner_changed, bus);
        if (r >= 0)
                r = sd_bus_add_match(bus->bus, NULL, MATCH_LOST, on_name_lost, bus);
        if (r >= 0)
                r = sd_bus_add_fallback(bus->bus, NULL, PATH_ROOT, owner->call, data);
        if (r >= 0)
                r = descriptors_watch(bus->bus);

        if (r < 0) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-r), "failed to connect to %s: %s",
                            address              ? address
                            : kind == BUS_SYSTEM ? "the system bus"
                                                 : "the session bus",
                            g_strerror(-r));
                bus_free(bus, 0);
                return NULL;
        }

        bus->source = (BusSource *)g_source_new(&bus_source_funcs, sizeof(BusSource));
        bus->source->bus = bus;
        bus->source->poll.fd = sd_bus_get_fd(bus->bus);
        g_source_set_static_name(&bus->source->base, "bus");
        /* No loop runs inside a dispatch. With this set, GLib need not take the descriptor out of the poll
         * set for each of them and put it back, which wakes the loop twice. */
        g_source_set_can_recurse(&bus->source->base, TRUE);
        g_source_add_poll(&bus->source->base, &bus->source->poll);
        g_source_attach(&bus->source->base, NULL);
        return bus;
}

/* sd_bus_flush() waits without a limit for a bus that may have stopped reading. */
static void flush_for(sd_bus *bus, unsigned timeout_ms)
{
        gint64 end = g_get_monotonic_time() + timeout_ms * (gint64)1000;
        gint64 left;

        while (sd_bus_is_open(bus) > 0 && (sd_bus_get_events(bus) & POLLOUT) &&
               (left = end - g_get_monotonic_time()) > 0)
                if (sd_bus_wait(bus, (uint64_t)left) < 0 || sd_bus_process(bus, NULL) < 0)
                        return;
}

void bus_free(Bus *bus, unsigned timeout_ms)
{
        ASSERT_MAIN();
        if (!bus)
                return;

        ASSERT(!bus->wide);
        if (bus->source) {
                g_source_destroy(&bus->source->base);
                g_source_unref(&bus->source->base);
        }

        if (bus->bus) {
                flush_for(bus->bus, timeout_ms);
                sd_bus_message_unref(bus->current);
                sd_bus_close(bus->bus);
                descriptors_unwatch(bus->bus);
                sd_bus_unref(bus->bus);
        }

        send_queue_free(bus->output);
        g_free(bus);
}

Bus *bus_narrow(Bus *bus, GHashTable *names)
{
        Bus *narrow = g_new0(Bus, 1);

        ASSERT_MAIN();
        ASSERT(!bus->wide);
        narrow->wide = bus;
        narrow->bus = bus->bus;
        narrow->limits = bus->limits;
        narrow->names = names;
        return narrow;
}

void bus_unnarrow(Bus *bus)
{
        ASSERT_MAIN();
        ASSERT(bus->wide);
        g_free(bus);
}

/* Makes the bus send something to the owner of @name, and waits long enough for an owner that is there to
 * answer. */
static void try_owner(Bus *bus, const char *name)
{
        g_autoptr(sd_bus_message) ping = NULL;
        int r = sd_bus_message_new_method_call(bus->bus, &ping, name, "/", "org.freedesktop.DBus.Peer",
                                               "Ping");

        if (r >= 0)
                sd_bus_call(bus->bus, ping, OWNER_ANSWERS_US, NULL, NULL);
}

/* A dbus-daemon that has stopped reading from the owner does not notice either that it has left, until it
 * writes to it. */
static int request_name(Bus *bus, const char *name, uint64_t flags)
{
        int r = sd_bus_request_name(bus->bus, name, flags);

        if (r != 0)
                return r;

        try_owner(bus, name);
        r = sd_bus_request_name(bus->bus, name, flags);
        return r == -EALREADY ? 1 : r;
}

BusName bus_request_name(Bus *bus, const char *name, gboolean replace, GError **error)
{
        uint64_t flags = SD_BUS_NAME_ALLOW_REPLACEMENT | SD_BUS_NAME_QUEUE |
                         (replace ? SD_BUS_NAME_REPLACE_EXISTING : 0);
        int r = request_name(bus, name, flags);

        ASSERT_MAIN();
        if (r < 0) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-r), "failed to own the name %s: %s",
                            name, g_strerror(-r));
                return BUS_NAME_FAILED;
        }

        return r > 0 ? BUS_NAME_OWNED : BUS_NAME_TAKEN;
}

void bus_refused(Bus *bus)
{
        ASSERT_MAIN();
        suspect(bus->wide ? bus->wide : bus);
}

const char *bus_sender(sd_bus_message *message)
{
        const char *sender = sd_bus_message_get_sender(message);

        ASSERT_MAIN();
        return sender ? sender : "";
}

gboolean bus_is_driver(sd_bus_message *message)
{
        ASSERT_MAIN();
        return g_str_equal(bus_sender(message), DRIVER);
}

sd_bus *bus_handle(const Bus *bus)
{
        ASSERT_MAIN();
        return bus->bus;
}

void bus_give_slot(sd_bus_slot *slot, sd_bus_destroy_t destroy)
{
        ASSERT_MAIN();
        sd_bus_slot_set_destroy_callback(slot, destroy);
        sd_bus_slot_set_floating(slot, 1);
        sd_bus_slot_unref(slot);
}

sd_bus_message *bus_new_signal(Bus *bus, const char *path, const char *interface, const char *name)
{
        sd_bus_message *message = NULL;

        ASSERT_MAIN();
        sd_bus_message_new_signal(bus->bus, &message, path, interface, name);
        return message;
}

/* If a signal were left out, listeners could not know that. So a signal that does not fit ends the service,
 * and the next start begins a new epoch. */
static int send_signal(Bus *bus, sd_bus_message *message, size_t size)
{
        int r;

        if (bus->gone)
                return 0;

        if (!send_queue_has_room(bus->output, size)) {
                bus_is_gone(bus, "more waits for it than output-bytes allows");
                return 0;
        }

        r = sd_bus_send(bus->bus, message, NULL);
        send_queue_sent(bus->output, size, queued(bus));
        return r;
}

/* A copy of the sealed signal @message for the owner of that name alone. */
static int send_to(Bus *bus, sd_bus_message *message, size_t size, const char *name)
{
        g_autoptr(sd_bus_message) copy = NULL;
        int r = sd_bus_message_new_signal(bus->bus, &copy, sd_bus_message_get_path(message),
                                          sd_bus_message_get_interface(message),
                                          sd_bus_message_get_member(message));

        if (r >= 0)
                r = sd_bus_message_set_destination(copy, name);
        if (r >= 0)
                r = sd_bus_message_rewind(message, TRUE);
        if (r >= 0)
                r = sd_bus_message_copy(copy, message, TRUE);
        if (r >= 0)
                r = send_signal(bus, copy, size);

        return r;
}

static int send_to_names(const Bus *bus, sd_bus_message *message, size_t size)
{
        GHashTableIter iter;
        gpointer name;
        int r;

        if (g_hash_table_size(bus->names) == 0)
                return 0;

        /* This serial is not sent: each copy gets its own. */
        r = sd_bus_message_seal(message, 1, 0);
        g_hash_table_iter_init(&iter, bus->names);
        while (r >= 0 && g_hash_table_iter_next(&iter, &name, NULL))
                r = send_to(bus->wide, message, size, name);

        return r;
}

int bus_send(Bus *bus, sd_bus_message *message, size_t size, int r)
{
        g_autoptr(sd_bus_message) owned = message;

        ASSERT_MAIN();
        if (!message)
                r = -ENOMEM;
        if (r >= 0)
                r = bus->names ? send_to_names(bus, message, size) : send_signal(bus, message, size);

        /* That the bus has ended is told once, and not for each signal that it no longer takes. */
        if (r < 0 && message && sd_bus_is_open(bus->bus) > 0)
                g_warning("failed to emit %s.%s on %s: %s", sd_bus_message_get_interface(message),
                          sd_bus_message_get_member(message), sd_bus_message_get_path(message),
                          g_strerror(-r));

        return r;
}

void bus_signal(Bus *bus, const char *path, const char *interface, const char *name, GVariant *arguments)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(arguments);
        sd_bus_message *message = bus_new_signal(bus, path, interface, name);
        int r = -EMSGSIZE;

        ASSERT_MAIN();
        if (message && g_variant_get_size(owned) <= bus->limits->reply_bytes)
                r = codec_append_children(message, owned, NULL);
        bus_send(bus, message, g_variant_get_size(owned), r);
}

gboolean bus_has_room(const Bus *bus, size_t size)
{
        ASSERT_MAIN();
        return send_queue_has_room(bus->output, size);
}

gboolean bus_is_busy(const Bus *bus)
{
        ASSERT_MAIN();
        return send_queue_waiting(bus->output) > BUSY_BYTES || send_queue_is_behind(bus->output);
}

void bus_sent(Bus *bus, size_t size)
{
        ASSERT_MAIN();
        send_queue_sent(bus->output, size, queued(bus));
}

void bus_emit(Bus *bus, const char *path, const Interface *interface, const Member *signal,
              GVariant *arguments)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(arguments);

        ASSERT_MAIN();
        if (g_variant_is_of_type(owned, G_VARIANT_TYPE(signal->out_type)))
                bus_signal(bus, path, interface->name, signal->name, owned);
        else
                g_warning("%s.%s on %s is of type %s instead of %s", interface->name, signal->name, path,
                          g_variant_get_type_string(owned), signal->out_type);
}
