/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rounds. */

#include "refresh.h"

#include "apply.h"
#include "due.h"
#include "error.h"
#include "job.h"
#include "loop.h"
#include "round.h"

#include <string.h>

/* Answers applied in one go: each that changes something is told to the bus, and the main thread has other
 * work than telling thousands in a row. */
#define APPLIED_AT_ONCE 128

/* Rounds that nobody waits for begin at most this often: an event on its own is asked about at once, and many
 * in a row cost a few rounds. Short enough for who watches properties on a screen. */
#define REST_MS 50

/* What libvirt did not answer on a connection that lives, or not for good, is asked for again: first after
 * this time, then after twice as long, and so on. */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   60000

struct Refresh {
        Link *link;
        Handles *handles; /* of the link's connection */
        Mirror *mirror;
        const RefreshOwner *owner;
        void *data;
        gboolean filled;
        gboolean stopped;
        guint64 rounds, coalesced;
        unsigned generation; /* of the connection: what was asked before it was lost tells nothing any more */

        unsigned retry_timer, retry_ms;
        unsigned rest_timer;
        unsigned late_timer; /* while somebody may wait with a deadline */
        gint64 began;        /* the last round */

        /* The round that is under way. */
        Round *round;
        unsigned round_generation;
        GArray *round_waiters; /* see due_tell() */
        GHashTable *passing;   /* a set of UUIDs: domains in a state that does not last */
        GArray *order;         /* of its answers, see apply_order() */
        guint applied;         /* of these */

        Due due; /* for the next one */
};

static void refresh_start(Refresh *refresh);
static void refresh_start_rested(Refresh *refresh);

static gboolean tells_all(const Round *round)
{
        return round->all && !round->error;
}

/* First what is gone: a name may have passed to another object. */
static void begin_applying(Refresh *refresh, const Round *round)
{
        refresh->owner->applying(tells_all(round), refresh->data);
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                g_autoptr(GHashTable) leaves = NULL;

                if (!round->listed[i])
                        continue;

                leaves = apply_leaves(mirrored_kinds[i], round->answers);
                refresh->owner->absent(mirrored_kinds[i], leaves, refresh->data);
        }
}

static void end_applying(Refresh *refresh, const Round *round)
{
        if (tells_all(round)) {
                refresh->filled = TRUE;
                apply_missing_facts(refresh->mirror, refresh->due.facts);
        }

        for (size_t i = 0; mirrored_kinds[i] && !round->error; i++)
                if (round->list[i])
                        refresh->owner->listed(mirrored_kinds[i], round->listed[i], refresh->data);
        refresh->owner->applied(tells_all(round), !round->error, refresh->data);
}

static gboolean on_retry(gpointer user_data)
{
        Refresh *refresh = user_data;

        refresh->retry_timer = 0;
        due_release(&refresh->due);
        refresh_start(refresh);
        return G_SOURCE_REMOVE;
}

/* Has what libvirt did not answer, or not for good, asked for again, in a while; with what becomes due
 * before, if something does. A connection that is lost has its own end for this. */
static void retry_unanswered(Refresh *refresh, const Round *round, GHashTable *passing)
{
        gboolean any = due_add_again(&refresh->due, round, passing) || round->error;

        if (!any) {
                /* What is held keeps its time. */
                if (!refresh->due.held)
                        refresh->retry_ms = 0;
                return;
        }

        if (refresh->stopped || refresh->retry_timer || link_state(refresh->link) != LINK_OPEN)
                return;

        refresh->retry_ms = CLAMP(refresh->retry_ms * 2, RETRY_FIRST_MS, RETRY_MAX_MS);
        refresh->retry_timer = g_timeout_add(refresh->retry_ms, on_retry, refresh);
}

static void round_end(Refresh *refresh, Round *round)
{
        g_autoptr(GArray) waiters = g_steal_pointer(&refresh->round_waiters);
        g_autoptr(GHashTable) passing = g_steal_pointer(&refresh->passing);
        gboolean again = !due_is_empty(&refresh->due) && !refresh->due.held;

        refresh->round = NULL;
        g_clear_pointer(&refresh->order, g_array_unref);
        refresh->rounds++;
        end_applying(refresh, round);

        /* What stayed without an answer is in the next list: that of a new connection, or with whatever is
         * due next. Not at once, as the cause is likely to be there still. */
        if (round->error) {
                due_add_all(&refresh->due);
                g_hash_table_remove_all(refresh->due.facts);
        }

        retry_unanswered(refresh, round, passing);
        due_tell(waiters, !round->error && g_hash_table_size(round->failed) == 0);
        if (refresh->due.waiters->len > 0 || (!round->error && g_hash_table_size(refresh->due.facts) > 0))
                refresh_start(refresh);
        else if (again)
                refresh_start_rested(refresh);

        round_free(round);
}

