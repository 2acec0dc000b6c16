/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Between libvirt's events and answers on one side, and those that listen on the other.
 *
 * The mirror shows what was told, nothing else: what an event says is taken over with it, and an answer is
 * shown when events have led to what it says. So the picture before an answer, the picture after it, and
 * reconcile() between the two are all that is needed to know what is still to be told. */

#include "mirror/announce.h"

#include "base/thread.h"
#include "bus/path.h"
#include "members.h"
#include "mirror/pending.h"
#include "mirror/reconcile.h"
#include "virt/event_details.h"

#include <string.h>

/* How long libvirt's own word is waited for when an answer shows what no event has told. Events come a
 * millisecond after such an answer, or never; a call that waits for a change to be shown waits that long at
 * most. */
#define MOMENT_MS 500

/* As many of these a comparison waits for an object of which ever new events come, and what libvirt tells of
 * a start for its end: 10 s. */
#define MOMENTS_MAX 20

/* An event that comes this long after the one before comes alone. Those that follow each other faster share
 * their questions and what is told of properties. */
#define ALONE_MS 50

/* Where libvirt tells of ever new objects and answers no question, this many are waited for. */
#define PENDING_MAX 65536

struct Announcer {
        Emitter emitter;
        const AnnouncerOwner *owner;
        void *data; /* of the owner */
        PendingTable *pending;
        unsigned timer;
        gboolean listed[N_MIRRORED]; /* all objects of the kind were, once, */
        gboolean fresh[N_MIRRORED];  /* or are for the first time, in the answers that are taken now */
        gboolean silent[N_MIRRORED]; /* libvirt tells nothing of the kind */
        gint64 event_at;             /* the last that may have changed something */
        Comparisons *comparisons;
        gboolean open; /* the connection, and that is told */
};

static void set_timer(Announcer *announcer);

/* What a comparison came upon is told, or turned out to be an event's. */
static void release(Announcer *announcer, Pending *pending)
{
        Comparison *comparison = g_steal_pointer(&pending->awaited_by);

        if (comparison)
                comparisons_release(announcer->comparisons, comparison);
}

/* Nothing of it waits any more. */
static void finish(Announcer *announcer, Pending *pending, gboolean told)
{
        pending->deadline = 0;
        pending->overdue = FALSE;
        pending->moments = 0;
        pending->found = FALSE;
        pending_unpark(pending);
        emit_untold(&announcer->emitter, pending);
        release(announcer, pending);
        waiters_tell(g_steal_pointer(&pending->waiters), told);
}

/* Whether libvirt's own word may be expected: events of an outage, or of a driver that has none, do not come.
 */
static gboolean may_be_told(const Announcer *announcer, const Kind *kind)
{
        return !comparisons_are_at(announcer->comparisons, COMPARISON_AFTER_OUTAGE) &&
               !announcer->silent[mirrored_index(kind)];
}

static void show(Announcer *announcer, Step *step)
{
        if (!step->pending && step->n_events > 0)
                step->pending = pending_get(announcer->pending, step->kind, step->uuid);
        if (step->n_events > 0 && may_be_told(announcer, step->kind))
                announcer->owner->missed(step->kind, announcer->data);

        if (!step->answer->present)
                emit_gone(&announcer->emitter, step);
        else if (!step->item)
                emit_new(&announcer->emitter, step);
        else
                emit_changed(&announcer->emitter, step);

        if (step->pending)
                finish(announcer, step->pending, TRUE);
}

/* Has a moment from now on, if it has none yet. */
static void set_deadline(Announcer *announcer, Pending *pending)
{
        if (pending->deadline == 0)
                pending->deadline = g_get_monotonic_time() + MOMENT_MS * (gint64)1000;
        set_timer(announcer);
}

/* The comparison, which may be NULL, is not over before this object is told. */
static void await(Announcer *announcer, Comparison *comparison, Pending *pending)
{
        if (!comparison)
                return;

        if (!pending->awaited_by || comparison->number < pending->awaited_by->number) {
                comparison_await(comparison, pending->awaited_by);
                pending->awaited_by = comparison;
        }
        set_deadline(announcer, pending);
}

