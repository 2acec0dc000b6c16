/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One question for all names. Who was known before it was asked and is not in the answer has left: unique
 * names do not come again. */

#include "access/departures.h"

#include "base/thread.h"

#define DRIVER "org.freedesktop.DBus"

/* How often the bus is asked while something is held. A departure is heard but for a moment in which the
 * service was so far behind that it knows of it; this is for what it does not know of. */
#define PERIOD_US (30 * G_TIME_SPAN_SECOND)

/* The shortest time between two questions. Whoever meets a limit again and again gives a reason each time,
 * and an answer may name thousands. */
#define PAUSE_US (1 * G_TIME_SPAN_SECOND)

typedef struct DeparturesSource {
        GSource base;
        Departures *departures;
} DeparturesSource;

struct Departures {
        Bus *bus;
        const DeparturesOwner *owner;
        void *data;
        DeparturesSource *source;
        sd_bus_slot *asked; /* while the answer is not here, or NULL */
        GHashTable *known;  /* a set: the names to be found in it */
        gboolean suspected; /* the next question has a reason */
        gint64 asked_at;    /* monotonic; the last question */
        gint64 held_since;  /* monotonic; -1 while nothing is held */
};

static void forget_question(Departures *departures)
{
        departures->asked = sd_bus_slot_unref(departures->asked);
        g_clear_pointer(&departures->known, g_hash_table_unref);
}

/* Takes the names that are there out of those that are known. FALSE when they cannot be read. */
static gboolean read_names(Departures *departures, sd_bus_message *reply)
{
        const char *name;
        int r;

        if (!bus_is_driver(reply) || sd_bus_message_is_method_error(reply, NULL) ||
            sd_bus_message_enter_container(reply, 'a', "s") < 0)
                return FALSE;

        while ((r = sd_bus_message_read(reply, "s", &name)) > 0)
                g_hash_table_remove(departures->known, name);

        return r == 0;
}

static int on_names(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Departures *departures = userdata;
        gboolean read = read_names(departures, reply);
        g_autoptr(GHashTable) gone = g_steal_pointer(&departures->known);
        GHashTableIter iter;
        gpointer name;

        forget_question(departures);
        if (!read)
                return 1;

        g_hash_table_iter_init(&iter, gone);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
                g_info("%s has left unheard", (const char *)name);
                departures->owner->gone(name, departures->data);
        }

        return 1;
}

static void ask(Departures *departures)
{
        forget_question(departures);
        departures->suspected = FALSE;
        departures->asked_at = g_get_monotonic_time();
        departures->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        departures->owner->collect(departures->known, departures->data);
        if (g_hash_table_size(departures->known) > 0 &&
            sd_bus_call_method_async(bus_handle(departures->bus), &departures->asked, DRIVER,
                                     "/org/freedesktop/DBus", DRIVER, "ListNames", on_names, departures,
                                     NULL) >= 0)
                return;

        forget_question(departures);
}

/* The monotonic time of the next question, -1 for none yet. */
static gint64 next_time(Departures *departures, gint64 now)
{
        if (!departures->owner->holds(departures->data))
                departures->held_since = -1;
        else if (departures->held_since < 0)
                departures->held_since = now;

        /* Also over a question that is open: while we were far behind, there was no room for its answer. */
        if (departures->suspected)
                return departures->asked_at + PAUSE_US;
        if (departures->asked)
                return -1;

        return departures->held_since < 0 ? -1
                                          : MAX(departures->held_since, departures->asked_at) + PERIOD_US;
}

static gboolean source_prepare(GSource *source, gint *timeout)
{
        gint64 now = g_get_monotonic_time();
        gint64 next = next_time(((DeparturesSource *)source)->departures, now);

        *timeout = next < 0 ? -1 : next <= now ? 0 : (gint)MIN((next - now + 999) / 1000, G_MAXINT);
        return *timeout == 0;
}

static gboolean source_check(GSource *source)
{
        gint timeout;

        return source_prepare(source, &timeout);
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
        ask(((DeparturesSource *)source)->departures);
        return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {
        .prepare = source_prepare,
        .check = source_check,
        .dispatch = source_dispatch,
};

Departures *departures_new(Bus *bus, const DeparturesOwner *owner, void *data)
{
        Departures *departures = g_new0(Departures, 1);

        ASSERT_MAIN();
        departures->bus = bus;
        departures->owner = owner;
        departures->data = data;
        departures->asked_at = -PAUSE_US;
        departures->held_since = -1;
        departures->source = (DeparturesSource *)g_source_new(&source_funcs, sizeof(DeparturesSource));
        departures->source->departures = departures;
        g_source_set_static_name(&departures->source->base, "departures");
        g_source_attach(&departures->source->base, NULL);
        return departures;
}

void departures_free(Departures *departures)
{
        ASSERT_MAIN();
        if (!departures)
                return;

        g_source_destroy(&departures->source->base);
        g_source_unref(&departures->source->base);
        forget_question(departures);
        g_free(departures);
}

void departures_suspect(Departures *departures)
{
        ASSERT_MAIN();
        if (departures)
                departures->suspected = TRUE;
}
