/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Between libvirt's events and answers on one side, and those that listen on the other.
 *
 * The mirror shows what was told, nothing else: what an event says is taken over with it, and an answer is
 * shown when events have led to what it says. So the picture before an answer, the picture after it, and
 * reconcile() between the two are all that is needed to know what is still to be told. */

#include "announce.h"

#include "details.h"
#include "meaning.h"
#include "members.h"
#include "path.h"
#include "pending.h"
#include "reconcile.h"
#include "tell.h"

#include <string.h>

/* How long libvirt's own word is waited for when an answer shows what no event has told. Events come a
 * millisecond after such an answer, or never; who waits for a change to be shown waits that long at most. */
#define MOMENT_MS 500

/* Where libvirt tells of ever new objects and answers no question, this many are waited for. */
#define PENDING_MAX 65536

struct Announcer {
        AnnouncerConfig config;
        PendingTable *pending;
        unsigned timer;
        gboolean listed[N_MIRRORED]; /* all objects of the kind were, once, */
        gboolean fresh[N_MIRRORED];  /* or are for the first time, in the answers that are taken now */
        gboolean comparing;          /* the answers that are taken now are a comparison's */
        Comparison comparison;
        Differences found;
        unsigned awaited; /* objects that the comparison came upon and that are not told yet */
};

/* An answer, and what is to be told before it is shown. */
typedef struct Step {
        const Kind *kind;
        const char *uuid;
        const Item *item; /* NULL: it was not announced */
        Pending *pending; /* NULL: nothing is known of it but what the mirror shows */
        Answer *answer;
        int events[RECONCILE_MAX];
        unsigned n_events;
        const Item *rival; /* another object that has its name yet, or NULL */
        gboolean found;    /* a comparison came upon it, no event */
} Step;

static void set_timer(Announcer *announcer);

/* The number of the last round that began. */
static guint64 last_round(const Announcer *announcer)
{
        const Refresh *refresh = announcer->config.refresh;

        return refresh_rounds(refresh) + (refresh_is_busy(refresh) ? 1 : 0);
}

/* Statuses */

static const char *string_of(GVariant *const *values, const Item *item, unsigned slot)
{
        GVariant *value = values && values[slot] ? values[slot] : item ? item->values[slot] : NULL;

        return value ? g_variant_get_string(value, NULL) : "";
}

static gboolean boolean_of(GVariant *const *values, const Item *item, unsigned slot)
{
        GVariant *value = values && values[slot] ? values[slot] : item ? item->values[slot] : NULL;

        return value && g_variant_get_boolean(value);
}

static guint32 id_of(GVariant *const *values, const Item *item)
{
        GVariant *value = values && values[DOMAIN1_ID] ? values[DOMAIN1_ID]
                          : item                       ? item->values[DOMAIN1_ID]
                                                       : NULL;

        return value ? g_variant_get_uint32(value) : 0;
}

static const char *domain_state(GVariant *const *values, const Item *item)
{
        const char *state = string_of(values, item, DOMAIN1_STATE);

        if (*state)
                return state;

        /* A driver that has no state tells whether it is active all the same. */
        return boolean_of(values, item, DOMAIN1_ACTIVE) ? "running" : "shutoff";
}

/* What @values say of an object, and @item of what they do not; one of them may be NULL. */
static Status status_of(const Kind *kind, GVariant *const *values, const Item *item)
{
        const Slots *slots = kind_slots(kind);
        Status status = {
                .present = TRUE,
                .name = string_of(values, item, slots->name),
                .persistent = boolean_of(values, item, slots->persistent),
        };

        if (kind == &kind_domain) {
                status.state = domain_state(values, item);
                status.starting = strcmp(string_of(values, item, DOMAIN1_STATE_REASON), "starting-up") == 0;
                status.id = id_of(values, item);
        } else {
                status.state = boolean_of(values, item, slots->active) ? "active" : "inactive";
        }

        return status;
}

static const char *inactive_state(const Kind *kind)
{
        return kind == &kind_domain ? "shutoff" : "inactive";
}

/* What events said that wait for an object to be announced; it is present if there is one. */
static Status status_of_held(const Pending *pending)
{
        Status status = {.state = inactive_state(pending->kind), .name = ""};

        for (const GList *each = pending->held.head; each; each = each->next) {
                const HeldEvent *held = each->data;

                status.present = TRUE;
                status.name = held->name;
                reconcile_apply(pending->kind, &status, &held->event);
        }

        return status;
}