/* Keeps the answer until libvirt has told how it came to that. */
static void park(Announcer *announcer, Step *step)
{
        Pending *pending = pending_get(announcer->pending, step->kind, step->uuid);

        await(announcer, comparisons_current(announcer->comparisons), pending);
        pending->found = step->found;
        pending_park(pending, step->answer);
        set_deadline(announcer, pending);
}

static void plan(const Announcer *announcer, Step *step)
{
        step_plan(step, announcer->emitter.mirror, announcer->listed[mirrored_index(step->kind)]);
}

/* One of two objects of a name is gone, or has another name by now: that is told first. */
static void ask_rival(const Announcer *announcer, const Step *step)
{
        sync_one(announcer->emitter.sync, step->kind, item_string(step->rival, kind_slots(step->kind)->uuid),
                 ASPECT_LIFE, FALSE);
        sync_one(announcer->emitter.sync, step->kind, step->uuid, ASPECT_DEFINITION, FALSE);
}

void announcer_system(Announcer *announcer, const Item *item, GVariant *type)
{
        GVariant *values[N_DOMAIN1] = {[DOMAIN1_OS_TYPE] = g_variant_ref(type)};

        ASSERT_MAIN();
        emit_system(&announcer->emitter, item, values);
}

static Step make_step(const Announcer *announcer, Answer *answer, gboolean found)
{
        Pending *pending = pending_find(announcer->pending, answer->kind, answer->uuid);
        Comparison *current = comparisons_current(announcer->comparisons);
        Comparison *by = pending && pending->awaited_by ? pending->awaited_by : current;

        return (Step){
                .found = found,
                .listed = comparisons_are_held(announcer->comparisons) || (current && by == current),
                .counted = by && (found || by->cause == COMPARISON_FIRST) ? &by->found : NULL,
                .kind = answer->kind,
                .uuid = answer->uuid,
                .item = mirror_find_uuid(announcer->emitter.mirror, answer->kind, answer->uuid),
                .pending = pending,
                .answer = answer,
        };
}

/* Announces that @rival is gone, where libvirt has told that it is not defined any more, and it does not run
 * either: that another object has its name says so. Returns it when it stays; NULL is fine. */
static const Item *drop_if_over(Announcer *announcer, const Item *rival)
{
        const Slots *slots;
        Answer gone = {};
        Step step;

        if (!rival)
                return NULL;

        slots = kind_slots(rival->kind);
        if (item_boolean(rival, slots->active) || item_boolean(rival, slots->persistent))
                return rival;

        gone.kind = rival->kind;
        g_strlcpy(gone.uuid, item_string(rival, slots->uuid), sizeof gone.uuid);
        step = make_step(announcer, &gone, FALSE);
        show(announcer, &step);
        return NULL;
}

/* Whether a comparison comes upon what no event has told, since the answers before. */
static gboolean is_found(const Announcer *announcer, const Answer *answer)
{
        const Pending *pending = pending_find(announcer->pending, answer->kind, answer->uuid);
        gboolean told = pending && pending->pass >= sync_passes(announcer->emitter.sync);

        if (pending && pending->found)
                return TRUE;

        return comparisons_are_at(announcer->comparisons, COMPARISON_AFTER_OUTAGE) ||
               (comparisons_current(announcer->comparisons) &&
                !comparisons_are_at(announcer->comparisons, COMPARISON_FIRST) && !told);
}

/* Whether libvirt has told something since the question. */
static gboolean is_old(const Announcer *announcer, const Step *step)
{
        return step->pending && step->pending->pass >= sync_last_pass(announcer->emitter.sync);
}

/* A start takes as long as the host takes. A caller that waits for something else is not to wait for that. */
static gboolean waits_for_start(const Pending *pending, const Answer *answer)
{
        GVariant *reason = answer->values[DOMAIN1_STATE_REASON];

        return pending->kind == &kind_domain && answer->present && reason && !pending->waiters &&
               pending->moments < MOMENTS_MAX && reconcile_is_starting(g_variant_get_string(reason, NULL));
}

