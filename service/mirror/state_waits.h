/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/call.h"
#include "mirror/mirror.h"

#include <glib.h>

/* Calls of WaitForState that wait. Main thread. */

typedef struct StateWaits StateWaits;

/* @finish takes a call that has its result or its error. */
StateWaits *state_waits_new(const Mirror *mirror, void (*finish)(Call *call, void *data), void *data);

/* Frees it, when nothing waits any more. NULL is fine. */
void state_waits_free(StateWaits *waits);

/* Has @call, with the arguments of WaitForState, wait for its domain. It may be finished before this returns.
 */
void state_waits_add(StateWaits *waits, Call *call);

/* While it is blind, it is not known what is there, and no wait ends by it. It is so at first. */
void state_waits_set_blind(StateWaits *waits, gboolean blind);

/* The mirror has something new of that domain, or has it no more. */
void state_waits_check(StateWaits *waits, const char *leaf);

/* An event told that the domain was started or stopped: what settles begins again. */
void state_waits_disturb(StateWaits *waits, const char *leaf);

/* Lets go of @call, which waits. */
void state_waits_withdraw(StateWaits *waits, const Call *call);

/* Lets go of all calls, and calls @drop with each. */
void state_waits_drop(StateWaits *waits, void (*drop)(Call *call, void *data), void *data);

unsigned state_waits_size(const StateWaits *waits);
