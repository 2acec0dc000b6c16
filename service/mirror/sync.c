/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Passes. */

#include "mirror/sync.h"

#include "base/background.h"
#include "base/error.h"
#include "base/thread.h"
#include "bus/path.h"
#include "mirror/pass.h"
#include "mirror/reconcile.h"
#include "virt/event_loop.h"

#include <string.h>

/* Answers applied in one go: each that changes something is told to the bus, and the main thread has other
 * work than telling thousands in a row. */
#define APPLIED_AT_ONCE 128

/* What an event puts out of date is asked about this long after it: with what comes of the same cause, other
 * events or the end of the call that changed it, which does not wait. */
#define SHARED_MS 10

/* Passes that nothing waits for begin at most this often: many events in a row cost a few passes. Short
 * enough for a person who watches properties on a screen. */
#define REST_MS 50

/* What an event told and the mirror shows is confirmed this long after it, by one question for all of which
 * that is so. */
#define CONFIRM_MS 1000

/* What libvirt did not answer on a connection that lives, or not for good, is asked for again: first after
 * this time, then after twice as long, and so on. */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   60000

/* Domains whose OSType is asked for in one pass: few enough that an event's pass, which waits for it, is
 * not late. */
#define SYSTEMS_AT_ONCE 32

struct Sync {
        Link *link;
        DomainCache *domain_cache; /* of the link's connection */
        Link *lists[N_MIRRORED];   /* by place in mirrored_kinds, as the next */
        GArray *away[N_MIRRORED];  /* of Waiter: for a list whose link is not open */
        Mirror *mirror;
        const SyncOwner *owner;
        void *data;
        gboolean filled;
        gboolean wants_systems;
        gboolean stopped;
        guint64 passes, coalesced;
        unsigned generation; /* of the connection: what was asked before it was lost tells nothing any more */

        unsigned retry_timer, retry_ms;
        unsigned rest_timer;
        unsigned confirm_timer;
        unsigned late_timer; /* while something may wait with a deadline */
        gint64 began;        /* the last pass */
        gint64 patience_us;  /* for an answer; 0: any time */
        GSource *silence;    /* when that is over; its time is set while a pass asks */

        Pass *pass;    /* that is under way; or NULL */
        Pass *next;    /* what is dirty, and what waits for that; of domains there is more than all or none */
        gboolean held; /* all of that was asked already, and has its time */
        GHashTable *systems; /* a set of UUIDs: see Pass; for when nothing else is due */
};

/* What is dirty */

static void add_all(Sync *sync)
{
        sync->held = FALSE;
        sync->next->dirty.all = TRUE;
}

/* Whether nothing is dirty but systems, and nothing waits. */
static gboolean is_clean(const Pass *next)
{
        return dirty_is_empty(&next->dirty) && next->waiters->len == 0;
}

/* Whether the kind at that place has a link of its own, which is not open. */
static gboolean is_away(const Sync *sync, size_t i)
{
        return sync->lists[i] != sync->link && link_state(sync->lists[i]) != LINK_OPEN;
}

/* What libvirt did not say in @pass, and everything there is to know of domains in a state that does not
 * last. Where nothing else is due it is held for its time, or until something else is, and systems go first.
 * FALSE when that is none. */
static gboolean add_again(Sync *sync, const Pass *pass)
{
        gboolean alone = sync->held || is_clean(sync->next);
        gboolean any = dirty_add_domains(&sync->next->dirty, pass->failed);

        any = dirty_add_domains(&sync->next->dirty, pass->passing) || any;
        for (size_t i = 0; i < N_MIRRORED; i++) {
                if (!pass->dirty.list[i] || pass->listed[i] || is_away(sync, i))
                        continue;

                any = TRUE;
                dirty_add_kind(&sync->next->dirty, mirrored_kinds[i]);
        }

        if (any)
                sync->held = alone;
        return any;
}

/* @done may be NULL. */
static void add_waiter(Sync *sync, gint64 deadline, WaitFunc *done, void *data)
{
        const Waiter waiter = {done, data, deadline};

        sync->held = FALSE;
        if (done)
                g_array_append_val(sync->next->waiters, waiter);
}