/* Whether the answer need not wait: for events that lead to it, or for the object that has its name. */
static gboolean may_show(const Announcer *announcer, const Step *step)
{
        if (step->rival)
                return step->pending && step->pending->moments >= MOMENTS_MAX;
        if (step->pending && step->pending->overdue && !waits_for_start(step->pending, step->answer))
                return TRUE;

        return step->n_events == 0 || !may_be_told(announcer, step->kind);
}

static void set_value(Answer *answer, unsigned slot, GVariant *value)
{
        g_clear_pointer(&answer->values[slot], g_variant_unref);
        answer->values[slot] = g_variant_ref_sink(value);
}

/* The answer to a smaller question is not to take the place of all that is known. A state that says that the
 * domain is active, or is not, has the rest of that follow. FALSE when more has to be asked first. */
static gboolean complete(const Announcer *announcer, const Step *step)
{
        Answer *answer = step->answer;
        gboolean alone = answer->kind == &kind_domain && answer->present && !answer->values[DOMAIN1_ACTIVE] &&
                         answer->values[DOMAIN1_STATE];
        gboolean active, was_active = step->item && item_boolean(step->item, DOMAIN1_ACTIVE);

        if (step->pending && !pending_complete(step->pending, answer)) {
                sync_one(announcer->emitter.sync, answer->kind, answer->uuid, ASPECT_DEFINITION, FALSE);
                return FALSE;
        }

        if (!alone)
                return TRUE;

        active = reconcile_is_active(step_after(step).state);
        if (answer->values[DOMAIN1_ACTIVE])
                was_active = g_variant_get_boolean(answer->values[DOMAIN1_ACTIVE]);
        if (active != was_active) {
                set_value(answer, DOMAIN1_ACTIVE, g_variant_new_boolean(active));
                /* Of one that is active an event may tell the number before libvirt is asked for it. */
                if (active && step->item)
                        g_clear_pointer(&answer->values[DOMAIN1_ID], g_variant_unref);
                else
                        set_value(answer, DOMAIN1_ID, g_variant_new_uint32(0));
                sync_one(announcer->emitter.sync, answer->kind, answer->uuid, ASPECT_LIFE, FALSE);
        }

        return TRUE;
}

/* libvirt has told something since the question. The event has a question of its own follow, which may be a
 * smaller one: what the answer has besides is asked for again. And a comparison has not seen the object
 * before.
 */
static void drop_old(Announcer *announcer, const Step *step)
{
        const Answer *answer = step->answer;

        if (answer->kind == &kind_domain && (!answer->present || answer->values[DOMAIN1_ACTIVE]))
                sync_one(announcer->emitter.sync, answer->kind, answer->uuid,
                         answer->present && !answer->values[DOMAIN1_PERSISTENT] ? ASPECT_LIFE
                                                                                : ASPECT_DEFINITION,
                         FALSE);
        await(announcer, comparisons_current(announcer->comparisons), step->pending);
}

void announcer_answer(Announcer *announcer, Answer *answer)
{
        Step step = make_step(announcer, answer, is_found(announcer, answer));

        ASSERT_MAIN();
        if (answer->only_system) {
                if (step.item)
                        announcer_system(announcer, step.item, answer->values[DOMAIN1_OS_TYPE]);
                return;
        }

        if (is_old(announcer, &step)) {
                drop_old(announcer, &step);
                return;
        }

        if (step_is_nothing(&step)) {
                if (step.pending)
                        finish(announcer, step.pending, TRUE);
                return;
        }

        if (!complete(announcer, &step)) {
                await(announcer, comparisons_current(announcer->comparisons), step.pending);
                return;
        }

        plan(announcer, &step);
        step.rival = drop_if_over(announcer, step.rival);
        if (may_show(announcer, &step)) {
                show(announcer, &step);
                return;
        }

        if (step.rival)
                ask_rival(announcer, &step);
        park(announcer, &step);
}

static void add_absent(GPtrArray *gone, const char *uuid)
{
        g_ptr_array_add(gone, g_strdup(uuid));
}

