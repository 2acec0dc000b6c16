/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call.h"
#include "mirror.h"

#include <glib.h>

/* Calls of WaitForState that wait. Main thread. */

typedef struct Waits Waits;

/* @finish takes a call that has its result or its error. */
Waits *waits_new(const Mirror *mirror, void (*finish)(Call *call, void *data), void *data);

/* Frees it, when nothing waits any more. NULL is fine. */
void waits_free(Waits *waits);

/* Has @call, with the arguments of WaitForState, wait for the domain with that leaf. It may be finished
 * before this returns. */
void waits_add(Waits *waits, Call *call, const char *leaf);

/* While it is blind, nobody knows what is there, and no wait ends by it. It is so at first. */
void waits_set_blind(Waits *waits, gboolean blind);

/* The mirror has something new of that domain, or has it no more. */
void waits_check(Waits *waits, const char *leaf);

/* An event told that the domain was started or stopped: what settles begins again. */
void waits_disturb(Waits *waits, const char *leaf);

/* Lets go of the calls of that caller, and calls @drop with each. NULL for all. */
void waits_drop(Waits *waits, const char *caller, void (*drop)(Call *call, void *data), void *data);

unsigned waits_size(const Waits *waits);
