/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From what was decided about an object to the signals and events that say it, in their order.
 *
 * Each change is told twice: clients that keep properties hear the signals of D-Bus's own, those that follow
 * the stream hear an event with a number, so that they know when they missed one. Whether an object is stale
 * is no event: it follows from those of the connection, and would push all others out of the stream. */

#include "mirror/emit.h"

#include "base/thread.h"
#include "bus/path.h"
#include "members.h"
#include "mirror/marshal.h"
#include "virt/event_details.h"

#include <errno.h>
#include <string.h>

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/* What a signal's header, and the strings beside its dictionary, take at most where they are short. */
#define SHORT_BYTES 256

void emit_properties(Bus *bus, const Kind *kind, const char *path, const PackedValue *changed)
{
        sd_bus_message *message = bus_new_signal(bus, path, INTERFACE_PROPERTIES, "PropertiesChanged");
        int r = message ? sd_bus_message_append_basic(message, 's', kind->native->name) : -ENOMEM;

        ASSERT_MAIN();
        if (r >= 0)
                r = packed_value_append(message, changed);
        if (r >= 0)
                r = sd_bus_message_append(message, "as", 0);
        bus_send(bus, message, SHORT_BYTES + changed->wire, r);
}

static void add_found(Packer *details, gboolean found)
{
        if (found)
                packer_add_boolean(details, "synthetic", TRUE);
}

/* Adds an event of @item; the details are the packer's. */
static guint64 add_event(EventLog *event_log, const Item *item, const char *word, const char *name,
                         Packer *packer, gboolean synthetic)
{
        g_autoptr(PackedValue) details = packer_end(packer);

        return event_log_add(event_log, item->kind, item->path, word, name, details, synthetic);
}

static const char *name_of(const Item *item)
{
        return item_string(item, kind_slots(item->kind)->name);
}

/* About what the properties of an object take. */
#define ITEM_BYTES 1024

/* A dictionary of the values in those slots. */
static void pack_values(Packer *values, const Item *item, guint32 slots)
{
        const Member *property = interface_properties(item->kind->native);

        packer_begin(values);
        for (unsigned i = 0; i < item->kind->native->n_properties; i++)
                if (slots & (1u << i))
                        packer_add(values, property[i].name, item->values[i]);
}

static PackedValue *values_of(const Item *item, guint32 slots, gboolean found)
{
        Packer values;

        pack_values(&values, item, slots);
        add_found(&values, found);
        return packer_end(&values);
}

static void send_added(Bus *bus, EventLog *event_log, const Item *item, gboolean found)
{
        const guint32 all = (1u << item->kind->native->n_properties) - 1;
        sd_bus_message *message = bus_new_signal(bus, PATH_ROOT, OBJECT_MANAGER, "InterfacesAdded");
        Packer details;

        bus_send(bus, message, ITEM_BYTES, message ? marshal_item(message, item) : 0);
        pack_values(&details, item, all & ~(1u << kind_slots(item->kind)->stale));
        add_found(&details, found);
        add_event(event_log, item, "added", name_of(item), &details, found);
}

void emit_slots(Bus *bus, EventLog *event_log, const Item *item, guint32 slots, gboolean found)
{
        guint32 told = slots & ~(1u << kind_slots(item->kind)->stale);
        g_autoptr(PackedValue) changed = values_of(item, slots, FALSE);
        g_autoptr(PackedValue) details = NULL;

        ASSERT_MAIN();
        emit_properties(bus, item->kind, item->path, changed);
        if (told == 0)
                return;

        details = told == slots && !found ? packed_value_ref(changed) : values_of(item, told, found);
        event_log_add(event_log, item->kind, item->path, "changed", name_of(item), details, found);
}

static void send_removed(Bus *bus, EventLog *event_log, const Item *item, gboolean found)
{
        const char *interfaces[] = {item->kind->native->name, item->kind->interface->name, NULL};
        Packer details;

        bus_signal(bus, PATH_ROOT, OBJECT_MANAGER, "InterfacesRemoved",
                   g_variant_new("(o^as)", item->path, interfaces));

        packer_begin(&details);
        add_found(&details, found);
        add_event(event_log, item, "removed", name_of(item), &details, found);
}

