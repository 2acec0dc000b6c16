/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus as a source of the main loop. */

#include "bus.h"

#include "codec.h"
#include "path.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>

/* Messages handled in a row before events and results get their turn. */
#define BATCH 64

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
};

/* Milliseconds until sd-bus wants to be called, -1 for never. */
static int bus_timeout_ms(sd_bus *bus)
{
        uint64_t until = UINT64_MAX;
        gint64 left;

        if (sd_bus_get_timeout(bus, &until) < 0 || until == UINT64_MAX)
                return -1;

        left = (gint64)until - g_get_monotonic_time();
        return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT);
}

/* The poll record is the source's own and set in place. g_source_modify_unix_fd() in a source's own prepare
 * function wakes the loop that is about to sleep, again and again. */
static gboolean bus_source_prepare(GSource *source, gint *timeout)
{
        BusSource *self = (BusSource *)source;
        int events = sd_bus_get_events(self->bus->bus);

        self->poll.events = events >= 0 ? (gushort)events : 0;
        *timeout = bus_timeout_ms(self->bus->bus);
        return events < 0 || *timeout == 0;
}

static gboolean bus_source_check(GSource *source)
{
        BusSource *self = (BusSource *)source;

        return self->poll.revents != 0 || bus_timeout_ms(self->bus->bus) == 0;
}

static gboolean bus_source_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
        Bus *bus = ((BusSource *)source)->bus;
        int r = 1;

        for (unsigned i = 0; i < BATCH && r > 0; i++)
                r = sd_bus_process(bus->bus, NULL);

        if (r >= 0)
                return G_SOURCE_CONTINUE;

        g_warning("the bus is gone: %s", g_strerror(-r));
        bus->owner->closed(bus->data);
        return G_SOURCE_REMOVE;
}

static GSourceFuncs bus_source_funcs = {
        .prepare = bus_source_prepare,
        .check = bus_source_check,
        .dispatch = bus_source_dispatch,
};

static int on_name_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Bus *bus = userdata;
        const char *name;

        if (sd_bus_message_read(message, "s", &name) < 0)
                return 0;

        if (name[0] == ':')
                bus->owner->caller_gone(name, bus->data);

        return 0;
}

static int on_name_lost(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Bus *bus = userdata;
        const char *name;

        if (sd_bus_message_read(message, "s", &name) >= 0)
                bus->owner->name_lost(name, bus->data);

        return 0;
}

/* One rule for all callers that leave: a rule for each would meet the bus's limit of rules. */
#define MATCH_GONE                                                                                           \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                          \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"
#define MATCH_LOST                                                                                           \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                          \
        "interface='org.freedesktop.DBus',member='NameLost'"

static int bus_connect(Bus *bus, BusKind kind, const char *address)
{
        int r;

        if (!address)
                return kind == BUS_SYSTEM ? sd_bus_open_system(&bus->bus) : sd_bus_open_user(&bus->bus);

        r = sd_bus_new(&bus->bus);
        if (r >= 0)
                r = sd_bus_set_address(bus->bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus->bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus->bus, 1);
        if (r >= 0)
                r = sd_bus_start(bus->bus);

        return r;
}

Bus *bus_new(BusKind kind, const char *address, const Limits *limits, const BusOwner *owner, void *data,
             GError **error)
{
        Bus *bus = g_new0(Bus, 1);
        int r;

        bus->limits = limits;
        bus->owner = owner;
        bus->data = data;

        r = bus_connect(bus, kind, address);
        if (r >= 0)
                r = sd_bus_add_match(bus->bus, NULL, MATCH_GONE, on_name_owner_changed, bus);
        if (r >= 0)
                r = sd_bus_add_match(bus->bus, NULL, MATCH_LOST, on_name_lost, bus);
        if (r >= 0)
                r = sd_bus_add_fallback(bus->bus, NULL, PATH_ROOT, owner->call, data);

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
        /* No loop runs inside a dispatch. That said, GLib need not take the descriptor out of the poll set
         * for each of them and put it back, which wakes the loop twice. */
        g_source_set_can_recurse(&bus->source->base, TRUE);
        g_source_add_poll(&bus->source->base, &bus->source->poll);
        g_source_attach(&bus->source->base, NULL);
        return bus;
}

/* sd_bus_flush() waits without a limit for a bus that may have stopped to read. */
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
        if (!bus)
                return;

        if (bus->source) {
                g_source_destroy(&bus->source->base);
                g_source_unref(&bus->source->base);
        }

        if (bus->bus) {
                flush_for(bus->bus, timeout_ms);
                sd_bus_close(bus->bus);
                sd_bus_unref(bus->bus);
        }

        g_free(bus);
}

BusName bus_request_name(Bus *bus, const char *name, gboolean replace, GError **error)
{
        uint64_t flags = SD_BUS_NAME_ALLOW_REPLACEMENT | SD_BUS_NAME_QUEUE |
                         (replace ? SD_BUS_NAME_REPLACE_EXISTING : 0);
        int r = sd_bus_request_name(bus->bus, name, flags);

        if (r < 0) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-r), "failed to own the name %s: %s",
                            name, g_strerror(-r));
                return BUS_NAME_FAILED;
        }

        return r > 0 ? BUS_NAME_OWNED : BUS_NAME_TAKEN;
}

void bus_emit(Bus *bus, const char *path, const Interface *interface, const Member *signal,
              GVariant *arguments)
{
        g_autoptr(GVariant) owned = g_variant_ref_sink(arguments);
        sd_bus_message *message = NULL;
        int r = -EINVAL;

        if (g_variant_is_of_type(owned, G_VARIANT_TYPE(signal->out_type)) &&
            g_variant_get_size(owned) <= bus->limits->reply_bytes)
                r = sd_bus_message_new_signal(bus->bus, &message, path, interface->name, signal->name);
        if (r >= 0)
                r = codec_append_children(message, owned, NULL);
        if (r >= 0)
                r = sd_bus_send(bus->bus, message, NULL);

        if (r < 0)
                g_warning("failed to emit %s.%s on %s: %s", interface->name, signal->name, path,
                          g_strerror(-r));

        sd_bus_message_unref(message);
}
