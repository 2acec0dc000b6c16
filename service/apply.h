/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ask.h"
#include "mirror.h"

#include <glib.h>

/* What libvirt answered, brought into the mirror. Main thread. */

/* One answer, whose values the mirror takes. @facts_due, a set of UUIDs, gains domains that are new: their
 * facts are to be asked for. So does @passing those in a state that does not last. */
void apply_answer(Mirror *mirror, Answer *answer, GHashTable *facts_due, GHashTable *passing);

/* What was listed is all that there is of its kind: others are removed. */
void apply_absence(Mirror *mirror, const Kind *kind, const GArray *answers);

/* Facts that a connection did not live to tell are to be asked for again. */
void apply_missing_facts(const Mirror *mirror, GHashTable *facts_due);