/* An event of a lifecycle that libvirt did not tell, by its number; @name is the object's at that time. */
static void send_synthetic(EventLog *event_log, const Item *item, const char *name, int event)
{
        g_autoptr(PackedValue) details = event_details_of_found(item->kind, event);

        event_log_add(event_log, item->kind, item->path, "lifecycle", name, details, TRUE);
}

/* What libvirt says of a state that event number @of told with doubt; both are NULL for a domain that is
 * gone. */
static void send_checked(EventLog *event_log, const Item *item, guint64 of, GVariant *state, GVariant *reason)
{
        Packer details;

        packer_begin(&details);
        packer_add_uint64(&details, "of", of);
        packer_add_string(&details, "state", state ? g_variant_get_string(state, NULL) : "gone");
        packer_add_string(&details, "reason", reason ? g_variant_get_string(reason, NULL) : "");
        add_event(event_log, item, "state-checked", name_of(item), &details, FALSE);
}

/* What waits for a state that lasts waits anew when the domain is started or stopped. */
static void disturb_waits(const Emitter *emitter, const Item *item, int event)
{
        if (item->kind == &kind_domain &&
            (event == VIR_DOMAIN_EVENT_STARTED || event == VIR_DOMAIN_EVENT_STOPPED))
                state_waits_disturb(emitter->waits, item->leaf);
}

static void check_waits(const Emitter *emitter, const Item *item)
{
        if (item->kind == &kind_domain)
                state_waits_check(emitter->waits, item->leaf);
}

guint64 emit_event(const Emitter *emitter, const Event *event)
{
        ASSERT_MAIN();
        return event_log_add(emitter->event_log, event->kind, event->path, event->word, event->name,
                             event->details, FALSE);
}

/* libvirt tells that a domain was started when it is complete. */
static gboolean is_starting(const Item *item, const Answer *answer)
{
        GVariant *reason;

        if (!answer->present || answer->kind != &kind_domain)
                return FALSE;

        reason = answer->values[DOMAIN1_STATE_REASON];
        return reconcile_is_starting(
                g_variant_get_string(reason ? reason : item->values[DOMAIN1_STATE_REASON], NULL));
}

/* In libvirt's place; what libvirt may tell of it yet is known. */
static void tell_synthetic(const Emitter *emitter, const Item *item, const Step *step)
{
        const Status before = status_of(step->kind, NULL, item);
        const Status after = step_after(step);
        const char *name = after.present ? after.name : item_string(item, kind_slots(item->kind)->name);

        if (step->n_events == 0)
                return;

        for (unsigned i = 0; i < step->n_events; i++) {
                send_synthetic(emitter->event_log, item, name, step->events[i]);
                disturb_waits(emitter, item, step->events[i]);
        }

        pending_expect_late(step->pending, step->events, step->n_events, before.id);
        /* That may take any time. */
        if (is_starting(item, step->answer))
                step->pending->late.until = G_MAXINT64;
}

/* The values are consumed. With @pending the old ones are remembered, as those that were announced. Returns
 * the slots of those that are new. */
static guint32 set_values(const Emitter *emitter, const Item *item, Pending *pending, GVariant **values)
{
        const char *uuid = item_string(item, kind_slots(item->kind)->uuid);
        guint32 changed;

        for (unsigned i = 0; pending && i < item->kind->native->n_properties; i++)
                if (values[i])
                        pending_remember(pending, i, item->values[i]);

        mirror_update(emitter->mirror, item->kind, uuid, values, &changed);
        if (changed != 0)
                check_waits(emitter, item);
        return changed;
}

static void tell_values(const Emitter *emitter, const Item *item, guint32 changed, gboolean found)
{
        if (changed == 0)
                return;

        emit_slots(emitter->bus, emitter->event_log, item, changed, found);
}

static void set_boolean(GVariant **values, unsigned slot, gboolean value)
{
        values[slot] = g_variant_ref_sink(g_variant_new_boolean(value));
}

static void set_string(GVariant **values, unsigned slot, const char *value)
{
        values[slot] = g_variant_ref_sink(g_variant_new_string(value));
}

/* The state that an event tells and how it came to that, in the values of a domain. */
static void set_domain_state(GVariant **values, const Event *event, const Status *status)
{
        const char *reason = event_details_implied_reason(event->lifecycle, event->detail);

        set_string(values, DOMAIN1_STATE, status->state);
        set_string(values, DOMAIN1_STATE_REASON, reason ? reason : "unknown");
        values[DOMAIN1_ID] = g_variant_ref_sink(g_variant_new_uint32(status->id));
}

