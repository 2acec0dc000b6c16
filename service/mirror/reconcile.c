/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From one picture of an object to the next, as events of its lifecycle. */

#include "mirror/reconcile.h"

#include "members.h"
#include "virt/event_details.h"

#include <libvirt/libvirt.h>
#include <string.h>

/* The numbers of libvirt's enumerations are the same for all kinds where the words are. */
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_DEFINED == (int)VIR_NETWORK_EVENT_DEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_DEFINED == (int)VIR_STORAGE_POOL_EVENT_DEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_UNDEFINED == (int)VIR_NETWORK_EVENT_UNDEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_UNDEFINED == (int)VIR_STORAGE_POOL_EVENT_UNDEFINED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_STARTED == (int)VIR_NETWORK_EVENT_STARTED);
G_STATIC_ASSERT((int)VIR_DOMAIN_EVENT_STARTED == (int)VIR_STORAGE_POOL_EVENT_STARTED);
G_STATIC_ASSERT((int)VIR_NETWORK_EVENT_STOPPED == (int)VIR_STORAGE_POOL_EVENT_STOPPED);

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

Status status_of(const Kind *kind, GVariant *const *values, const Item *item)
{
        const Slots *slots = kind_slots(kind);
        Status status = {
                .present = TRUE,
                .name = string_of(values, item, slots->name),
                .persistent = boolean_of(values, item, slots->persistent),
        };

        if (kind == &kind_domain) {
                status.state = domain_state(values, item);
                status.id = id_of(values, item);
        } else {
                status.state = boolean_of(values, item, slots->active) ? "active" : "inactive";
        }

        return status;
}

gboolean reconcile_is_active(const char *state)
{
        return strcmp(state, "inactive") != 0 && strcmp(state, "shutoff") != 0;
}

gboolean reconcile_is_starting(const char *reason)
{
        return strcmp(reason, "starting-up") == 0;
}

/* The state that the event tells, static; or NULL. */
static const char *told_by_event(const Event *event)
{
        if (event->kind == &kind_domain)
                return event_details_implied_state(event->lifecycle);

        /* Those of storage pools are the same. */
        switch (event->lifecycle) {
        case VIR_NETWORK_EVENT_STARTED:
                return "active";
        case VIR_NETWORK_EVENT_STOPPED:
                return "inactive";
        default:
                return NULL;
        }
}

static int stopped_event(const Kind *kind)
{
        return kind == &kind_domain ? (int)VIR_DOMAIN_EVENT_STOPPED : (int)VIR_NETWORK_EVENT_STOPPED;
}

/* libvirt has no events for the difference between these: the first of them stands for all. */
static const char *told_state(const char *state)
{
        static const char *const untold[] = {"running", "blocked", "nostate", NULL};

        return g_strv_contains(untold, state) ? untold[0] : state;
}

/* The event that brings an active domain there. */
static int event_to(const char *state)
{
        return strcmp(state, "paused") == 0        ? VIR_DOMAIN_EVENT_SUSPENDED
               : strcmp(state, "pmsuspended") == 0 ? VIR_DOMAIN_EVENT_PMSUSPENDED
               : strcmp(state, "crashed") == 0     ? VIR_DOMAIN_EVENT_CRASHED
               : strcmp(state, "shutdown") == 0    ? VIR_DOMAIN_EVENT_SHUTDOWN
                                                   : VIR_DOMAIN_EVENT_RESUMED;
}

typedef struct Steps {
        const Kind *kind;
        int *events;
        unsigned n;
} Steps;

static void add(Steps *steps, int event)
{
        steps->events[steps->n++] = event;
}

/* A started domain runs, unless it is somewhere else already. */
static void add_start(Steps *steps, const Status *after)
{
        add(steps, VIR_DOMAIN_EVENT_STARTED);
        if (steps->kind == &kind_domain && strcmp(told_state(after->state), "running") != 0)
                add(steps, event_to(after->state));
}