/* A list has all domains; but not what a new definition may have made of an OSType that is known. */
static void leave_to_list(Sync *sync, Pass *pass)
{
        GHashTableIter iter;
        gpointer uuid, aspects;

        g_hash_table_iter_init(&iter, pass->dirty.domains);
        while (g_hash_table_iter_next(&iter, &uuid, &aspects)) {
                const Item *item = mirror_find_uuid(sync->mirror, &kind_domain, uuid);

                if (item && item->system_known && (GPOINTER_TO_UINT(aspects) & ASPECT_DEFINITION))
                        g_hash_table_add(sync->systems, g_strdup(uuid));
        }

        g_hash_table_remove_all(pass->dirty.domains);
}

static void choose_lists(Sync *sync, Pass *pass)
{
        dirty_choose_lists(&pass->dirty, mirror_size(sync->mirror, &kind_domain));
        if (pass->dirty.list[mirrored_index(&kind_domain)])
                leave_to_list(sync, pass);
}

static void take_systems(Sync *sync, Pass *pass)
{
        GHashTableIter iter;
        gpointer uuid;

        g_hash_table_iter_init(&iter, sync->systems);
        while (pass->systems->len < SYSTEMS_AT_ONCE && g_hash_table_iter_next(&iter, &uuid, NULL))
                g_ptr_array_add(pass->systems, uuid);

        /* Not through the iterator, which leaves the table as large as it was: each pass would go past all
         * that the passes before have taken. */
        for (guint i = 0; i < pass->systems->len; i++)
                g_hash_table_steal(sync->systems, g_ptr_array_index(pass->systems, i));
}

static Pass *new_pass(Sync *sync)
{
        return pass_new(sync->link, sync->domain_cache, sync);
}

/* What is to be asked now. Only systems may be left over, and what is held. */
static Pass *take_next(Sync *sync)
{
        gboolean rests = sync->held || is_clean(sync->next);
        Pass *pass = new_pass(sync);

        if (!sync->held || g_hash_table_size(sync->systems) == 0) {
                Pass *dirty = sync->next;

                sync->next = pass;
                sync->held = FALSE;
                pass = dirty;
        }

        if (rests)
                take_systems(sync, pass);
        choose_lists(sync, pass);
        memcpy(pass->lists, sync->lists, sizeof pass->lists);
        return pass;
}

static GArray *take_waiters(Pass *pass)
{
        GArray *waiters = pass->waiters;

        pass->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        return waiters;
}

/* What waits for a list whose link is open by now waits for the next pass. */
static void take_back(Sync *sync)
{
        for (size_t i = 0; i < N_MIRRORED; i++) {
                GArray *away = sync->away[i];

                if (is_away(sync, i))
                        continue;

                g_array_append_vals(sync->next->waiters, away->data, away->len);
                g_array_set_size(away, 0);
        }
}

/* Takes out of @waiters those whose deadline is over at @now, and returns them. @next becomes the earliest of
 * the others', where it is earlier. */