void announcer_absent(Announcer *announcer, const Kind *kind, GHashTable *leaves)
{
        g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);
        GHashTableIter iter;
        gpointer leaf, item;

        ASSERT_MAIN();
        announcer->fresh[mirrored_index(kind)] = TRUE;
        mirror_iterate(announcer->emitter.mirror, kind, &iter);
        while (g_hash_table_iter_next(&iter, &leaf, &item))
                if (!g_hash_table_contains(leaves, leaf))
                        add_absent(gone, item_string(item, kind_slots(kind)->uuid));

        for (guint i = 0; i < all->len; i++) {
                const Pending *pending = g_ptr_array_index(all, i);
                g_autofree char *held_leaf = path_uuid_leaf(pending->uuid);

                if (pending->kind == kind && !mirror_find(announcer->emitter.mirror, kind, held_leaf) &&
                    !g_hash_table_contains(leaves, held_leaf))
                        add_absent(gone, pending->uuid);
        }

        for (guint i = 0; i < gone->len; i++) {
                Answer answer = {.kind = kind};

                g_strlcpy(answer.uuid, g_ptr_array_index(gone, i), sizeof answer.uuid);
                announcer_answer(announcer, &answer);
        }
}

/* Waiting */

/* Shows what is parked, if events have led there or with @anyhow. FALSE when it stays. */
static gboolean show_parked(Announcer *announcer, Pending *pending, gboolean anyhow)
{
        Step step = make_step(announcer, &pending->parked, pending->found);

        plan(announcer, &step);
        if (!anyhow && (step.n_events > 0 || step.rival))
                return FALSE;

        show(announcer, &step);
        return TRUE;
}

/* The object that has the name of what is held, and is not over. */
static const Item *held_rival(Announcer *announcer, const Pending *pending)
{
        const HeldEvent *last = pending->held.tail->data;

        return drop_if_over(announcer, mirror_find_namesake(announcer->emitter.mirror, pending->kind,
                                                            pending->uuid, last->name));
}

/* Announces what libvirt was not asked about in time. Where another object has its name, and was not told to
 * be over, that may still be heard, for as long as a comparison would wait. */
static void show_held(Announcer *announcer, Pending *pending)
{
        if (!announcer->open) {
                waiters_tell(g_steal_pointer(&pending->waiters), FALSE);
                set_deadline(announcer, pending);
                return;
        }

        if (held_rival(announcer, pending) && ++pending->moments < MOMENTS_MAX) {
                set_deadline(announcer, pending);
                return;
        }

        emit_held(&announcer->emitter, pending, TRUE);
        await(announcer, comparisons_waiting(announcer->comparisons, g_get_monotonic_time()), pending);
        if (pending->awaited_by)
                waiters_tell(g_steal_pointer(&pending->waiters), TRUE);
        else
                finish(announcer, pending, TRUE);
}

/* The object that has the name of what is parked, or NULL. */
static const Item *parked_rival(const Announcer *announcer, Pending *pending)
{
        Step step = make_step(announcer, &pending->parked, pending->found);

        plan(announcer, &step);
        return step.rival;
}

/* Whether that object may still give its name away: not where it waits for a name itself, that of a third one
 * or of this one. */
static gboolean may_yield(const Announcer *announcer, const Item *rival)
{
        Pending *pending = pending_find(announcer->pending, rival->kind,
                                        item_string(rival, kind_slots(rival->kind)->uuid));

        return !pending || !pending->is_parked || !parked_rival(announcer, pending);
}

/* The moment of a parked answer is over. */
static void expire_parked(Announcer *announcer, Pending *pending)
{
        const Item *rival = drop_if_over(announcer, parked_rival(announcer, pending));

        if (!waits_for_start(pending, &pending->parked) &&
            (!rival || pending->moments >= MOMENTS_MAX || !may_yield(announcer, rival))) {
                show_parked(announcer, pending, TRUE);
                return;
        }

        pending->moments++;
        set_deadline(announcer, pending);
}

