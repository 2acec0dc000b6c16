/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "mirror/dirty.h"

#include <string.h>

/* Listing a domain among many costs some 10 µs, asking for one alone two round trips of some 100 µs: a list
 * of all is cheaper from this many on, or from this part of all on. */
#define LIST_FROM      16
#define LIST_FROM_PART 32

/* Facts asked for in one round: few enough that an event's round, which waits for it, is not late. */
#define FACTS_AT_ONCE 32

typedef struct Waiter {
        SyncWait *func;
        void *data;
        gint64 deadline; /* 0: none */
} Waiter;

static GHashTable *set_new(void)
{
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static GArray *waiters_new(void)
{
        return g_array_new(FALSE, FALSE, sizeof(Waiter));
}

void dirty_init(Dirty *dirty)
{
        *dirty = (Dirty){.domains = set_new(), .facts = set_new(), .waiters = waiters_new()};
}

void dirty_clear(Dirty *dirty)
{
        g_hash_table_unref(dirty->domains);
        g_hash_table_unref(dirty->facts);
        g_array_unref(dirty->waiters);
}

static gboolean add_domain(Dirty *dirty, const char *uuid, Aspects aspects)
{
        guint wanted = GPOINTER_TO_UINT(g_hash_table_lookup(dirty->domains, uuid)) | aspects;

        return g_hash_table_replace(dirty->domains, g_strdup(uuid), GUINT_TO_POINTER(wanted));
}

static gboolean add_kind(Dirty *dirty, size_t index)
{
        gboolean was = dirty->kinds[index];

        dirty->kinds[index] = TRUE;
        return !was;
}

void dirty_add_all(Dirty *dirty)
{
        dirty->held = FALSE;
        dirty->all = TRUE;
}

gboolean dirty_add(Dirty *dirty, const Kind *kind, const char *uuid, Aspects aspects)
{
        dirty->held = FALSE;
        return kind == &kind_domain ? add_domain(dirty, uuid, aspects)
                                    : add_kind(dirty, mirrored_index(kind));
}

static gboolean add_domains(Dirty *dirty, GHashTable *uuids)
{
        GHashTableIter iter;
        gpointer uuid;

        g_hash_table_iter_init(&iter, uuids);
        while (g_hash_table_iter_next(&iter, &uuid, NULL))
                add_domain(dirty, uuid, ASPECT_LIFE | ASPECT_DEFINITION);

        return g_hash_table_size(uuids) > 0;
}

gboolean dirty_add_again(Dirty *dirty, const Pass *pass, GHashTable *passing)
{
        gboolean alone = dirty->held || dirty_is_empty(dirty);
        gboolean any = add_domains(dirty, pass->failed);

        any = add_domains(dirty, passing) || any;
        for (size_t i = 0; i < N_MIRRORED; i++) {
                if (!pass->list[i] || pass->listed[i])
                        continue;

                any = TRUE;
                add_kind(dirty, i);
        }

        if (any)
                dirty->held = alone;
        return any;
}

void dirty_release(Dirty *dirty)
{
        dirty->held = FALSE;
}

void dirty_add_waiter(Dirty *dirty, gint64 deadline, SyncWait *done, void *data)
{
        const Waiter waiter = {done, data, deadline};

        dirty->held = FALSE;
        if (done)
                g_array_append_val(dirty->waiters, waiter);
}

gboolean dirty_has(const Dirty *dirty, const Kind *kind, const char *uuid)
{
        return dirty->all || dirty->kinds[mirrored_index(kind)] ||
               g_hash_table_contains(dirty->domains, uuid);
}

gboolean dirty_is_empty(const Dirty *dirty)
{
        for (size_t i = 0; i < G_N_ELEMENTS(dirty->kinds); i++)
                if (dirty->kinds[i])
                        return FALSE;

        return !dirty->all && g_hash_table_size(dirty->domains) == 0 && dirty->waiters->len == 0;
}

static gboolean lists_domains(const Dirty *dirty, unsigned known)
{
        return dirty->all || dirty->kinds[0] ||
               g_hash_table_size(dirty->domains) >= MAX(LIST_FROM, known / LIST_FROM_PART);
}

static void take_facts(Dirty *dirty, Pass *pass)
{
        GHashTableIter iter;
        gpointer uuid;

        g_hash_table_iter_init(&iter, dirty->facts);
        while (pass->facts->len < FACTS_AT_ONCE && g_hash_table_iter_next(&iter, &uuid, NULL))
                g_ptr_array_add(pass->facts, uuid);

        /* Not through the iterator, which leaves the table as large as it was: each round would go past all
         * that the rounds before have taken. */
        for (guint i = 0; i < pass->facts->len; i++)
                g_hash_table_steal(dirty->facts, g_ptr_array_index(pass->facts, i));
}

GArray *dirty_take(Dirty *dirty, Pass *pass, unsigned known)
{
        GHashTable *empty = pass->asked;

        if (dirty->held || dirty_is_empty(dirty))
                take_facts(dirty, pass);
        if (dirty->held && pass->facts->len > 0)
                return waiters_new();

        dirty->held = FALSE;
        pass->all = dirty->all;
        pass->list[0] = lists_domains(dirty, known);
        for (size_t i = 1; i < G_N_ELEMENTS(pass->list); i++)
                pass->list[i] = dirty->all || dirty->kinds[i];

        /* A list has them all. */
        if (pass->list[0])
                g_hash_table_remove_all(dirty->domains);
        pass->asked = dirty->domains;
        dirty->domains = empty;

        dirty->all = FALSE;
        memset(dirty->kinds, 0, sizeof dirty->kinds);
        return dirty_take_waiters(dirty);
}

GArray *dirty_take_waiters(Dirty *dirty)
{
        GArray *waiters = dirty->waiters;

        dirty->waiters = waiters_new();
        return waiters;
}

GArray *dirty_take_late(GArray *waiters, gint64 now, gint64 *next)
{
        GArray *late = waiters_new();
        guint stay = 0;

        for (guint i = 0; i < waiters->len; i++) {
                const Waiter waiter = g_array_index(waiters, Waiter, i);

                if (waiter.deadline > 0 && waiter.deadline <= now) {
                        g_array_append_val(late, waiter);
                        continue;
                }

                g_array_index(waiters, Waiter, stay++) = waiter;
                if (waiter.deadline > 0)
                        *next = MIN(*next, waiter.deadline);
        }

        g_array_set_size(waiters, stay);
        return late;
}

void dirty_tell(const GArray *waiters, gboolean told)
{
        for (guint i = 0; i < waiters->len; i++) {
                const Waiter *waiter = &g_array_index(waiters, Waiter, i);

                waiter->func(told, waiter->data);
        }
}