/* The mirror shows what an event said at once. That the values are new is told with those that the answer to
 * come has: one signal for both, and one for many events. */
static void take_over(const Emitter *emitter, const Item *item, Pending *pending, const Event *event)
{
        const Slots *slots = kind_slots(item->kind);
        const Status before = status_of(item->kind, NULL, item);
        Status after = before;
        GVariant *values[N_DOMAIN1] = {};

        reconcile_apply(item->kind, &after, event);
        if (after.persistent != before.persistent)
                set_boolean(values, slots->persistent, after.persistent);
        if (after.name != before.name &&
            !mirror_find_namesake(emitter->mirror, item->kind, event->uuid, after.name))
                set_string(values, slots->name, after.name);
        if (after.state != before.state) {
                set_boolean(values, slots->active, reconcile_is_active(after.state));
                if (item->kind == &kind_domain)
                        set_domain_state(values, event, &after);
        }

        set_values(emitter, item, pending, values);
}

static void add_doubt(Pending *pending, guint64 sequence)
{
        if (!pending->doubts)
                pending->doubts = g_array_new(FALSE, FALSE, sizeof sequence);
        g_array_append_val(pending->doubts, sequence);
}

static gboolean is_doubtful(const Event *event)
{
        return event->kind == &kind_domain && event_details_are_doubtful(event->lifecycle, event->detail);
}

/* What was missed on the way from what the mirror shows to @event. Little can be, but over an outage. */
static void tell_missed(const Emitter *emitter, const Item *item, Pending *pending, const Event *event)
{
        const Status status = status_of(item->kind, NULL, item);
        gboolean stale = item_boolean(item, kind_slots(item->kind)->stale);
        int events[RECONCILE_MAX];
        unsigned n = reconcile_event(item->kind, &status, event, stale, events);

        for (unsigned i = 0; i < n; i++) {
                send_synthetic(emitter->event_log, item, status.name, events[i]);
                disturb_waits(emitter, item, events[i]);
        }

        if (n == 0)
                return;

        /* libvirt tells of a start when it is complete, which may be after this. */
        pending->late.n = 0;
        if (events[n - 1] == VIR_DOMAIN_EVENT_STARTED)
                pending_expect_late(pending, &events[n - 1], 1, 0);
}

void emit_lifecycle(const Emitter *emitter, const Item *item, Pending *pending, const Event *event)
{
        guint64 sequence;

        ASSERT_MAIN();
        tell_missed(emitter, item, pending, event);
        if (event->kind == &kind_domain && event->lifecycle == VIR_DOMAIN_EVENT_STOPPED)
                pending_end_life(pending, status_of(item->kind, NULL, item).id);
        sequence = emit_event(emitter, event);
        if (is_doubtful(event))
                add_doubt(pending, sequence);
        else
                take_over(emitter, item, pending, event);
        disturb_waits(emitter, item, event->lifecycle);
}

void emit_started(const Emitter *emitter, const Item *item, Pending *pending, const Event *event)
{
        const char *name = item_string(item, DOMAIN1_NAME);

        ASSERT_MAIN();
        if (!reconcile_is_starting(item_string(item, DOMAIN1_STATE_REASON)))
                return;

        pending->late.n = 0;
        send_synthetic(emitter->event_log, item, name, VIR_DOMAIN_EVENT_RESUMED);
        take_over(emitter, item, pending, event);
}

/* States that were told with doubt: @state is what libvirt says, NULL that the domain is gone. */
static void tell_doubts(const Emitter *emitter, const Item *item, Pending *pending, GVariant *state,
                        GVariant *reason)
{
        g_autoptr(GArray) doubts = pending ? g_steal_pointer(&pending->doubts) : NULL;

        for (guint i = 0; doubts && i < doubts->len; i++)
                send_checked(emitter->event_log, item, g_array_index(doubts, guint64, i), state, reason);
}

static void tell_held(const Emitter *emitter, Pending *pending)
{
        HeldEvent *held;

        while (pending && (held = pending_pop_held(pending))) {
                guint64 sequence = emit_event(emitter, &held->event);

                if (is_doubtful(&held->event))
                        add_doubt(pending, sequence);
                held_event_free(held);
        }
}

