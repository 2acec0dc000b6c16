/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus as a source of GLib's main loop. */

#include "listener/bus_source.h"

#include <errno.h>

typedef struct BusSource {
        GSource base;
        sd_bus *bus;
        BusGone gone;
        void *data;
        GPollFD poll;
} BusSource;

/* Milliseconds until sd-bus wants to be called; -1 for never. */
static int timeout_ms(sd_bus *bus)
{
        uint64_t until = UINT64_MAX;
        gint64 left;

        if (sd_bus_get_timeout(bus, &until) < 0 || until == UINT64_MAX)
                return -1;

        left = (gint64)until - g_get_monotonic_time();
        return left <= 0 ? 0 : (int)MIN((left + 999) / 1000, G_MAXINT);
}

/* The poll record is set in place: g_source_modify_unix_fd() would wake the loop again and again. */
static gboolean prepare(GSource *source, gint *timeout)
{
        BusSource *self = (BusSource *)source;
        int events = sd_bus_get_events(self->bus);

        self->poll.events = events > 0 ? (gushort)events : 0;
        *timeout = timeout_ms(self->bus);
        return events < 0 || *timeout == 0;
}

static gboolean check(GSource *source)
{
        BusSource *self = (BusSource *)source;

        return self->poll.revents != 0 || timeout_ms(self->bus) == 0;
}

/* One message at a time, so that timers have their turn. */
static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
        BusSource *self = (BusSource *)source;
        int r = sd_bus_process(self->bus, NULL);

        if (r >= 0 && sd_bus_is_open(self->bus) > 0)
                return G_SOURCE_CONTINUE;

        self->gone(r < 0 ? -r : ECONNRESET, self->data);
        return G_SOURCE_REMOVE;
}

static GSourceFuncs funcs = {.prepare = prepare, .check = check, .dispatch = dispatch};

GSource *bus_source_new(sd_bus *bus, BusGone gone, void *data)
{
        GSource *source = g_source_new(&funcs, sizeof(BusSource));
        BusSource *self = (BusSource *)source;

        self->bus = bus;
        self->gone = gone;
        self->data = data;
        self->poll.fd = sd_bus_get_fd(bus);
        g_source_add_poll(source, &self->poll);
        g_source_attach(source, NULL);
        return source;
}

void bus_source_free(GSource *source)
{
        if (!source)
                return;

        g_source_destroy(source);
        g_source_unref(source);
}