/* The moment is over. */
static void expire(Announcer *announcer, Pending *pending)
{
        pending->deadline = 0;
        if (pending->ask_again)
                sync_one(announcer->emitter.sync, pending->kind, pending->uuid, ASPECT_STATE, FALSE);
        pending->ask_again = FALSE;
        if (pending->is_parked && !pending->outdated) {
                expire_parked(announcer, pending);
        } else if (pending->held.length > 0) {
                show_held(announcer, pending);
        } else if (pending->overdue && ++pending->moments >= (pending->awaited_by ? MOMENTS_MAX : 1)) {
                /* The question that is under way may be a smaller one than what is forgotten here was of. */
                if (pending->is_parked)
                        sync_one(announcer->emitter.sync, pending->kind, pending->uuid, ASPECT_DEFINITION,
                                 FALSE);
                finish(announcer, pending, FALSE);
        } else {
                /* It is asked about: the answer is shown as soon as it is there. */
                emit_untold(&announcer->emitter, pending);
                pending->overdue = pending->is_parked || pending->waiters || pending->awaited_by;
                if (pending->waiters || pending->awaited_by)
                        set_deadline(announcer, pending);
        }
}

static gboolean on_deadline(gpointer user_data)
{
        Announcer *announcer = user_data;
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);
        gint64 now = g_get_monotonic_time();

        announcer->timer = 0;
        for (guint i = 0; i < all->len; i++) {
                Pending *pending = g_ptr_array_index(all, i);

                if (pending->deadline > 0 && pending->deadline <= now)
                        expire(announcer, pending);
        }

        set_timer(announcer);
        return G_SOURCE_REMOVE;
}

/* One timer for all: those that wait later have a later deadline. */
static void set_timer(Announcer *announcer)
{
        gint64 deadline;

        if (announcer->timer)
                return;

        deadline = pending_next_deadline(announcer->pending);
        if (deadline > 0)
                announcer->timer =
                        g_timeout_add((unsigned)(MAX(deadline - g_get_monotonic_time(), 0) / 1000) + 1,
                                      on_deadline, announcer);
}

/* As far as events say what it is, after the end of the object that had its name. */
static void announce_held(Announcer *announcer, Pending *pending)
{
        held_rival(announcer, pending);
        emit_held(&announcer->emitter, pending, TRUE);
}

/* What waits is told as far as an event said it. */
static void tell_all(Announcer *announcer)
{
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);

        for (guint i = 0; i < all->len; i++) {
                Pending *pending = g_ptr_array_index(all, i);

                if (pending->held.length > 0)
                        announce_held(announcer, pending);
                finish(announcer, pending, FALSE);
        }
}

/* Events */

/* A libvirt that tells ever more and answers nothing is not waited for. */
static Pending *note(Announcer *announcer, const Kind *kind, const char *uuid)
{
        Pending *pending;

        if (pending_size(announcer->pending) >= PENDING_MAX) {
                tell_all(announcer);
                pending_clear(announcer->pending);
        }

        pending = pending_get(announcer->pending, kind, uuid);
        pending->pass = sync_last_pass(announcer->emitter.sync);
        pending->outdated = pending->is_parked;
        /* It was gone, and something happens to it: whatever has that UUID now is another one. */
        if (pending->is_parked && !pending->parked.present)
                sync_one(announcer->emitter.sync, kind, uuid, ASPECT_DEFINITION, FALSE);
        return pending;
}

static void ask(const Announcer *announcer, const Event *event, gboolean known)
{
        /* What is held is told as soon as there is an answer. */
        sync_one(announcer->emitter.sync, event->kind, event->uuid, dirty_after(event, known),
                 !known || state_waits_size(announcer->emitter.waits) > 0);
}

/* What is not active does not shut down, nor does a life that is over go on: libvirtd has told that it is
 * over, and of its last moments after that, as it does when it is started anew meanwhile. */
static gboolean is_after_end(const Item *item, const Pending *pending, const Event *event)
{
        if (event->kind != &kind_domain || reconcile_is_start_or_end(event))
                return FALSE;

        if (item ? reconcile_is_active(status_of(item->kind, NULL, item).state) : pending->held.length > 0)
                return FALSE;

        return event->lifecycle == VIR_DOMAIN_EVENT_SHUTDOWN || pending_is_after_end(pending, event);
}

