/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What is known to have happened to objects lately, and libvirt's answers may not show yet. Main thread. */

typedef struct Lately Lately;

Lately *lately_new(void);

/* NULL is fine. */
void lately_free(Lately *lately);

/* Something happened to an object, which answers of rounds up to @round may not show: an event told of it, or
 * a call is over that changes it. @state is where it is now (interned; NULL: not told), @lifecycle libvirt's
 * number of the event, of whatever kind, or -1. */
void lately_note(Lately *lately, const char *uuid, guint64 round, const char *state, int lifecycle);

/* The mirror shows what was asked in round number @round, so that older news are no longer new. */
void lately_forget(Lately *lately, guint64 round);

/* The state that was told last, or NULL. */
const char *lately_state(const Lately *lately, const char *uuid);

/* What was told last of its definition: VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_UNDEFINED, or -1. */
int lately_definition(const Lately *lately, const char *uuid);

/* Whether anything is known. */
gboolean lately_knows(const Lately *lately, const char *uuid);
