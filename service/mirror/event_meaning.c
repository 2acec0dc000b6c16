/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which parts of the mirror an event puts out of date, and which state it tells. */

#include "mirror/event_meaning.h"

#include "virt/event_details.h"

Aspects event_meaning_aspects(const Event *event, gboolean known)
{
        if (!known)
                return ASPECT_DEFINITION | ASPECT_FACTS;

        switch (event->lifecycle) {
        case VIR_DOMAIN_EVENT_DEFINED:
        case VIR_DOMAIN_EVENT_UNDEFINED:
                return ASPECT_DEFINITION | ASPECT_FACTS;
        case VIR_DOMAIN_EVENT_STARTED:
        case VIR_DOMAIN_EVENT_STOPPED:
        case VIR_DOMAIN_EVENT_CRASHED:
                return ASPECT_LIFE | ASPECT_FACTS;
        case VIR_DOMAIN_EVENT_SUSPENDED:
        case VIR_DOMAIN_EVENT_RESUMED:
                return ASPECT_STATE;
        default:
                return ASPECT_LIFE;
        }
}

const char *event_meaning_state(const Event *event)
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