/* A known object takes a name: what is held of that name lived before. */
static void tell_before(Announcer *announcer, const Event *event)
{
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);

        for (guint i = 0; i < all->len; i++) {
                Pending *other = g_ptr_array_index(all, i);
                const HeldEvent *last = g_queue_peek_tail(&other->held);

                if (!last || other->kind != event->kind || strcmp(last->name, event->name) != 0)
                        continue;

                announce_held(announcer, other);
                drop_if_over(announcer,
                             mirror_find_uuid(announcer->emitter.mirror, other->kind, other->uuid));
        }
}

static gboolean takes_name(const Item *item, const Event *event)
{
        return item && event->lifecycle == VIR_DOMAIN_EVENT_DEFINED &&
               strcmp(event->name, item_string(item, kind_slots(item->kind)->name)) != 0;
}

static gboolean comes_alone(Announcer *announcer)
{
        gint64 before = announcer->event_at;

        announcer->event_at = g_get_monotonic_time();
        return announcer->event_at - before >= ALONE_MS * (gint64)1000;
}

/* Whether a domain that runs was suspended, or goes on. */
static gboolean is_pause(const Item *item, const Event *event)
{
        const char *before = event->lifecycle == VIR_DOMAIN_EVENT_SUSPENDED ? "running"
                             : event->lifecycle == VIR_DOMAIN_EVENT_RESUMED ? "paused"
                                                                            : NULL;

        return before && event->kind == &kind_domain &&
               strcmp(item_string(item, DOMAIN1_STATE), before) == 0 &&
               !reconcile_is_starting(item_string(item, DOMAIN1_STATE_REASON));
}

/* Whether @event will say all that there is to say of its object, and nothing waits for what libvirt
 * answers. */
static gboolean says_all(const Announcer *announcer, const Pending *pending, const Item *item,
                         const Event *event)
{
        return item && is_pause(item, event) &&
               event_details_implied_reason(event->lifecycle, event->detail) &&
               !pending_has_changed(pending) && pending_is_at_rest(pending) &&
               !item_boolean(item, DOMAIN1_STALE) && !comparisons_are_open(announcer->comparisons) &&
               state_waits_size(announcer->emitter.waits) == 0;
}

/* Nothing more is heard of it soon: its values are told with it, and what they are is confirmed in a while.
 */
static void tell_alone(const Announcer *announcer, const Item *item, Pending *pending, const Event *event)
{
        emit_lifecycle(&announcer->emitter, item, pending, event);
        emit_untold(&announcer->emitter, pending);
        sync_confirm(announcer->emitter.sync, event->uuid);
}

void announcer_event(Announcer *announcer, const Event *event)
{
        const Item *item = mirror_find_uuid(announcer->emitter.mirror, event->kind, event->uuid);
        Pending *pending;
        gboolean alone;

        ASSERT_MAIN();
        if (item && event->lifecycle < 0 && !event->may_change) {
                emit_event(&announcer->emitter, event);
                return;
        }

        pending = note(announcer, event->kind, event->uuid);
        pending->found = FALSE;
        alone = comes_alone(announcer) && says_all(announcer, pending, item, event);
        if (event->lifecycle >= 0 &&
            (pending_is_late(pending, event) || is_after_end(item, pending, event))) {
                if (item && event->kind == &kind_domain && event->lifecycle == VIR_DOMAIN_EVENT_STARTED)
                        emit_started(&announcer->emitter, item, pending, event);
                ask(announcer, event, item != NULL);
                return;
        }

        if (alone) {
                tell_alone(announcer, item, pending, event);
                return;
        }

        if (takes_name(item, event))
                tell_before(announcer, event);
        if (!item) {
                pending_hold(pending, event);
                set_deadline(announcer, pending);
        } else if (event->lifecycle < 0) {
                emit_event(&announcer->emitter, event);
                /* libvirt tells that a guest was reset before it says that it has not crashed any more. */
                pending->ask_again = TRUE;
                set_deadline(announcer, pending);
        } else {
                emit_lifecycle(&announcer->emitter, item, pending, event);
        }

        /* The answer may be what the event told of. */
        if (pending->is_parked && item)
                show_parked(announcer, pending, FALSE);
        if (pending_has_changed(pending))
                set_deadline(announcer, pending);
        ask(announcer, event, item != NULL);
}