/* Whether nothing of it counts: it was asked before the connection was lost, or is part of a list of all,
 * which is no list of all. */
static gboolean is_void(const Refresh *refresh, const Round *round)
{
        return refresh->round_generation != refresh->generation || (round->all && round->error);
}

/* Applies some answers. The connection may get lost between two times; the rest is void then. */
static gboolean round_apply(gpointer user_data)
{
        Refresh *refresh = user_data;
        Round *round = refresh->round;
        guint end = MIN(refresh->applied + APPLIED_AT_ONCE, round->answers->len);

        if (is_void(refresh, round)) {
                if (!round->error)
                        g_set_error_literal(&round->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                                            "the connection was lost");
                end = refresh->applied = round->answers->len;
        }

        for (; refresh->applied < end; refresh->applied++) {
                guint place = g_array_index(refresh->order, guint, refresh->applied);
                Answer *answer = &g_array_index(round->answers, Answer, place);

                if (apply_is_passing(refresh->mirror, answer))
                        g_hash_table_add(refresh->passing, g_strdup(answer->uuid));
                refresh->owner->answer(answer, refresh->data);
                apply_scheduler(refresh->mirror, answer, refresh->due.facts);
        }

        if (refresh->applied < round->answers->len)
                return G_SOURCE_CONTINUE;

        round_end(refresh, round);
        return G_SOURCE_REMOVE;
}

/* Worker thread. */
static void round_work(void *data)
{
        round_ask(data);
}

/* Main thread. */
static void round_done(void *data)
{
        const Round *round = data;
        Refresh *refresh = round->data;

        /* What libvirt told before it answered. A comparison would tell it as if nobody had. */
        loop_catch_up();

        if (!is_void(refresh, round))
                begin_applying(refresh, round);
        refresh->order = apply_order(refresh->mirror, round->answers);
        if (round_apply(refresh) == G_SOURCE_CONTINUE)
                g_idle_add_full(G_PRIORITY_DEFAULT, round_apply, refresh, NULL);
}

/* Nobody is asked any more. Those who are told so may have others wait: hence the loop. */
static void send_away(Refresh *refresh)
{
        while (refresh->due.waiters->len > 0) {
                g_autoptr(GArray) waiters = due_take_waiters(&refresh->due);

                due_tell(waiters, FALSE);
        }
}

static void refresh_start(Refresh *refresh)
{
        if (refresh->stopped)
                send_away(refresh);
        if (refresh->round || refresh->stopped)
                return;

        g_clear_handle_id(&refresh->rest_timer, g_source_remove);
        refresh->began = g_get_monotonic_time();
        refresh->round = round_new(refresh->link, refresh->handles);
        refresh->round->data = refresh;
        refresh->round_generation = refresh->generation;
        refresh->round_waiters =
                due_take(&refresh->due, refresh->round, mirror_size(refresh->mirror, &kind_domain));
        refresh->passing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        refresh->applied = 0;
        job_start(round_work, round_done, refresh->round);
}

static gboolean on_rested(gpointer user_data)
{
        Refresh *refresh = user_data;

        refresh->rest_timer = 0;
        refresh_start(refresh);
        return G_SOURCE_REMOVE;
}

static void refresh_start_rested(Refresh *refresh)
{
        gint64 rested = (g_get_monotonic_time() - refresh->began) / 1000;

        if (refresh->stopped || rested >= REST_MS)
                refresh_start(refresh);
        else if (!refresh->round && !refresh->rest_timer)
                refresh->rest_timer = g_timeout_add(REST_MS - (unsigned)rested, on_rested, refresh);
}

Refresh *refresh_new(Link *link, Mirror *mirror, const RefreshOwner *owner, void *data)
{
        Refresh *refresh = g_new0(Refresh, 1);

        refresh->link = link;
        refresh->handles = handles_new();
        refresh->mirror = mirror;
        refresh->owner = owner;
        refresh->data = data;
        due_init(&refresh->due);
        return refresh;
}

void refresh_stop(Refresh *refresh)
{
        refresh->stopped = TRUE;
        refresh_forget(refresh);
        handles_shut(refresh->handles);
        g_clear_handle_id(&refresh->late_timer, g_source_remove);
        send_away(refresh);
}

void refresh_free(Refresh *refresh)
{
        if (!refresh)
                return;

        handles_free(refresh->handles);
        due_clear(&refresh->due);
        g_free(refresh);
}