/* What was told of it. */
static Status status_before(const Step *step)
{
        if (step->item)
                return status_of(step->kind, NULL, step->item);

        return step->pending ? status_of_held(step->pending) : (Status){};
}

static Status status_after(const Step *step)
{
        return step->answer->present ? status_of(step->kind, step->answer->values, step->item) : (Status){};
}

/* Telling */

static void count(guint32 *number, const Announcer *announcer, gboolean found)
{
        if (found || (announcer->comparing && announcer->comparison == COMPARISON_FIRST))
                ++*number;
}

static void check_waits(const Announcer *announcer, const Item *item)
{
        if (item->kind == &kind_domain)
                waits_check(announcer->config.waits, item->leaf);
}

static guint64 add_event(const Announcer *announcer, const Event *event)
{
        return stream_add(announcer->config.stream, event->kind, event->path, event->word, event->name,
                          event->details, FALSE);
}

/* In libvirt's place; what libvirt may tell of it yet is known. */
static void tell_synthetic(const Announcer *announcer, const Item *item, const Step *step)
{
        const Status after = status_after(step);
        const char *name = after.present ? after.name : item_string(item, kind_slots(item->kind)->name);

        for (unsigned i = 0; i < step->n_events; i++)
                tell_event(announcer->config.stream, item, name, step->events[i]);
        if (step->n_events > 0)
                pending_expect_late(step->pending, step->events, step->n_events);
}

/* The values are consumed. With @pending the old ones are remembered, as those that were announced. Returns
 * the slots of those that are new. */
static guint32 set_values(const Announcer *announcer, const Item *item, Pending *pending, GVariant **values)
{
        const char *uuid = item_string(item, kind_slots(item->kind)->uuid);
        guint32 changed;

        for (unsigned i = 0; pending && i < item->kind->native->n_properties; i++)
                if (values[i])
                        pending_remember(pending, i, item->values[i]);

        mirror_update(announcer->config.mirror, item->kind, uuid, values, &changed);
        if (changed != 0)
                check_waits(announcer, item);
        return changed;
}

static void tell_values(Announcer *announcer, const Item *item, guint32 changed, gboolean found)
{
        if (changed == 0)
                return;

        count(&announcer->found.changed, announcer, found);
        tell_changed(announcer->config.bus, announcer->config.stream, item, changed, found);
}

static void set_boolean(GVariant **values, unsigned slot, gboolean value)
{
        values[slot] = g_variant_ref_sink(g_variant_new_boolean(value));
}

static void set_string(GVariant **values, unsigned slot, const char *value)
{
        values[slot] = g_variant_ref_sink(g_variant_new_string(value));
}

/* Whether another object has that name yet; libvirt has one of that name at most. */
static const Item *find_namesake(const Announcer *announcer, const Kind *kind, const char *uuid,
                                 const char *name)
{
        const Item *other = *name ? mirror_find_name(announcer->config.mirror, kind, name) : NULL;

        return other && strcmp(item_string(other, kind_slots(kind)->uuid), uuid) != 0 ? other : NULL;
}

/* The state that an event tells and how it came to that, in the values of a domain. */
static void set_domain_state(GVariant **values, const Event *event, const Status *status)
{
        const char *reason = details_implied_reason(event->lifecycle, event->detail);

        set_string(values, DOMAIN1_STATE, status->state);
        set_string(values, DOMAIN1_STATE_REASON, reason ? reason : "unknown");
        values[DOMAIN1_ID] = g_variant_ref_sink(g_variant_new_uint32(status->id));
}

/* The mirror shows what an event said at once. That the values are new is told with those that the answer to
 * come has: one signal for both, and one for many events. */
static void take_over(const Announcer *announcer, const Item *item, Pending *pending, const Event *event)
{
        const Slots *slots = kind_slots(item->kind);
        const Status before = status_of(item->kind, NULL, item);
        Status after = before;
        GVariant *values[N_DOMAIN1] = {};

        reconcile_apply(item->kind, &after, event);
        if (after.persistent != before.persistent)
                set_boolean(values, slots->persistent, after.persistent);
        if (after.name != before.name && !find_namesake(announcer, item->kind, event->uuid, after.name))
                set_string(values, slots->name, after.name);
        if (after.state != before.state) {
                set_boolean(values, slots->active, reconcile_is_active(after.state));
                if (item->kind == &kind_domain)
                        set_domain_state(values, event, &after);
        }

        set_values(announcer, item, pending, values);
}