void announcer_touch(Announcer *announcer, const Kind *kind, const char *uuid)
{
        ASSERT_MAIN();
        note(announcer, kind, uuid);
}

void announcer_set_silent(Announcer *announcer, const Kind *kind, gboolean silent)
{
        ASSERT_MAIN();
        announcer->silent[mirrored_index(kind)] = silent;
}

/* Comparisons */

void announcer_begin_comparison(Announcer *announcer, ComparisonCause cause)
{
        comparisons_begin(announcer->comparisons, cause);
}

void announcer_end_comparison(Announcer *announcer)
{
        comparisons_answered(announcer->comparisons);
}

void announcer_hold_comparisons(Announcer *announcer)
{
        comparisons_hold(announcer->comparisons);
}

gboolean announcer_is_comparing(const Announcer *announcer)
{
        ASSERT_MAIN();
        return comparisons_are_open(announcer->comparisons);
}

void announcer_settle(Announcer *announcer, guint64 pass)
{
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);

        ASSERT_MAIN();
        for (size_t i = 0; i < N_MIRRORED; i++)
                announcer->listed[i] = announcer->listed[i] || announcer->fresh[i];
        for (guint i = 0; i < all->len; i++)
                pending_settle(announcer->pending, g_ptr_array_index(all, i), pass);
}

gboolean announcer_is_settled(const Announcer *announcer, const Kind *kind, const char *uuid)
{
        const Pending *pending = pending_find(announcer->pending, kind, uuid);

        ASSERT_MAIN();
        return !pending || (!pending->is_parked && pending->held.length == 0 &&
                            pending->pass < sync_passes(announcer->emitter.sync));
}

gboolean announcer_wait(Announcer *announcer, const Kind *kind, const char *uuid, WaitFunc *done, void *data)
{
        Pending *pending;

        ASSERT_MAIN();
        if (announcer_is_settled(announcer, kind, uuid))
                return FALSE;

        pending = pending_find(announcer->pending, kind, uuid);
        pending_add_waiter(pending, done, data);
        set_deadline(announcer, pending);
        /* Something told of it since the question: it is due, and not to rest before that. */
        sync_one(announcer->emitter.sync, kind, uuid, ASPECT_STATE, TRUE);
        return TRUE;
}

void announcer_flush(Announcer *announcer)
{
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);

        ASSERT_MAIN();
        for (guint i = 0; i < all->len; i++)
                emit_untold(&announcer->emitter, g_ptr_array_index(all, i));
}

void announcer_resume(Announcer *announcer)
{
        ASSERT_MAIN();
        for (size_t i = 0; i < N_MIRRORED; i++)
                announcer->listed[i] = TRUE;
}

void announcer_opened(Announcer *announcer)
{
        ASSERT_MAIN();
        announcer->open = TRUE;
}

void announcer_give_up(Announcer *announcer)
{
        ASSERT_MAIN();
        announcer->open = FALSE;
        g_clear_handle_id(&announcer->timer, g_source_remove);
        tell_all(announcer);
        comparisons_forget(announcer->comparisons);
}

/* Life */

Announcer *announcer_new(const Emitter *emitter, const AnnouncerOwner *owner, void *data)
{
        Announcer *announcer = g_new0(Announcer, 1);

        ASSERT_MAIN();
        announcer->emitter = *emitter;
        announcer->owner = owner;
        announcer->data = data;
        announcer->comparisons = comparisons_new(owner->compared, data);
        announcer->pending = pending_table_new();
        return announcer;
}

void announcer_free(Announcer *announcer)
{
        ASSERT_MAIN();
        if (!announcer)
                return;

        g_clear_handle_id(&announcer->timer, g_source_remove);
        comparisons_free(announcer->comparisons);
        pending_table_free(announcer->pending);
        g_free(announcer);
}
