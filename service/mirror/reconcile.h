/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"
#include "virt/events.h"

#include <glib.h>

/* What a listener has to be told so that it gets from one picture of an object to the next. Pure functions
 * over plain values; any thread. */

/* An object as a listener that follows its lifecycle knows it. The strings are borrowed. */
typedef struct Status {
        gboolean present;  /* all else counts only then */
        const char *state; /* of a domain: its State; of others: "active" or "inactive" */
        gboolean persistent;
        guint32 id; /* of an active domain; 0: not known */
        const char *name;
} Status;

/* What @values, by slot, say of an object of @kind, and @item of what they do not; one of them may be NULL.
 * The strings are borrowed from these. */
Status status_of(const Kind *kind, GVariant *const *values, const Item *item);

/* More events are never needed for one object. */
#define RECONCILE_MAX 4

/* Sets @events to the numbers of the lifecycle events by which libvirt would have told that @before became
 * @after, in libvirt's order, and returns how many these are. Two states that no event tells apart are the
 * same: a domain that waits for its host, or of which libvirt does not know what it does, is a running one.
 */
unsigned reconcile(const Kind *kind, const Status *before, const Status *after, int events[RECONCILE_MAX]);

/* The same before an event is told that does not follow from @status: what must have happened, and was not
 * told. libvirt does not tell that a start has failed, of which the event of another life tells then; nor,
 * with
 * @after_outage, what happened during an outage. */
unsigned reconcile_event(const Kind *kind, const Status *status, const Event *event, gboolean after_outage,
                         int events[RECONCILE_MAX]);

/* Changes @status to what is after @event, as far as the event says. @status borrows from it. */
void reconcile_apply(const Kind *kind, Status *status, const Event *event);

/* Whether an object in that state, as in Status, is active. */
gboolean reconcile_is_active(const char *state);

/* Whether a state of that reason is one of a start under way: libvirt tells of it when it is complete. */
gboolean reconcile_is_starting(const char *reason);

/* Whether @event is about the beginning or the end of a life, or of a definition. */
gboolean reconcile_is_start_or_end(const Event *event);
