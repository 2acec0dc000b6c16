/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "due.h"

#include <string.h>

/* Listing a domain among many costs some 10 µs, asking for one alone two round trips of some 100 µs: a list
 * of all is cheaper from this many on, or from this part of all on. */
#define LIST_FROM      16
#define LIST_FROM_PART 32

/* Facts asked for in one round: few enough that an event's round, which waits for it, is not late. */
#define FACTS_AT_ONCE 32

typedef struct Waiter {
        RefreshWait *func;
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

void due_init(Due *due)
{
        *due = (Due){.domains = set_new(), .facts = set_new(), .waiters = waiters_new()};
}

void due_clear(Due *due)
{
        g_hash_table_unref(due->domains);
        g_hash_table_unref(due->facts);
        g_array_unref(due->waiters);
}

static gboolean add_domain(Due *due, const char *uuid, Aspects aspects)
{
        guint wanted = GPOINTER_TO_UINT(g_hash_table_lookup(due->domains, uuid)) | aspects;

        return g_hash_table_replace(due->domains, g_strdup(uuid), GUINT_TO_POINTER(wanted));
}

static gboolean add_kind(Due *due, size_t index)
{
        gboolean was = due->kinds[index];

        due->kinds[index] = TRUE;
        return !was;
}

void due_add_all(Due *due)
{
        due->held = FALSE;
        due->all = TRUE;
}

gboolean due_add(Due *due, const Kind *kind, const char *uuid, Aspects aspects)
{
        due->held = FALSE;
        return kind == &kind_domain ? add_domain(due, uuid, aspects) : add_kind(due, mirrored_index(kind));
}

static gboolean add_domains(Due *due, GHashTable *uuids)
{
        GHashTableIter iter;
        gpointer uuid;

        g_hash_table_iter_init(&iter, uuids);
        while (g_hash_table_iter_next(&iter, &uuid, NULL))
                add_domain(due, uuid, ASPECT_LIFE | ASPECT_DEFINITION);

        return g_hash_table_size(uuids) > 0;
}

gboolean due_add_again(Due *due, const Round *round, GHashTable *passing)
{
        gboolean alone = due->held || due_is_empty(due);
        gboolean any = add_domains(due, round->failed);

        any = add_domains(due, passing) || any;
        for (size_t i = 0; i < N_MIRRORED; i++) {
                if (!round->list[i] || round->listed[i])
                        continue;

                any = TRUE;
                add_kind(due, i);
        }

        if (any)
                due->held = alone;
        return any;
}

void due_release(Due *due)
{
        due->held = FALSE;
}

void due_add_waiter(Due *due, gint64 deadline, RefreshWait *done, void *data)
{
        const Waiter waiter = {done, data, deadline};

        due->held = FALSE;
        if (done)
                g_array_append_val(due->waiters, waiter);
}

gboolean due_has(const Due *due, const Kind *kind, const char *uuid)
{
        return due->all || due->kinds[mirrored_index(kind)] || g_hash_table_contains(due->domains, uuid);
}

gboolean due_is_empty(const Due *due)
{
        for (size_t i = 0; i < G_N_ELEMENTS(due->kinds); i++)
                if (due->kinds[i])
                        return FALSE;

        return !due->all && g_hash_table_size(due->domains) == 0 && due->waiters->len == 0;
}

static gboolean lists_domains(const Due *due, unsigned known)
{
        return due->all || due->kinds[0] ||
               g_hash_table_size(due->domains) >= MAX(LIST_FROM, known / LIST_FROM_PART);
}

static void take_facts(Due *due, Round *round)
{
        GHashTableIter iter;
        gpointer uuid;

        g_hash_table_iter_init(&iter, due->facts);
        while (round->facts->len < FACTS_AT_ONCE && g_hash_table_iter_next(&iter, &uuid, NULL))
                g_ptr_array_add(round->facts, uuid);

        /* Not through the iterator, which leaves the table as large as it was: each round would go past all
         * that the rounds before have taken. */
        for (guint i = 0; i < round->facts->len; i++)
                g_hash_table_steal(due->facts, g_ptr_array_index(round->facts, i));
}

GArray *due_take(Due *due, Round *round, unsigned known)
{
        GHashTable *empty = round->asked;

        if (due->held || due_is_empty(due))
                take_facts(due, round);
        if (due->held && round->facts->len > 0)
                return waiters_new();

        due->held = FALSE;
        round->all = due->all;
        round->list[0] = lists_domains(due, known);
        for (size_t i = 1; i < G_N_ELEMENTS(round->list); i++)
                round->list[i] = due->all || due->kinds[i];

        /* A list has them all. */
        if (round->list[0])
                g_hash_table_remove_all(due->domains);
        round->asked = due->domains;
        due->domains = empty;

        due->all = FALSE;
        memset(due->kinds, 0, sizeof due->kinds);
        return due_take_waiters(due);
}

GArray *due_take_waiters(Due *due)
{
        GArray *waiters = due->waiters;

        due->waiters = waiters_new();
        return waiters;
}

GArray *due_take_late(GArray *waiters, gint64 now, gint64 *next)
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

void due_tell(const GArray *waiters, gboolean told)
{
        for (guint i = 0; i < waiters->len; i++) {
                const Waiter *waiter = &g_array_index(waiters, Waiter, i);

                waiter->func(told, waiter->data);
        }
}
