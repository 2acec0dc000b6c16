/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records of objects that are not settled. */

#include "mirror/pending.h"

#include "base/thread.h"

#include <libvirt/libvirt.h>
#include <string.h>

/* How long an event that was told in libvirt's place is known for that. libvirtd sends its events from a loop
 * of its own, later than the answers that show what they tell of: by milliseconds, and by seconds on a host
 * that is busy with other things. */
#define LATE_US (10 * G_TIME_SPAN_SECOND)

struct PendingTable {
        GHashTable *records; /* a set of Pending, by kind and UUID */
};

static guint record_hash(gconstpointer key)
{
        const Pending *pending = key;

        return g_str_hash(pending->uuid) ^ g_direct_hash(pending->kind);
}

static gboolean record_equal(gconstpointer a, gconstpointer b)
{
        const Pending *x = a, *y = b;

        return x->kind == y->kind && strcmp(x->uuid, y->uuid) == 0;
}

void pending_forget_changed(Pending *pending)
{
        ASSERT_MAIN();
        for (size_t i = 0; i < G_N_ELEMENTS(pending->announced); i++)
                g_clear_pointer(&pending->announced[i], g_variant_unref);
}

void held_event_free(HeldEvent *held)
{
        ASSERT_MAIN();
        packed_value_unref(held->event.details);
        g_free(held->path);
        g_free(held->name);
        g_free(held->uuid);
        g_free(held);
}

static void record_free(void *data)
{
        Pending *pending = data;

        pending_unpark(pending);
        pending_forget_changed(pending);
        g_queue_clear_full(&pending->held, (GDestroyNotify)held_event_free);
        g_clear_pointer(&pending->doubts, g_array_unref);
        g_clear_pointer(&pending->waiters, g_array_unref);
        g_free(pending);
}

PendingTable *pending_table_new(void)
{
        PendingTable *table = g_new0(PendingTable, 1);

        ASSERT_MAIN();
        table->records = g_hash_table_new_full(record_hash, record_equal, record_free, NULL);
        return table;
}

void pending_table_free(PendingTable *table)
{
        ASSERT_MAIN();
        if (!table)
                return;

        g_hash_table_unref(table->records);
        g_free(table);
}

Pending *pending_find(const PendingTable *table, const Kind *kind, const char *uuid)
{
        Pending key = {.kind = kind};

        ASSERT_MAIN();
        g_strlcpy(key.uuid, uuid, sizeof key.uuid);
        return g_hash_table_lookup(table->records, &key);
}

Pending *pending_get(PendingTable *table, const Kind *kind, const char *uuid)
{
        Pending *pending = pending_find(table, kind, uuid);

        ASSERT_MAIN();
        if (pending)
                return pending;

        pending = g_new0(Pending, 1);
        pending->kind = kind;
        g_strlcpy(pending->uuid, uuid, sizeof pending->uuid);
        g_queue_init(&pending->held);
        g_hash_table_add(table->records, pending);
        return pending;
}

unsigned pending_size(const PendingTable *table)
{
        ASSERT_MAIN();
        return g_hash_table_size(table->records);
}

void pending_clear(PendingTable *table)
{
        ASSERT_MAIN();
        g_hash_table_remove_all(table->records);
}

GPtrArray *pending_all(const PendingTable *table)
{
        GPtrArray *all = g_ptr_array_sized_new(g_hash_table_size(table->records));
        GHashTableIter iter;
        gpointer pending;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, table->records);
        while (g_hash_table_iter_next(&iter, &pending, NULL))
                g_ptr_array_add(all, pending);
        return all;
}

void pending_hold(Pending *pending, const Event *event)
{
        HeldEvent *held = g_new0(HeldEvent, 1);

        ASSERT_MAIN();
        held->path = g_strdup(event->path);
        held->name = g_strdup(event->name);
        held->uuid = g_strdup(event->uuid);
        held->event = *event;
        held->event.path = held->path;
        held->event.name = held->name;
        held->event.uuid = held->uuid;
        held->event.details = packed_value_ref(event->details);
        g_queue_push_tail(&pending->held, held);
}

HeldEvent *pending_pop_held(Pending *pending)
{
        ASSERT_MAIN();
        return g_queue_pop_head(&pending->held);
}