static void add_doubt(Pending *pending, guint64 sequence)
{
        if (!pending->doubts)
                pending->doubts = g_array_new(FALSE, FALSE, sizeof sequence);
        g_array_append_val(pending->doubts, sequence);
}

static gboolean is_doubtful(const Event *event)
{
        return event->kind == &kind_domain && details_are_doubtful(event->lifecycle, event->detail);
}

/* What was missed on the way from what the mirror shows to @event. Nothing can be, but over an outage. */
static void tell_missed(const Announcer *announcer, const Item *item, Pending *pending, const Event *event)
{
        const Status status = status_of(item->kind, NULL, item);
        int events[RECONCILE_MAX];
        unsigned n;

        if (!item_boolean(item, kind_slots(item->kind)->stale))
                return;

        n = reconcile_event(item->kind, &status, event, events);
        for (unsigned i = 0; i < n; i++)
                tell_event(announcer->config.stream, item, status.name, events[i]);
        pending->n_late = 0;
}

static void tell_lifecycle(const Announcer *announcer, const Item *item, Pending *pending, const Event *event)
{
        guint64 sequence;

        tell_missed(announcer, item, pending, event);
        sequence = add_event(announcer, event);
        if (is_doubtful(event))
                add_doubt(pending, sequence);
        else
                take_over(announcer, item, pending, event);
        if (item->kind == &kind_domain &&
            (event->lifecycle == VIR_DOMAIN_EVENT_STARTED || event->lifecycle == VIR_DOMAIN_EVENT_STOPPED))
                waits_disturb(announcer->config.waits, item->leaf);
}

/* States that were told with doubt: @state is what libvirt says, NULL that the domain is gone. */
static void tell_doubts(const Announcer *announcer, const Item *item, Pending *pending, GVariant *state,
                        GVariant *reason)
{
        g_autoptr(GArray) doubts = pending ? g_steal_pointer(&pending->doubts) : NULL;

        for (guint i = 0; doubts && i < doubts->len; i++)
                tell_checked(announcer->config.stream, item, g_array_index(doubts, guint64, i), state,
                             reason);
}

static void tell_held(const Announcer *announcer, Pending *pending)
{
        HeldEvent *held;

        while (pending && (held = pending_pop_held(pending))) {
                guint64 sequence = add_event(announcer, &held->event);

                if (is_doubtful(&held->event))
                        add_doubt(pending, sequence);
                held_event_free(held);
        }
}

/* Announces an object that libvirt told of, but was not asked about, or is gone already: as far as events
 * say what it is. */
static const Item *announce_held(Announcer *announcer, Pending *pending, gboolean stale)
{
        const Slots *slots = kind_slots(pending->kind);
        const Status status = status_of_held(pending);
        GVariant *values[N_DOMAIN1] = {};
        const Item *item;

        set_string(values, slots->name, status.name);
        set_boolean(values, slots->persistent, status.persistent);
        set_boolean(values, slots->active, reconcile_is_active(status.state));
        set_boolean(values, slots->stale, stale);
        if (pending->kind == &kind_domain) {
                set_string(values, DOMAIN1_STATE, status.state);
                set_string(values, DOMAIN1_STATE_REASON, "unknown");
                values[DOMAIN1_ID] = g_variant_ref_sink(g_variant_new_uint32(status.id));
        }

        item = mirror_update(announcer->config.mirror, pending->kind, pending->uuid, values, NULL);
        tell_added(announcer->config.bus, announcer->config.stream, item, FALSE);
        tell_held(announcer, pending);
        check_waits(announcer, item);
        return item;
}

/* Showing */

static void show_gone(Announcer *announcer, Step *step)
{
        const Item *item = step->item ? step->item : announce_held(announcer, step->pending, FALSE);
        Item *gone;

        tell_synthetic(announcer, item, step);
        tell_doubts(announcer, item, step->pending, NULL, NULL);
        gone = mirror_take(announcer->config.mirror, item);
        count(&announcer->found.removed, announcer, step->found);
        tell_removed(announcer->config.bus, announcer->config.stream, gone, step->found);
        check_waits(announcer, gone);
        item_free(gone);
        if (step->pending)
                pending_forget_changed(step->pending);
}