/* Announces an object that libvirt told of, but was not asked about, or is gone already: as far as events
 * say what it is. */
const Item *emit_held(const Emitter *emitter, Pending *pending, gboolean stale)
{
        const Slots *slots = kind_slots(pending->kind);
        const Status status = pending_status(pending, NULL);
        GVariant *values[N_DOMAIN1] = {};
        const Item *item;

        ASSERT_MAIN();
        set_string(values, slots->name, status.name);
        set_boolean(values, slots->persistent, status.persistent);
        set_boolean(values, slots->active, reconcile_is_active(status.state));
        set_boolean(values, slots->stale, stale);
        if (pending->kind == &kind_domain) {
                set_string(values, DOMAIN1_STATE, status.state);
                set_string(values, DOMAIN1_STATE_REASON, "unknown");
                values[DOMAIN1_ID] = g_variant_ref_sink(g_variant_new_uint32(status.id));
        }

        item = mirror_update(emitter->mirror, pending->kind, pending->uuid, values, NULL);
        send_added(emitter->bus, emitter->event_log, item, FALSE);
        tell_held(emitter, pending);
        if (stale && pending->kind == &kind_domain)
                sync_add_system(emitter->sync, pending->uuid);
        check_waits(emitter, item);
        return item;
}

void emit_gone(const Emitter *emitter, Step *step)
{
        const Item *item = step->item ? step->item : emit_held(emitter, step->pending, FALSE);
        Item *gone;

        ASSERT_MAIN();
        tell_synthetic(emitter, item, step);
        tell_doubts(emitter, item, step->pending, NULL, NULL);
        gone = mirror_take(emitter->mirror, item);
        if (step->counted)
                step->counted->removed++;
        send_removed(emitter->bus, emitter->event_log, gone, step->found);
        check_waits(emitter, gone);
        item_free(gone);
        if (step->pending)
                pending_forget_changed(step->pending);
}

void emit_new(const Emitter *emitter, Step *step)
{
        const Item *item = mirror_update(emitter->mirror, step->kind, step->uuid, step->answer->values, NULL);

        ASSERT_MAIN();
        memset(step->answer->values, 0, sizeof step->answer->values);
        step->item = item;
        if (step->counted)
                step->counted->added++;
        send_added(emitter->bus, emitter->event_log, item, step->found);
        tell_held(emitter, step->pending);
        if (step->kind == &kind_domain) {
                tell_doubts(emitter, item, step->pending, item->values[DOMAIN1_STATE],
                            item->values[DOMAIN1_STATE_REASON]);
                sync_add_system(emitter->sync, step->uuid);
        }
        tell_synthetic(emitter, item, step);
        check_waits(emitter, item);
}

void emit_changed(const Emitter *emitter, Step *step)
{
        GVariant **values = step->answer->values;
        unsigned stale = kind_slots(step->kind)->stale;
        guint32 changed;

        ASSERT_MAIN();
        if (step->kind == &kind_domain && values[DOMAIN1_STATE])
                tell_doubts(emitter, step->item, step->pending, values[DOMAIN1_STATE],
                            values[DOMAIN1_STATE_REASON]);
        tell_synthetic(emitter, step->item, step);
        /* Of many at once that is told when the whole kind was listed. */
        if (!step->listed && item_boolean(step->item, stale))
                set_boolean(values, stale, FALSE);
        changed = set_values(emitter, step->item, step->pending, values);
        memset(values, 0, sizeof step->answer->values);
        if (step->pending)
                changed = pending_take_changed(step->pending, step->item);
        if (changed != 0 && step->counted)
                step->counted->changed++;
        tell_values(emitter, step->item, changed, step->found);
}

/* What events said and no answer has confirmed. */
void emit_untold(const Emitter *emitter, Pending *pending)
{
        const Item *item = mirror_find_uuid(emitter->mirror, pending->kind, pending->uuid);

        ASSERT_MAIN();
        if (item)
                tell_values(emitter, item, pending_take_changed(pending, item), FALSE);
}

void emit_system(const Emitter *emitter, const Item *item, GVariant **values)
{
        ASSERT_MAIN();
        tell_values(emitter, item, set_values(emitter, item, NULL, values), FALSE);
}