static GArray *take_late(GArray *waiters, gint64 now, gint64 *next)
{
        GArray *late = g_array_new(FALSE, FALSE, sizeof(Waiter));
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

/* What libvirt answered */

static GVariant *value_of(const Answer *answer, const Item *item, unsigned slot)
{
        return answer->values[slot] ? answer->values[slot] : item ? item->values[slot] : NULL;
}

/* Whether an answer, which may not be shown at once, says with what @mirror has that a domain is in a state
 * that does not last. libvirt tells that a transient domain has stopped before it forgets it, and nothing
 * when it does; nor does it tell that a start has failed. */
static gboolean is_passing(const Mirror *mirror, const Answer *answer)
{
        GVariant *active, *persistent, *reason;
        const Item *item;

        if (!answer->present || answer->kind != &kind_domain)
                return FALSE;

        item = mirror_find_uuid(mirror, answer->kind, answer->uuid);
        active = value_of(answer, item, DOMAIN1_ACTIVE);
        persistent = value_of(answer, item, DOMAIN1_PERSISTENT);
        reason = value_of(answer, item, DOMAIN1_STATE_REASON);
        return active && g_variant_get_boolean(active)
                       ? reason && reconcile_is_starting(g_variant_get_string(reason, NULL))
                       : persistent && !g_variant_get_boolean(persistent);
}

/* What no list has told of the domains of a connection that is new. */
static void add_missing_systems(Sync *sync)
{
        GHashTableIter iter;
        gpointer item;

        mirror_iterate(sync->mirror, &kind_domain, &iter);
        while (g_hash_table_iter_next(&iter, NULL, &item))
                if (!((const Item *)item)->system_known)
                        g_hash_table_add(sync->systems, g_strdup(item_string(item, DOMAIN1_UUID)));
}

/* Passes */

static void start_pass(Sync *sync);
static void start_pass_soon(Sync *sync);

static gboolean tells_all(const Pass *pass)
{
        return pass->dirty.all && !pass->error;
}

/* Whether all objects of the kind at that place were listed, and the answer counts. */
static gboolean is_listed(const Pass *pass, size_t i)
{
        return pass->listed[i] && !pass->lost[i];
}

/* First what is gone: a name may have passed to another object. */
static void begin_applying(Sync *sync, const Pass *pass)
{
        sync->owner->applying(tells_all(pass), sync->data);
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                g_autoptr(GHashTable) leaves = NULL;

                if (!is_listed(pass, i))
                        continue;

                leaves = pass_leaves(pass, mirrored_kinds[i]);
                sync->owner->absent(mirrored_kinds[i], leaves, sync->data);
        }
}

static void end_applying(Sync *sync, const Pass *pass)
{
        if (tells_all(pass)) {
                sync->filled = TRUE;
                if (sync->wants_systems)
                        add_missing_systems(sync);
        }

        for (size_t i = 0; mirrored_kinds[i] && !pass->error; i++)
                if (pass->dirty.list[i])
                        sync->owner->listed(mirrored_kinds[i], is_listed(pass, i), sync->data);
        sync->owner->applied(tells_all(pass), !pass->error, sync->data);
}

static gboolean on_retry(gpointer user_data)
{
        Sync *sync = user_data;

        sync->retry_timer = 0;
        sync->held = FALSE;
        start_pass(sync);
        return G_SOURCE_REMOVE;
}

/* Has what libvirt did not answer, or not for good, asked for again, in a while; with what becomes due
 * before, if something does. A connection that is lost has its own end for this. */
static void retry_unanswered(Sync *sync, const Pass *pass)
{
        gboolean any = add_again(sync, pass) || pass->error;

        if (!any) {
                /* What is held keeps its time. */
                if (!sync->held)
                        sync->retry_ms = 0;
                return;
        }

        if (sync->stopped || sync->retry_timer || link_state(sync->link) != LINK_OPEN)
                return;

        sync->retry_ms = CLAMP(sync->retry_ms * 2, RETRY_FIRST_MS, RETRY_MAX_MS);
        sync->retry_timer = g_timeout_add(sync->retry_ms, on_retry, sync);
}

static void end_pass(Sync *sync, Pass *pass)
{
        gboolean again = !is_clean(sync->next) && !sync->held;

        sync->pass = NULL;
        sync->passes++;
        end_applying(sync, pass);

        /* What stayed without an answer is in the next list: that of a new connection, or with whatever is
         * due next. Not at once, as the cause is likely to be there still. */
        if (pass->error) {
                add_all(sync);
                g_hash_table_remove_all(sync->systems);
        }

        retry_unanswered(sync, pass);
        waiters_tell(take_waiters(pass), !pass->error && g_hash_table_size(pass->failed) == 0);
        if (sync->next->waiters->len > 0 || (!pass->error && g_hash_table_size(sync->systems) > 0))
                start_pass(sync);
        else if (again)
                start_pass_soon(sync);

        pass_free(pass);
}

/* Whether nothing of it counts: it was asked before the connection was lost, or is part of a list of all,
 * which is no list of all. */
static gboolean is_void(const Sync *sync, const Pass *pass)
{
        return pass->generation != sync->generation || (pass->dirty.all && pass->error);
}