static void show_new(Announcer *announcer, Step *step)
{
        const Item *item =
                mirror_update(announcer->config.mirror, step->kind, step->uuid, step->answer->values, NULL);

        memset(step->answer->values, 0, sizeof step->answer->values);
        step->item = item;
        count(&announcer->found.added, announcer, step->found);
        tell_added(announcer->config.bus, announcer->config.stream, item, step->found);
        tell_held(announcer, step->pending);
        if (step->kind == &kind_domain) {
                tell_doubts(announcer, item, step->pending, item->values[DOMAIN1_STATE],
                            item->values[DOMAIN1_STATE_REASON]);
                refresh_add_facts(announcer->config.refresh, step->uuid);
        }
        tell_synthetic(announcer, item, step);
        check_waits(announcer, item);
}

static void show_changed(Announcer *announcer, Step *step)
{
        GVariant **values = step->answer->values;
        unsigned stale = kind_slots(step->kind)->stale;
        guint32 changed;

        if (step->kind == &kind_domain && values[DOMAIN1_STATE])
                tell_doubts(announcer, step->item, step->pending, values[DOMAIN1_STATE],
                            values[DOMAIN1_STATE_REASON]);
        tell_synthetic(announcer, step->item, step);
        /* Of many at once that is told when the whole kind was listed. */
        if (!announcer->comparing && item_boolean(step->item, stale))
                set_boolean(values, stale, FALSE);
        changed = set_values(announcer, step->item, step->pending, values);
        memset(values, 0, sizeof step->answer->values);
        if (step->pending)
                changed = pending_take_changed(step->pending, step->item);
        tell_values(announcer, step->item, changed, step->found);
}

/* What a comparison came upon is told, or turned out to be an event's. */
static void release(Announcer *announcer, Pending *pending)
{
        pending->found = FALSE;
        if (!pending->awaited)
                return;

        pending->awaited = FALSE;
        if (--announcer->awaited == 0 && !announcer->comparing)
                announcer->config.compared(announcer->config.data);
}

static void tell_waiters(Pending *pending, gboolean told)
{
        g_autoptr(GArray) waiters = pending_take_waiters(pending);

        for (guint i = 0; waiters && i < waiters->len; i++) {
                const PendingWaiter *waiter = &g_array_index(waiters, PendingWaiter, i);

                waiter->func(told, waiter->data);
        }
}

/* What events said and no answer has confirmed. */
static void tell_untold(Announcer *announcer, Pending *pending)
{
        const Item *item = mirror_find_uuid(announcer->config.mirror, pending->kind, pending->uuid);

        if (item)
                tell_values(announcer, item, pending_take_changed(pending, item), FALSE);
}

/* Nothing of it waits any more. */
static void finish(Announcer *announcer, Pending *pending, gboolean told)
{
        pending->deadline = 0;
        pending->overdue = FALSE;
        release(announcer, pending);
        pending_unpark(pending);
        tell_untold(announcer, pending);
        tell_waiters(pending, told);
}

