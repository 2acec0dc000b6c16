/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeping the mirror.
 *
 * There is one round of asking at a time. What becomes due meanwhile waits for the next one, so answers are
 * applied in the order in which libvirt gave them, none can overwrite a newer one, and a burst of events
 * costs one round and not one for each. */

#include "mirror.h"

#include "error.h"
#include "job.h"
#include "path.h"

#include <libvirt/virterror.h>
#include <string.h>

/* Listing a domain among many costs some 3 µs, asking for one alone some 100 µs of round trip: one list of
 * all is cheaper from this many on, or from this part of all on. */
#define LIST_FROM      16
#define LIST_FROM_PART 32

typedef struct Waiter {
        PostFunc *func;
        void *data;
} Waiter;

struct Mirror {
        Link *link;
        GHashTable *domains; /* a set of leaves */
        gboolean filled;

        gboolean running;  /* a round is under way */
        gboolean list_due; /* for the next round */
        GHashTable *due;   /* a set of UUIDs, for the next round */
        GArray *waiters;   /* of Waiter, for the end of the next round */
};

/* One round: what to ask, and what libvirt said. */
typedef struct Round {
        Mirror *mirror;
        GArray *waiters;
        gboolean all;
        GPtrArray *asked; /* UUIDs; with @all, those that there are */
        GArray *present;  /* of gboolean, for each of @asked */
        GError *error;
} Round;

static void mirror_start_round(Mirror *mirror);

static void round_list_all(Round *round, virConnectPtr conn)
{
        virDomainPtr *domains = NULL;
        int n = virConnectListAllDomains(conn, &domains, 0);

        if (n < 0) {
                error_take_libvirt(&round->error);
                return;
        }

        for (int i = 0; i < n; i++) {
                char uuid[VIR_UUID_STRING_BUFLEN];

                if (virDomainGetUUIDString(domains[i], uuid) == 0)
                        g_ptr_array_add(round->asked, g_strdup(uuid));
                virDomainFree(domains[i]);
        }

        free(domains);
}

static void round_ask_each(Round *round, virConnectPtr conn)
{
        for (guint i = 0; i < round->asked->len; i++) {
                virDomainPtr domain = virDomainLookupByUUIDString(conn, g_ptr_array_index(round->asked, i));
                gboolean present = domain != NULL;

                /* Only libvirt's own word makes a domain disappear, never a failure to ask. What was answered
                 * up to here counts. */
                if (!domain && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN) {
                        error_take_libvirt(&round->error);
                        return;
                }

                g_array_append_val(round->present, present);
                if (domain)
                        virDomainFree(domain);
        }
}

/* Worker thread. */
static void round_work(void *data)
{
        Round *round = data;
        virConnectPtr conn = link_acquire(round->mirror->link, &round->error);

        if (!conn)
                return;

        if (round->all)
                round_list_all(round, conn);
        else
                round_ask_each(round, conn);

        virConnectClose(conn);
}

static void round_free(Round *round)
{
        g_array_unref(round->waiters);
        g_ptr_array_unref(round->asked);
        g_array_unref(round->present);
        g_clear_error(&round->error);
        g_free(round);
}

static void mirror_apply_list(Mirror *mirror, const Round *round)
{
        g_hash_table_remove_all(mirror->domains);
        mirror->filled = TRUE;
        for (guint i = 0; i < round->asked->len; i++)
                g_hash_table_add(mirror->domains, path_uuid_leaf(g_ptr_array_index(round->asked, i)));
}

static void mirror_apply_answers(Mirror *mirror, const Round *round)
{
        for (guint i = 0; i < round->present->len; i++) {
                g_autofree char *leaf = path_uuid_leaf(g_ptr_array_index(round->asked, i));

                if (g_array_index(round->present, gboolean, i))
                        g_hash_table_add(mirror->domains, g_steal_pointer(&leaf));
                else
                        g_hash_table_remove(mirror->domains, leaf);
        }
}

/* Main thread. */
static void round_done(void *data)
{
        Round *round = data;
        Mirror *mirror = round->mirror;
        gboolean again;

        if (!round->all)
                mirror_apply_answers(mirror, round);
        else if (!round->error)
                mirror_apply_list(mirror, round);

        mirror->running = FALSE;
        again = mirror->list_due || g_hash_table_size(mirror->due) > 0 || mirror->waiters->len > 0;
        /* What stayed without an answer is in the next list: that of a new connection, or with whatever is
         * due next. Not at once, as the cause is likely to be there still. */
        if (round->error)
                mirror->list_due = TRUE;
        for (guint i = 0; i < round->waiters->len; i++) {
                const Waiter *waiter = &g_array_index(round->waiters, Waiter, i);

                waiter->func(waiter->data);
        }

        if (again || mirror->waiters->len > 0)
                mirror_start_round(mirror);

        round_free(round);
}

static void mirror_start_round(Mirror *mirror)
{
        Round *round;
        GHashTableIter iter;
        gpointer uuid;

        if (mirror->running)
                return;

        round = g_new0(Round, 1);
        round->mirror = mirror;
        round->all = mirror->list_due ||
                     g_hash_table_size(mirror->due) >= MAX(LIST_FROM, mirror_size(mirror) / LIST_FROM_PART);
        round->asked = g_ptr_array_new_with_free_func(g_free);
        round->present = g_array_new(FALSE, FALSE, sizeof(gboolean));
        round->waiters = g_steal_pointer(&mirror->waiters);

        g_hash_table_iter_init(&iter, mirror->due);
        while (g_hash_table_iter_next(&iter, &uuid, NULL)) {
                g_hash_table_iter_steal(&iter);
                if (round->all)
                        g_free(uuid);
                else
                        g_ptr_array_add(round->asked, uuid);
        }

        mirror->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        mirror->list_due = FALSE;
        mirror->running = TRUE;
        job_start(round_work, round_done, round);
}

Mirror *mirror_new(Link *link)
{
        Mirror *mirror = g_new0(Mirror, 1);

        mirror->link = link;
        mirror->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        mirror->due = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        mirror->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        return mirror;
}

void mirror_free(Mirror *mirror)
{
        if (!mirror)
                return;

        g_hash_table_unref(mirror->domains);
        g_hash_table_unref(mirror->due);
        g_array_unref(mirror->waiters);
        g_free(mirror);
}

static void mirror_add_waiter(Mirror *mirror, PostFunc *func, void *data)
{
        const Waiter waiter = {func, data};

        g_array_append_val(mirror->waiters, waiter);
}

void mirror_list(Mirror *mirror, PostFunc *listed, void *data)
{
        mirror->list_due = TRUE;
        mirror_add_waiter(mirror, listed, data);
        mirror_start_round(mirror);
}

void mirror_refresh(Mirror *mirror, const char *uuid)
{
        g_hash_table_add(mirror->due, g_strdup(uuid));
        mirror_start_round(mirror);
}

void mirror_wait(Mirror *mirror, const char *uuid, PostFunc *shown, void *data)
{
        mirror_add_waiter(mirror, shown, data);
        mirror_refresh(mirror, uuid);
}

gboolean mirror_is_filled(const Mirror *mirror)
{
        return mirror->filled;
}

gboolean mirror_has(const Mirror *mirror, const char *leaf)
{
        return g_hash_table_contains(mirror->domains, leaf);
}

void mirror_iterate(const Mirror *mirror, GHashTableIter *iter)
{
        g_hash_table_iter_init(iter, mirror->domains);
}

unsigned mirror_size(const Mirror *mirror)
{
        return g_hash_table_size(mirror->domains);
}