/* Applies some answers. The connection may get lost between two times; the rest is void then. */
static gboolean apply_some(gpointer user_data)
{
        Sync *sync = user_data;
        Pass *pass = sync->pass;
        guint end = MIN(pass->applied + APPLIED_AT_ONCE, pass->answers->len);

        if (is_void(sync, pass)) {
                if (!pass->error)
                        g_set_error_literal(&pass->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                                            "the connection was lost");
                end = pass->applied = pass->answers->len;
        }

        for (; pass->applied < end; pass->applied++) {
                guint place = g_array_index(pass->order, guint, pass->applied);
                Answer *answer = &g_array_index(pass->answers, Answer, place);

                if (pass->lost[mirrored_index(answer->kind)])
                        continue;

                if (is_passing(sync->mirror, answer))
                        g_hash_table_add(pass->passing, g_strdup(answer->uuid));
                sync->owner->answer(answer, sync->data);
        }

        if (pass->applied < pass->answers->len)
                return G_SOURCE_CONTINUE;

        end_pass(sync, pass);
        return G_SOURCE_REMOVE;
}

/* Worker thread. */
static void ask_pass(void *data)
{
        pass_ask(data);
}

static void expect_answer(Sync *sync, gboolean asking)
{
        g_source_set_ready_time(sync->silence,
                                asking && sync->patience_us > 0 ? sync->began + sync->patience_us : -1);
}

static gboolean on_silence(GSource *source, GSourceFunc func, gpointer user_data)
{
        Sync *sync = user_data;

        expect_answer(sync, FALSE);
        if (!sync->stopped && link_state(sync->link) == LINK_OPEN)
                sync->owner->silent(sync->pass->dirty.all, sync->data);
        return G_SOURCE_CONTINUE;
}

static GSource *silence_new(Sync *sync)
{
        static GSourceFuncs funcs = {.dispatch = on_silence};
        GSource *source = g_source_new(&funcs, sizeof(GSource));

        g_source_set_static_name(source, "silence of libvirt");
        g_source_set_callback(source, NULL, sync, NULL);
        g_source_attach(source, NULL);
        return source;
}

/* Main thread. */
static void take_pass(void *data)
{
        Pass *pass = data;
        Sync *sync = pass->data;

        expect_answer(sync, FALSE);
        /* What libvirt told before it answered. A comparison would announce it as if libvirt had not. */
        event_loop_catch_up();

        if (!is_void(sync, pass))
                begin_applying(sync, pass);
        pass->order = pass_order(pass, sync->mirror);
        if (apply_some(sync) == G_SOURCE_CONTINUE)
                g_idle_add_full(G_PRIORITY_DEFAULT, apply_some, sync, NULL);
}

/* The list at that place is not to be had. */
static void tell_away(Sync *sync, size_t i)
{
        GArray *away = sync->away[i];

        sync->away[i] = g_array_new(FALSE, FALSE, sizeof(Waiter));
        waiters_tell(away, FALSE);
}

static void tell_all_away(Sync *sync)
{
        for (size_t i = 0; i < N_MIRRORED; i++)
                tell_away(sync, i);
}

/* Nothing is asked any more. What is told so may wait again: hence the loop. */
static void send_away(Sync *sync)
{
        while (sync->next->waiters->len > 0)
                waiters_tell(take_waiters(sync->next), FALSE);
        tell_all_away(sync);
}

static void start_pass(Sync *sync)
{
        if (sync->stopped)
                send_away(sync);
        if (sync->pass || sync->stopped)
                return;

        g_clear_handle_id(&sync->rest_timer, g_source_remove);
        g_clear_handle_id(&sync->confirm_timer, g_source_remove);
        sync->began = g_get_monotonic_time();
        sync->pass = take_next(sync);
        sync->pass->generation = sync->generation;
        expect_answer(sync, TRUE);
        background_run(ask_pass, take_pass, sync->pass);
}

static gboolean on_rested(gpointer user_data)
{
        Sync *sync = user_data;

        sync->rest_timer = 0;
        start_pass(sync);
        return G_SOURCE_REMOVE;
}

