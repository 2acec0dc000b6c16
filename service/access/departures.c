/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One question for all names. A peer that was known before it was asked and is not in the answer has left:
 * unique names do not come again. */

#include "access/departures.h"

#include "base/thread.h"

#define DRIVER "org.freedesktop.DBus"

/* How often the bus is asked while something is held. A departure is heard but for a moment in which the
 * service was so far behind that it knows of it; this is for what it does not know of. */
#define PERIOD_US (30 * G_TIME_SPAN_SECOND)

/* The shortest time between two questions. A caller that meets a limit again and again gives a reason each
 * time, and an answer may name thousands. */
#define PAUSE_US (1 * G_TIME_SPAN_SECOND)

/* Known peers that the bus is not asked about. When there are more, twice as many as there were at the last
 * question are a reason for the next. */
#define PEERS_MIN 64

typedef struct DeparturesSource {
        GSource base;
        Departures *departures;
} DeparturesSource;

struct Departures {
        Bus *bus;
        const Peers *peers;
        unsigned peers_max; /* with more of which the bus is asked */
        DeparturesFunc *gone;
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
                departures->gone(name, departures->data);
        }

        return 1;
}

static GHashTable *names_of(const Peers *peers)
{
        GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        GHashTableIter iter;
        gpointer name;

        g_hash_table_iter_init(&iter, peers->by_name);
        while (g_hash_table_iter_next(&iter, &name, NULL))
                g_hash_table_add(names, g_strdup(name));
        return names;
}

static void ask(Departures *departures)
{
        forget_question(departures);
        departures->suspected = FALSE;
        departures->asked_at = g_get_monotonic_time();
        departures->known = names_of(departures->peers);
        departures->peers_max = MAX(PEERS_MIN, 2 * peers_size(departures->peers));
        if (g_hash_table_size(departures->known) > 0 &&
            sd_bus_call_method_async(bus_handle(departures->bus), &departures->asked, DRIVER,
                                     "/org/freedesktop/DBus", DRIVER, "ListNames", on_names, departures,
                                     NULL) >= 0)
                return;

        forget_question(departures);
}

/* Whether something is held for peers that costs others. That a peer is known costs a few hundred bytes,
 * which a clock is not to run for: those are looked at when there are many new ones. */
static gboolean holds_something(const Peers *peers)
{
        return peers_charged(peers, QUOTA_CALLS) > 0 || peers_charged(peers, QUOTA_KEPT) > 0 ||
               peers->forwarded > 0;
}

/* The monotonic time of the next question, -1 for none yet. */
static gint64 next_time(Departures *departures, gint64 now)
{
        if (!holds_something(departures->peers))
                departures->held_since = -1;
        else if (departures->held_since < 0)
                departures->held_since = now;

        /* Some of so many may have left. */
        if (peers_size(departures->peers) > departures->peers_max)
                departures->suspected = TRUE;
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

Departures *departures_new(Bus *bus, const Peers *peers, DeparturesFunc *gone, void *data)
{
        Departures *departures = g_new0(Departures, 1);

        ASSERT_MAIN();
        departures->bus = bus;
        departures->peers = peers;
        departures->peers_max = PEERS_MIN;
        departures->gone = gone;
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