static void add_definition(Steps *steps, const Status *before, const Status *after)
{
        if (before->persistent && !after->persistent)
                add(steps, VIR_DOMAIN_EVENT_UNDEFINED);
        if (after->persistent && (!before->persistent || strcmp(before->name, after->name) != 0))
                add(steps, VIR_DOMAIN_EVENT_DEFINED);
}

static void add_life(Steps *steps, const Status *before, const Status *after)
{
        gboolean was = reconcile_is_active(before->state), is = reconcile_is_active(after->state);
        gboolean again = was && is && before->id != after->id && before->id != 0 && after->id != 0;

        if (was && (!is || again))
                add(steps, stopped_event(steps->kind));
        if (is && (!was || again))
                add_start(steps, after);
        else if (was && is && strcmp(told_state(before->state), told_state(after->state)) != 0)
                add(steps, event_to(after->state));
}

unsigned reconcile(const Kind *kind, const Status *before, const Status *after, int events[RECONCILE_MAX])
{
        Steps steps = {.kind = kind, .events = events};

        if (before->present && after->present) {
                add_definition(&steps, before, after);
                add_life(&steps, before, after);
        } else if (before->present) {
                if (reconcile_is_active(before->state))
                        add(&steps, stopped_event(kind));
                if (before->persistent)
                        add(&steps, VIR_DOMAIN_EVENT_UNDEFINED);
        } else if (after->present) {
                if (after->persistent)
                        add(&steps, VIR_DOMAIN_EVENT_DEFINED);
                if (reconcile_is_active(after->state))
                        add_start(&steps, after);
        }

        return steps.n;
}

/* A domain that was suspended to memory is started again when it wakes up; it was never stopped. */
static gboolean is_start(const Kind *kind, const Event *event)
{
        return event->lifecycle == VIR_DOMAIN_EVENT_STARTED &&
               (kind != &kind_domain || event->detail != VIR_DOMAIN_EVENT_STARTED_WAKEUP);
}

static gboolean is_restarted(const Kind *kind, const Status *status, const Event *event)
{
        Status after = *status;

        if (status->id == 0 || !reconcile_is_active(status->state))
                return FALSE;

        reconcile_apply(kind, &after, event);
        return after.id != 0 && after.id != status->id;
}

unsigned reconcile_event(const Kind *kind, const Status *status, const Event *event, gboolean after_outage,
                         int events[RECONCILE_MAX])
{
        Steps steps = {.kind = kind, .events = events};
        gboolean active = reconcile_is_active(status->state);
        gboolean restarted = is_restarted(kind, status, event);

        if (restarted || (after_outage && active && is_start(kind, event))) {
                add(&steps, stopped_event(kind));
                active = FALSE;
        }

        /* A life begins with its start, whatever libvirt tells of it first. */
        if ((after_outage || restarted) && !active && !is_start(kind, event) && told_by_event(event))
                add(&steps, VIR_DOMAIN_EVENT_STARTED);

        return steps.n;
}

void reconcile_apply(const Kind *kind, Status *status, const Event *event)
{
        const char *state = event->lifecycle >= 0 ? told_by_event(event) : NULL;

        if (event->lifecycle == VIR_DOMAIN_EVENT_DEFINED) {
                status->persistent = TRUE;
                status->name = event->name;
        } else if (event->lifecycle == VIR_DOMAIN_EVENT_UNDEFINED) {
                status->persistent = FALSE;
        }

        if (!state || (kind == &kind_domain && event_details_are_doubtful(event->lifecycle, event->detail)))
                return;

        status->state = state;
        status->id = reconcile_is_active(state) ? event->id : 0;
}

gboolean reconcile_is_start_or_end(const Event *event)
{
        switch (event->lifecycle) {
        case VIR_DOMAIN_EVENT_DEFINED:
        case VIR_DOMAIN_EVENT_UNDEFINED:
        case VIR_DOMAIN_EVENT_STARTED:
        case VIR_DOMAIN_EVENT_STOPPED:
                return TRUE;
        default:
                return FALSE;
        }
}