static void start_pass_soon(Sync *sync)
{
        gint64 rested = (g_get_monotonic_time() - sync->began) / 1000;

        if (sync->stopped)
                start_pass(sync);
        else if (!sync->pass && !sync->rest_timer)
                sync->rest_timer = g_timeout_add((unsigned)MAX(REST_MS - rested, SHARED_MS), on_rested, sync);
}

Sync *sync_new(Link *link, Mirror *mirror, unsigned patience, const SyncOwner *owner, void *data)
{
        Sync *sync = g_new0(Sync, 1);

        ASSERT_MAIN();
        sync->link = link;
        for (size_t i = 0; i < N_MIRRORED; i++) {
                sync->lists[i] = link;
                sync->away[i] = g_array_new(FALSE, FALSE, sizeof(Waiter));
        }
        sync->domain_cache = domain_cache_new();
        sync->mirror = mirror;
        sync->owner = owner;
        sync->data = data;
        sync->systems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        sync->next = new_pass(sync);
        sync->patience_us = (gint64)patience * 1000;
        sync->silence = silence_new(sync);
        return sync;
}

void sync_list_over(Sync *sync, const Kind *kind, Link *link)
{
        ASSERT_MAIN();
        sync->lists[mirrored_index(kind)] = link;
}

void sync_forget_list(Sync *sync, const Kind *kind)
{
        ASSERT_MAIN();
        if (sync->pass)
                sync->pass->lost[mirrored_index(kind)] = TRUE;
        tell_away(sync, mirrored_index(kind));
}

void sync_stop(Sync *sync)
{
        ASSERT_MAIN();
        sync->stopped = TRUE;
        sync_forget(sync);
        domain_cache_shut(sync->domain_cache);
        g_clear_handle_id(&sync->late_timer, g_source_remove);
        send_away(sync);
}

void sync_free(Sync *sync)
{
        ASSERT_MAIN();
        if (!sync)
                return;

        g_source_destroy(sync->silence);
        g_source_unref(sync->silence);
        domain_cache_free(sync->domain_cache);
        for (size_t i = 0; i < N_MIRRORED; i++)
                g_array_unref(sync->away[i]);
        pass_free(sync->next);
        g_hash_table_unref(sync->systems);
        g_free(sync);
}

void sync_all(Sync *sync, WaitFunc *done, void *data)
{
        ASSERT_MAIN();
        add_all(sync);
        add_waiter(sync, 0, done, data);
        take_back(sync);
        start_pass(sync);
}

static void make_due(Sync *sync, const Kind *kind, const char *uuid, Aspects aspects)
{
        sync->held = FALSE;
        if (kind == &kind_domain ? !dirty_add_domain(&sync->next->dirty, uuid, aspects)
                                 : !dirty_add_kind(&sync->next->dirty, kind))
                sync->coalesced++;
        if (kind == &kind_domain && aspects != ASPECT_STATE)
                mirror_forget_scheduler(sync->mirror, uuid);
}

static gboolean on_late(gpointer user_data);

/* One timer for all that wait. It comes in vain where they have been told, as is usual. */
static void watch_deadline(Sync *sync, gint64 deadline)
{
        gint64 left = MAX(deadline - g_get_monotonic_time(), 0);

        if (!sync->late_timer && !sync->stopped)
                sync->late_timer = g_timeout_add((unsigned)(left / 1000) + 1, on_late, sync);
}

static void tell_late(GArray *waiters, gint64 *next)
{
        waiters_tell(take_late(waiters, g_get_monotonic_time(), next), FALSE);
}

/* Libvirt may take any time for an answer: a storage pool, for instance, waits for its server. */
static gboolean on_late(gpointer user_data)
{
        Sync *sync = user_data;
        gint64 next = G_MAXINT64;

        sync->late_timer = 0;
        if (sync->pass)
                tell_late(sync->pass->waiters, &next);
        tell_late(sync->next->waiters, &next);
        for (size_t i = 0; i < N_MIRRORED; i++)
                tell_late(sync->away[i], &next);
        if (next < G_MAXINT64)
                watch_deadline(sync, next);
        return G_SOURCE_REMOVE;
}

/* The call that changed it has reached the daemon, so it is a good reason not to wait for the time of the
 * next attempt. */
