/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"
#include "mirror/query.h"

#include <glib.h>

/* What libvirt answered, on its way to those who take it. Main thread. */

/* The order in which the answers are to be taken: of what is gone, of what @mirror has, and of what is new.
 * An array of guint, places in @answers. */
GArray *apply_order(const Mirror *mirror, const GArray *answers);

/* The set of the leaves of a kind among the answers. */
GHashTable *apply_leaves(const Kind *kind, const GArray *answers);

/* Before an answer is taken, which may not be shown at once: whether it says, with what @mirror has, that a
 * domain is in a state that does not last. */
gboolean apply_is_passing(const Mirror *mirror, const Answer *answer);

/* After an answer was taken: what else it says of a domain. Facts of those in @facts_due, a set of UUIDs, are
 * older than what is due and do not count. */
void apply_scheduler(Mirror *mirror, const Answer *answer, GHashTable *facts_due);

/* Facts that a connection did not live to tell are to be asked for again. */
void apply_missing_facts(const Mirror *mirror, GHashTable *facts_due);