gboolean pending_complete(Pending *pending, Answer *answer)
{
        ASSERT_MAIN();
        if (!pending->is_parked || !pending->parked.present || !answer->present)
                return TRUE;

        for (size_t i = 0; i < G_N_ELEMENTS(answer->values); i++) {
                if (answer->values[i] || !pending->parked.values[i])
                        continue;
                if (pending->outdated)
                        return FALSE;

                answer->values[i] = g_steal_pointer(&pending->parked.values[i]);
        }

        return TRUE;
}

void pending_park(Pending *pending, Answer *answer)
{
        ASSERT_MAIN();
        pending_unpark(pending);
        pending->parked = *answer;
        memset(answer->values, 0, sizeof answer->values);
        pending->is_parked = TRUE;
        pending->outdated = FALSE;
}

void pending_unpark(Pending *pending)
{
        ASSERT_MAIN();
        if (!pending->is_parked)
                return;

        for (size_t i = 0; i < G_N_ELEMENTS(pending->parked.values); i++)
                g_clear_pointer(&pending->parked.values[i], g_variant_unref);
        pending->is_parked = pending->outdated = FALSE;
}

static int stopped_event(const Pending *pending)
{
        return pending->kind == &kind_domain ? (int)VIR_DOMAIN_EVENT_STOPPED : (int)VIR_NETWORK_EVENT_STOPPED;
}

static gboolean has_event(const int *events, unsigned n, int event)
{
        for (unsigned i = 0; i < n; i++)
                if (events[i] == event)
                        return TRUE;

        return FALSE;
}

void pending_expect_late(Pending *pending, const int *events, unsigned n, guint32 id)
{
        ASSERT_MAIN();
        /* What has become of a guest meanwhile does not complete its start. */
        gboolean starts = has_event(pending->late.events, pending->late.n, VIR_DOMAIN_EVENT_STARTED) &&
                          !has_event(events, n, VIR_DOMAIN_EVENT_STARTED) &&
                          !has_event(events, n, stopped_event(pending));

        memcpy(pending->late.events, events, n * sizeof *events);
        pending->late.n = n;
        if (starts)
                pending->late.events[pending->late.n++] = VIR_DOMAIN_EVENT_STARTED;
        pending->late.id = id;
        pending->late.until = g_get_monotonic_time() + LATE_US;
}

/* A definition that is told twice may be two: the second time it is another one. */
static gboolean is_repeatable(const Event *event)
{
        return event->kind == &kind_domain && event->lifecycle == VIR_DOMAIN_EVENT_DEFINED &&
               event->detail != VIR_DOMAIN_EVENT_DEFINED_ADDED &&
               event->detail != VIR_DOMAIN_EVENT_DEFINED_RENAMED;
}

static gboolean is_definition(int event)
{
        return event == VIR_DOMAIN_EVENT_DEFINED || event == VIR_DOMAIN_EVENT_UNDEFINED;
}

/* Takes the event out, and those of the same life before it, which do not come any more: libvirt keeps their
 * order. It may define and undefine the object at any time meanwhile. */
static void drop_late(Pending *pending, unsigned place)
{
        gboolean definition = is_definition(pending->late.events[place]);
        unsigned stay = 0;

        for (unsigned i = 0; i < pending->late.n; i++)
                if (definition ? i != place : i > place || is_definition(pending->late.events[i]))
                        pending->late.events[stay++] = pending->late.events[i];
        pending->late.n = stay;
}

/* What is told of another life comes after the end of the one before, which does not come any more. */
static void pass_end(Pending *pending, const Event *event)
{
        if (event->id == 0 || pending->late.id == 0 || event->id == pending->late.id)
                return;

        for (unsigned i = pending->late.n; i-- > 0;)
                if (pending->late.events[i] == stopped_event(pending)) {
                        drop_late(pending, i);
                        break;
                }
}

static gboolean is_stop_late(const Pending *pending)
{
        for (unsigned i = 0; i < pending->late.n; i++)
                if (!is_definition(pending->late.events[i]))
                        return pending->late.events[i] == stopped_event(pending);

        return FALSE;
}

/* Something else has happened: what was told in libvirt's place may happen again, and is told then. But a
 * start is told when it is complete, after all that it consists of. */
static void forget_late(Pending *pending, const Event *event)
{
        unsigned stay = 0;

        for (unsigned i = 0; i < pending->late.n; i++)
                if (is_definition(event->lifecycle)
                            ? !is_definition(pending->late.events[i])
                            : is_definition(pending->late.events[i]) ||
                                      (pending->late.events[i] == VIR_DOMAIN_EVENT_STARTED &&
                                       event->lifecycle != stopped_event(pending)))
                        pending->late.events[stay++] = pending->late.events[i];
        pending->late.n = stay;
}