static void wait_for_list(Sync *sync, size_t i, gint64 deadline, WaitFunc *done, void *data)
{
        const Waiter waiter = {done, data, deadline};

        g_array_append_val(sync->away[i], waiter);
        link_open(sync->lists[i]);
}

void sync_wait(Sync *sync, const Kind *kind, const char *uuid, Aspects aspects, unsigned within,
               WaitFunc *done, void *data)
{
        gint64 deadline = within > 0 ? g_get_monotonic_time() + (gint64)within * 1000 : 0;

        ASSERT_MAIN();
        make_due(sync, kind, uuid, aspects);
        if (deadline > 0)
                watch_deadline(sync, deadline);
        if (deadline > 0 && !sync->stopped && link_state(sync->link) == LINK_OPEN &&
            is_away(sync, mirrored_index(kind))) {
                wait_for_list(sync, mirrored_index(kind), deadline, done, data);
                return;
        }

        add_waiter(sync, deadline, done, data);
        start_pass(sync);
}

void sync_one(Sync *sync, const Kind *kind, const char *uuid, Aspects aspects, gboolean urgent)
{
        ASSERT_MAIN();
        make_due(sync, kind, uuid, aspects);
        if (urgent)
                start_pass(sync);
        else
                start_pass_soon(sync);
}

static gboolean on_confirm(gpointer user_data)
{
        Sync *sync = user_data;

        sync->confirm_timer = 0;
        start_pass(sync);
        return G_SOURCE_REMOVE;
}

void sync_confirm(Sync *sync, const char *uuid)
{
        ASSERT_MAIN();
        make_due(sync, &kind_domain, uuid, ASPECT_STATE);
        if (!sync->confirm_timer && !sync->stopped)
                sync->confirm_timer = g_timeout_add(CONFIRM_MS, on_confirm, sync);
}

void sync_want_systems(Sync *sync)
{
        ASSERT_MAIN();
        if (sync->wants_systems)
                return;

        sync->wants_systems = TRUE;
        /* Before that, the list will have them all. */
        if (!sync->filled)
                return;

        add_missing_systems(sync);
        start_pass(sync);
}

void sync_add_system(Sync *sync, const char *uuid)
{
        const Item *item = mirror_find_uuid(sync->mirror, &kind_domain, uuid);

        ASSERT_MAIN();
        if (!sync->wants_systems || item->system_known)
                return;

        g_hash_table_add(sync->systems, g_strdup(uuid));
        /* A pass that is under way begins the next one for these. */
        start_pass(sync);
}

void sync_forget(Sync *sync)
{
        ASSERT_MAIN();
        sync->generation++;
        sync->retry_ms = 0;
        g_clear_handle_id(&sync->retry_timer, g_source_remove);
        g_clear_handle_id(&sync->rest_timer, g_source_remove);
        g_clear_handle_id(&sync->confirm_timer, g_source_remove);
        domain_cache_forget_all(sync->domain_cache);
        g_hash_table_remove_all(sync->systems);
        mirror_forget_untold(sync->mirror);
        tell_all_away(sync);
}

gboolean sync_is_busy(const Sync *sync)
{
        ASSERT_MAIN();
        return sync->pass != NULL;
}

guint64 sync_last_pass(const Sync *sync)
{
        ASSERT_MAIN();
        return sync->passes + (sync->pass ? 1 : 0);
}

gboolean sync_is_filled(const Sync *sync)
{
        ASSERT_MAIN();
        return sync->filled;
}

gboolean sync_is_settled(const Sync *sync, const Kind *kind, const char *uuid)
{
        const Pass *pass = sync->pass;

        ASSERT_MAIN();
        return !dirty_has(&sync->next->dirty, kind, uuid) && (!pass || !dirty_has(&pass->dirty, kind, uuid));
}

void sync_settle(Sync *sync, WaitFunc *done, void *data)
{
        ASSERT_MAIN();
        add_waiter(sync, 0, done, data);
        start_pass(sync);
}

guint64 sync_passes(const Sync *sync)
{
        ASSERT_MAIN();
        return sync->passes;
}

guint64 sync_coalesced(const Sync *sync)
{
        ASSERT_MAIN();
        return sync->coalesced;
}