static void show(Announcer *announcer, Step *step)
{
        if (!step->pending && step->n_events > 0)
                step->pending = pending_get(announcer->pending, step->kind, step->uuid);

        if (!step->answer->present)
                show_gone(announcer, step);
        else if (!step->item)
                show_new(announcer, step);
        else
                show_changed(announcer, step);

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

/* The comparison is over when this object is told. */
static void await(Announcer *announcer, Pending *pending)
{
        if (!pending->awaited)
                announcer->awaited++;
        pending->awaited = TRUE;
}

/* Keeps the answer until libvirt has told how it came to that. */
static void park(Announcer *announcer, Step *step)
{
        Pending *pending = pending_get(announcer->pending, step->kind, step->uuid);
        if (step->found)
                await(announcer, pending);
        pending->found = step->found;
        pending_park(pending, step->answer);
        set_deadline(announcer, pending);
}

/* The object that has the name of the answer, where that is new to the answer's own. */
static const Item *find_rival(const Announcer *announcer, const Step *step, const Status *after)
{
        const char *now = step->item ? item_string(step->item, kind_slots(step->kind)->name) : "";

        if (!after->present || strcmp(now, after->name) == 0)
                return NULL;

        return find_namesake(announcer, step->kind, step->uuid, after->name);
}

/* Fills in what is to be told before the answer can be shown. */
static void plan(const Announcer *announcer, Step *step)
{
        Status before = status_before(step), after = status_after(step);

        step->n_events = 0;
        step->rival = find_rival(announcer, step, &after);
        /* What the first list has was there before. */
        if (!before.present && !announcer->listed[mirrored_index(step->kind)])
                return;

        /* The event that tells what came of a doubt tells the state, too. */
        if (step->pending && step->pending->doubts && before.present && after.present &&
            reconcile_is_active(before.state) && reconcile_is_active(after.state))
                before.state = after.state;

        step->n_events = reconcile(step->kind, &before, &after, step->events);
}

/* One of two objects of a name is gone, or has another name by now: that is told first. */
static void ask_rival(const Announcer *announcer, const Step *step)
{
        refresh_one(announcer->config.refresh, step->kind,
                    item_string(step->rival, kind_slots(step->kind)->uuid), ASPECT_LIFE, FALSE);
        refresh_one(announcer->config.refresh, step->kind, step->uuid, ASPECT_DEFINITION, FALSE);
}

/* Facts that no event tells of. */
static void take_facts(Announcer *announcer, Answer *answer)
{
        const Item *item = mirror_find_uuid(announcer->config.mirror, answer->kind, answer->uuid);

        if (!item)
                return;

        tell_values(announcer, item, set_values(announcer, item, NULL, answer->values), FALSE);
        memset(answer->values, 0, sizeof answer->values);
}

static Step make_step(const Announcer *announcer, Answer *answer)
{
        return (Step){
                .kind = answer->kind,
                .uuid = answer->uuid,
                .item = mirror_find_uuid(announcer->config.mirror, answer->kind, answer->uuid),
                .pending = pending_find(announcer->pending, answer->kind, answer->uuid),
                .answer = answer,
        };
}

/* Whether libvirt has told something since the question. */
static gboolean is_old(const Announcer *announcer, const Step *step)
{
        return step->pending && step->pending->round >= last_round(announcer);
}

/* libvirt says that it is not there, and nobody was told that it is. */
static gboolean is_nothing(const Step *step)
{
        return !step->answer->present && !step->item && (!step->pending || step->pending->held.length == 0);
}

void announcer_answer(Announcer *announcer, Answer *answer)
{
        Step step = make_step(announcer, answer);
        gboolean after_outage = announcer->comparing && announcer->comparison == COMPARISON_AFTER_OUTAGE;
        gboolean again = announcer->comparing && announcer->comparison == COMPARISON_AGAIN;

        if (answer->scheduler) {
                take_facts(announcer, answer);
                return;
        }

        if (is_old(announcer, &step)) {
                /* An object that is there is in the picture, or there is none yet. */
                if (announcer->comparing && !step.item && answer->present)
                        await(announcer, step.pending);
                return;
        }

        if (is_nothing(&step)) {
                if (step.pending)
                        finish(announcer, step.pending, TRUE);
                return;
        }

        step.found =
                after_outage || (again && !step.pending) || (step.pending && step.pending->found);
        plan(announcer, &step);
        if ((step.n_events == 0 || after_outage || (step.pending && step.pending->overdue)) &&
            (!step.rival || (step.pending && step.pending->overdue))) {
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

        announcer->fresh[mirrored_index(kind)] = TRUE;
        mirror_iterate(announcer->config.mirror, kind, &iter);
        while (g_hash_table_iter_next(&iter, &leaf, &item))
                if (!g_hash_table_contains(leaves, leaf))
                        add_absent(gone, item_string(item, kind_slots(kind)->uuid));

        for (guint i = 0; i < all->len; i++) {
                const Pending *pending = g_ptr_array_index(all, i);
                g_autofree char *held_leaf = path_uuid_leaf(pending->uuid);

                if (pending->kind == kind && !mirror_find(announcer->config.mirror, kind, held_leaf) &&
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
        Step step = make_step(announcer, &pending->parked);

        step.found = pending->found;
        plan(announcer, &step);
        if (!anyhow && (step.n_events > 0 || step.rival))
                return FALSE;

        show(announcer, &step);
        return TRUE;
}

/* The moment is over. */
static void expire(Announcer *announcer, Pending *pending)
{
        pending->deadline = 0;
        if (pending->is_parked && !pending->outdated) {
                show_parked(announcer, pending, TRUE);
        } else if (pending->held.length > 0) {
                announce_held(announcer, pending, TRUE);
                finish(announcer, pending, TRUE);
        } else if (pending->overdue) {
                finish(announcer, pending, FALSE);
        } else {
                /* It is asked about: the answer is shown as soon as it is there. */
                tell_untold(announcer, pending);
                pending->overdue = pending->is_parked || pending->waiters;
                if (pending->waiters)
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

/* Events */

/* A libvirt that tells ever more and answers nothing is not waited for. */
static Pending *note(Announcer *announcer, const Kind *kind, const char *uuid)
{
        Pending *pending;

        if (pending_size(announcer->pending) >= PENDING_MAX) {
                announcer_give_up(announcer);
                pending_clear(announcer->pending);
        }

        pending = pending_get(announcer->pending, kind, uuid);
        pending->round = last_round(announcer);
        pending->outdated = pending->is_parked;
        return pending;
}

static void ask(const Announcer *announcer, const Event *event, gboolean known)
{
        Aspects aspects = event->lifecycle >= 0 || !known ? meaning_aspects(event, known) : ASPECT_STATE;

        /* What is held is told as soon as there is an answer. */
        refresh_one(announcer->config.refresh, event->kind, event->uuid, aspects,
                    !known || waits_size(announcer->config.waits) > 0);
}

void announcer_event(Announcer *announcer, const Event *event)
{
        const Item *item = mirror_find_uuid(announcer->config.mirror, event->kind, event->uuid);
        Pending *pending;

        if (item && event->lifecycle < 0 && !event->may_change) {
                add_event(announcer, event);
                return;
        }

        pending = note(announcer, event->kind, event->uuid);
        if (item)
                release(announcer, pending);
        if (event->lifecycle >= 0 && pending_is_late(pending, event)) {
                ask(announcer, event, item != NULL);
                return;
        }

        if (!item) {
                pending_hold(pending, event);
                set_deadline(announcer, pending);
        } else if (event->lifecycle < 0) {
                add_event(announcer, event);
        } else {
                tell_lifecycle(announcer, item, pending, event);
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
        note(announcer, kind, uuid);
}

/* Comparisons */

void announcer_begin_comparison(Announcer *announcer, Comparison comparison)
{
        announcer->comparing = TRUE;
        announcer->comparison = comparison;
        announcer->found = (Differences){};
}

gboolean announcer_end_comparison(Announcer *announcer)
{
        announcer->comparing = FALSE;
        return announcer->awaited == 0;
}

const Differences *announcer_found(const Announcer *announcer)
{
        return &announcer->found;
}

void announcer_settle(Announcer *announcer, guint64 round)
{
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);

        for (size_t i = 0; i < N_MIRRORED; i++)
                announcer->listed[i] = announcer->listed[i] || announcer->fresh[i];
        for (guint i = 0; i < all->len; i++)
                pending_settle(announcer->pending, g_ptr_array_index(all, i), round);
}

gboolean announcer_is_settled(const Announcer *announcer, const Kind *kind, const char *uuid)
{
        const Pending *pending = pending_find(announcer->pending, kind, uuid);

        return !pending || (!pending->is_parked && pending->held.length == 0 &&
                            pending->round < refresh_rounds(announcer->config.refresh));
}

gboolean announcer_wait(Announcer *announcer, const Kind *kind, const char *uuid, RefreshWait *done,
                        void *data)
{
        Pending *pending;

        if (announcer_is_settled(announcer, kind, uuid))
                return FALSE;

        pending = pending_find(announcer->pending, kind, uuid);
        pending_add_waiter(pending, done, data);
        set_deadline(announcer, pending);
        /* Something told of it since the question: it is due, and not to rest before that. */
        refresh_one(announcer->config.refresh, kind, uuid, ASPECT_STATE, TRUE);
        return TRUE;
}

void announcer_flush(Announcer *announcer)
{
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);

        for (guint i = 0; i < all->len; i++)
                tell_untold(announcer, g_ptr_array_index(all, i));
}

void announcer_give_up(Announcer *announcer)
{
        g_autoptr(GPtrArray) all = pending_all(announcer->pending);

        g_clear_handle_id(&announcer->timer, g_source_remove);
        announcer->awaited = 0;
        for (guint i = 0; i < all->len; i++) {
                Pending *pending = g_ptr_array_index(all, i);

                pending->awaited = pending->found = FALSE;
                if (pending->held.length > 0)
                        announce_held(announcer, pending, TRUE);
                finish(announcer, pending, FALSE);
        }
}

/* Life */

Announcer *announcer_new(const AnnouncerConfig *config)
{
        Announcer *announcer = g_new0(Announcer, 1);

        announcer->config = *config;
        announcer->pending = pending_table_new();
        return announcer;
}

void announcer_free(Announcer *announcer)
{
        if (!announcer)
                return;

        g_clear_handle_id(&announcer->timer, g_source_remove);
        pending_table_free(announcer->pending);
        g_free(announcer);
}
