/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/call.h"

#include <glib.h>

/* The streams of one connection to a hypervisor: what its calls have opened, and what is under way beside all
 * other calls, on threads of its own. Main thread. */

typedef struct Streams {
        GQueue running; /* of Stream; all zero is none */
} Streams;

/* Charges @call, before it is begun, with the stream that it is going to open. FALSE and LIMITS_EXCEEDED
 * where that is one too many. */
gboolean streams_charge(Call *call);

/* Takes @call, which was run and has opened a pump: it is answered when that has ended, or withdrawn;
 * one of an interactive pump at once. */
void streams_take(Streams *streams, Call *call);

/* Ends all of them, with @error. */
void streams_stop(Streams *streams, const GError *error);

/* Whether some have not ended. */
gboolean streams_are_running(const Streams *streams);