void refresh_all(Refresh *refresh, RefreshWait *done, void *data)
{
        due_add_all(&refresh->due);
        due_add_waiter(&refresh->due, 0, done, data);
        refresh_start(refresh);
}

static void make_due(Refresh *refresh, const Kind *kind, const char *uuid, Aspects aspects)
{
        if (!due_add(&refresh->due, kind, uuid, aspects))
                refresh->coalesced++;
        if (kind != &kind_domain || !(aspects & ASPECT_FACTS))
                return;

        mirror_set_scheduler(refresh->mirror, uuid, NULL);
        if (mirror_find_uuid(refresh->mirror, &kind_domain, uuid))
                g_hash_table_add(refresh->due.facts, g_strdup(uuid));
}

static gboolean on_late(gpointer user_data);

/* One timer for all who wait. It comes in vain where they have been told, as is usual. */
static void watch_deadline(Refresh *refresh, gint64 deadline)
{
        gint64 left = MAX(deadline - g_get_monotonic_time(), 0);

        if (!refresh->late_timer && !refresh->stopped)
                refresh->late_timer = g_timeout_add((unsigned)(left / 1000) + 1, on_late, refresh);
}

static void tell_late(GArray *waiters, gint64 *next)
{
        g_autoptr(GArray) late = due_take_late(waiters, g_get_monotonic_time(), next);

        due_tell(late, FALSE);
}

/* Libvirt may take any time for an answer: a storage pool, for instance, waits for its server. */
static gboolean on_late(gpointer user_data)
{
        Refresh *refresh = user_data;
        gint64 next = G_MAXINT64;

        refresh->late_timer = 0;
        if (refresh->round)
                tell_late(refresh->round_waiters, &next);
        tell_late(refresh->due.waiters, &next);
        if (next < G_MAXINT64)
                watch_deadline(refresh, next);
        return G_SOURCE_REMOVE;
}

void refresh_wait(Refresh *refresh, const Kind *kind, const char *uuid, Aspects aspects, unsigned within,
                  RefreshWait *done, void *data)
{
        gint64 deadline = within > 0 ? g_get_monotonic_time() + (gint64)within * 1000 : 0;

        make_due(refresh, kind, uuid, aspects);
        due_add_waiter(&refresh->due, deadline, done, data);
        if (deadline > 0)
                watch_deadline(refresh, deadline);
        refresh_start(refresh);
}

void refresh_one(Refresh *refresh, const Kind *kind, const char *uuid, Aspects aspects, gboolean urgent)
{
        make_due(refresh, kind, uuid, aspects);
        if (urgent)
                refresh_start(refresh);
        else
                refresh_start_rested(refresh);
}

void refresh_add_facts(Refresh *refresh, const char *uuid)
{
        g_hash_table_add(refresh->due.facts, g_strdup(uuid));
        /* A round that is under way begins the next one for these. */
        refresh_start(refresh);
}

void refresh_forget(Refresh *refresh)
{
        GHashTableIter iter;
        gpointer item;

        refresh->generation++;
        refresh->retry_ms = 0;
        g_clear_handle_id(&refresh->retry_timer, g_source_remove);
        g_clear_handle_id(&refresh->rest_timer, g_source_remove);
        handles_forget_all(refresh->handles);
        g_hash_table_remove_all(refresh->due.facts);
        mirror_iterate(refresh->mirror, &kind_domain, &iter);
        while (g_hash_table_iter_next(&iter, NULL, &item))
                mirror_set_scheduler(refresh->mirror, item_string(item, DOMAIN1_UUID), NULL);
}

gboolean refresh_is_busy(const Refresh *refresh)
{
        return refresh->round != NULL;
}

gboolean refresh_is_filled(const Refresh *refresh)
{
        return refresh->filled;
}

gboolean refresh_is_due(const Refresh *refresh, const Kind *kind, const char *uuid)
{
        return due_has(&refresh->due, kind, uuid);
}

gboolean refresh_is_settled(const Refresh *refresh, const Kind *kind, const char *uuid)
{
        const Round *round = refresh->round;

        if (refresh_is_due(refresh, kind, uuid))
                return FALSE;

        return !round || (!round->list[mirrored_index(kind)] && !g_hash_table_contains(round->asked, uuid));
}

void refresh_settle(Refresh *refresh, RefreshWait *done, void *data)
{
        due_add_waiter(&refresh->due, 0, done, data);
        refresh_start(refresh);
}

guint64 refresh_rounds(const Refresh *refresh)
{
        return refresh->rounds;
}

guint64 refresh_coalesced(const Refresh *refresh)
{
        return refresh->coalesced;
}
