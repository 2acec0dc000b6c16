/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an answer means for those that listen. */

#include "mirror/step.h"

#include "base/thread.h"

#include <string.h>

Status step_after(const Step *step)
{
        ASSERT_MAIN();
        return step->answer->present ? status_of(step->kind, step->answer->values, step->item) : (Status){};
}

Status step_before(const Step *step)
{
        Status after;

        ASSERT_MAIN();
        if (step->item)
                return status_of(step->kind, NULL, step->item);

        if (!step->pending)
                return (Status){};

        after = step_after(step);
        return pending_status(step->pending, &after);
}

/* The name under which the object is about to be announced, also where it is gone already; NULL for none. */
static const char *name_to_announce(const Step *step, const Status *after)
{
        const HeldEvent *last = step->pending ? g_queue_peek_tail(&step->pending->held) : NULL;

        if (after->present)
                return after->name;

        return !step->item && last ? last->name : NULL;
}

/* The object that has that name, where it is new to the answer's own. */
static const Item *find_rival(const Step *step, const Mirror *mirror, const Status *after)
{
        const char *now = step->item ? item_string(step->item, kind_slots(step->kind)->name) : "";
        const char *name = name_to_announce(step, after);

        if (!name || strcmp(now, name) == 0)
                return NULL;

        return mirror_find_namesake(mirror, step->kind, step->uuid, name);
}

void step_plan(Step *step, const Mirror *mirror, gboolean listed)
{
        Status before = step_before(step), after = step_after(step);

        ASSERT_MAIN();
        step->n_events = 0;
        step->rival = find_rival(step, mirror, &after);
        if (!before.present && !listed)
                return;

        /* The event that tells what came of a doubt tells the state, too. */
        if (step->pending && step->pending->doubts && before.present && after.present &&
            reconcile_is_active(before.state) && reconcile_is_active(after.state))
                before.state = after.state;

        step->n_events = reconcile(step->kind, &before, &after, step->events);
}

gboolean step_is_nothing(const Step *step)
{
        ASSERT_MAIN();
        return !step->answer->present && !step->item && (!step->pending || step->pending->held.length == 0);
}