gboolean pending_is_late(Pending *pending, const Event *event)
{
        gboolean expired = g_get_monotonic_time() > pending->late.until;

        ASSERT_MAIN();
        pass_end(pending, event);
        for (unsigned i = 0; i < pending->late.n && !expired && !is_repeatable(event); i++) {
                if (pending->late.events[i] != event->lifecycle)
                        continue;

                drop_late(pending, i);
                return TRUE;
        }

        if (expired)
                pending->late.n = 0;
        /* What comes before a stop that was told happened before it: a guest shut down first, or was paused.
         */
        if (is_stop_late(pending) && !is_definition(event->lifecycle) &&
            event->lifecycle != VIR_DOMAIN_EVENT_STARTED)
                return TRUE;

        forget_late(pending, event);
        return FALSE;
}

void pending_end_life(Pending *pending, guint32 id)
{
        ASSERT_MAIN();
        pending->late.ended_id = id;
        pending->late.ended_at = g_get_monotonic_time();
}

static gboolean remembers_end(const Pending *pending)
{
        return pending->late.ended_id != 0 && g_get_monotonic_time() - pending->late.ended_at <= LATE_US;
}

gboolean pending_is_after_end(const Pending *pending, const Event *event)
{
        ASSERT_MAIN();
        return remembers_end(pending) && event->id == pending->late.ended_id;
}

void pending_add_waiter(Pending *pending, WaitFunc *func, void *data)
{
        const Waiter waiter = {.func = func, .data = data};

        ASSERT_MAIN();
        if (!pending->waiters)
                pending->waiters = g_array_new(FALSE, FALSE, sizeof waiter);
        g_array_append_val(pending->waiters, waiter);
}

void pending_remember(Pending *pending, unsigned slot, GVariant *value)
{
        ASSERT_MAIN();
        if (!pending->announced[slot])
                pending->announced[slot] = g_variant_ref(value);
}

guint32 pending_take_changed(Pending *pending, const Item *item)
{
        guint32 changed = 0;

        ASSERT_MAIN();
        for (unsigned i = 0; i < item->kind->native->n_properties; i++) {
                g_autoptr(GVariant) announced = g_steal_pointer(&pending->announced[i]);

                if (announced && !g_variant_equal(announced, item->values[i]))
                        changed |= 1u << i;
        }

        return changed;
}

gboolean pending_has_changed(const Pending *pending)
{
        ASSERT_MAIN();
        for (size_t i = 0; i < G_N_ELEMENTS(pending->announced); i++)
                if (pending->announced[i])
                        return TRUE;

        return FALSE;
}

gboolean pending_is_at_rest(const Pending *pending)
{
        ASSERT_MAIN();
        return pending->held.length == 0 && pending->late.n == 0 && !pending->is_parked &&
               !pending->awaited_by && !pending->doubts && !pending->waiters && !pending->ask_again &&
               pending->deadline == 0;
}

void pending_settle(PendingTable *table, Pending *pending, guint64 pass)
{
        gboolean late = pending->late.n > 0 && g_get_monotonic_time() <= pending->late.until;

        ASSERT_MAIN();
        if (pending->pass >= pass || pending->held.length > 0 || pending->is_parked || pending->awaited_by ||
            late || pending->ask_again || remembers_end(pending) || pending->doubts || pending->waiters ||
            pending_has_changed(pending))
                return;

        g_hash_table_remove(table->records, pending);
}

gint64 pending_next_deadline(const PendingTable *table)
{
        GHashTableIter iter;
        gpointer key;
        gint64 next = 0;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, table->records);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
                const Pending *pending = key;

                if (pending->deadline > 0 && (next == 0 || pending->deadline < next))
                        next = pending->deadline;
        }

        return next;
}

static Status unknown(const Kind *kind)
{
        return (Status){.state = kind == &kind_domain ? "shutoff" : "inactive", .name = ""};
}

Status pending_status(const Pending *pending, const Status *after)
{
        Status status = after && after->present ? *after : unknown(pending->kind);

        ASSERT_MAIN();
        status.present = pending->held.length > 0;
        for (const GList *each = pending->held.head; each; each = each->next) {
                const HeldEvent *held = each->data;

                status.name = held->name;
                reconcile_apply(pending->kind, &status, &held->event);
        }

        return status;
}
