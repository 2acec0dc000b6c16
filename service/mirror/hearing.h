/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "virt/kind.h"

#include <glib.h>

/* Whether libvirt's events are still heard, kind by kind. Main thread.
 *
 * A connection can be deaf although it is alive and libvirt answers on it. libvirt keeps one queue of events
 * for all that listen to a driver, and starts to send when an event comes into an empty queue. An event that
 * is queued at the moment in which the last listener leaves stays in it, so the queue is never empty again
 * for whoever listens next: not before all of them have left. No call says so. What gives it away is a change
 * that libvirt has not told of, with no event after it. */

typedef struct Hearing Hearing;

/* Events of that kind are not heard. Called again where that goes on. */
typedef void HearingFunc(const Kind *kind, void *data);

Hearing *hearing_new(HearingFunc *deaf, void *data);

/* NULL is fine. */
void hearing_free(Hearing *hearing);

/* A change of an object of @kind, which is mirrored, was told in libvirt's place: no event has told it in
 * time. */
void hearing_missed(Hearing *hearing, const Kind *kind);

/* libvirt has told of an object of @kind. TRUE when that kind was deaf and none is any more. */
gboolean hearing_heard(Hearing *hearing, const Kind *kind);

/* The connection is another one, or none: nothing was missed on it. */
void hearing_forget(Hearing *hearing);
