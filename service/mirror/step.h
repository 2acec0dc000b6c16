/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/comparisons.h"
#include "mirror/mirror.h"
#include "mirror/pending.h"
#include "mirror/reconcile.h"

#include <glib.h>

/* From what was told of an object to what libvirt says of it. Nothing is told here, and nothing is asked.
 * Main thread. */

/* An answer, and what is to be told before it is shown. */
typedef struct Step {
        const Kind *kind;
        const char *uuid;
        const Item *item; /* NULL: it was not announced */
        Pending *pending; /* NULL: nothing is known of it but what the mirror shows */
        Answer *answer;
        int events[RECONCILE_MAX];
        unsigned n_events;
        const Item *rival;    /* another object that has its name yet, or NULL */
        gboolean found;       /* a comparison came upon it, no event */
        gboolean listed;      /* the answer is part of a comparison, whose list says what is not stale */
        Differences *counted; /* where it counts; or NULL */
} Step;

/* What was told of the object, and what it is by the answer. */
Status step_before(const Step *step);
Status step_after(const Step *step);

/* Fills in the events and the rival, as @mirror is now. Where the object is new and the objects of its kind
 * were not @listed before, it was there before, and nothing has happened. */
void step_plan(Step *step, const Mirror *mirror, gboolean listed);

/* libvirt says that it is not there, and no listener was told that it is. */
gboolean step_is_nothing(const Step *step);
