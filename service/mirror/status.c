/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the mirror's values, from an answer, and from events that wait, to what reconcile() compares. */

#include "mirror/status.h"

#include "members.h"

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

static Status unknown(const Kind *kind)
{
        return (Status){.state = kind == &kind_domain ? "shutoff" : "inactive", .name = ""};
}

Status status_of_held(const Pending *pending, const Status *after)
{
        Status status = after && after->present ? *after : unknown(pending->kind);

        status.present = pending->held.length > 0;
        for (const GList *each = pending->held.head; each; each = each->next) {
                const HeldEvent *held = each->data;

                status.name = held->name;
                reconcile_apply(pending->kind, &status, &held->event);
        }

        return status;
}
