/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/comparisons.h"
#include "mirror/emit.h"
#include "virt/events.h"

#include <glib.h>

/* What listeners are told of objects, in an order that can be relied on: the grammar of the stream. Main
 * thread.
 *
 * - Of each object `added` is the first event, and `removed` the last one until it is added again.
 * - A change of state is told by an event of the object's lifecycle before a property shows it.
 * - What libvirt's event said is newer than an answer that was asked for before: the object is asked about
 *   again, and the answer is not shown.
 * - An answer that shows what no event has told waits a moment for libvirt's word; then the service tells it
 *   in libvirt's place, as a synthetic event, and libvirt's own late word is not told again. */

typedef struct Announcer Announcer;

/* What it calls. */
typedef struct AnnouncerOwner {
        /* All that a comparison came upon is told, and no object that was announced meanwhile is stale
         * because libvirt was not asked about it yet. */
        ComparedFunc *compared;
        /* What libvirt could have told of an object of that kind, and has not in time, was told in its place.
         */
        void (*missed)(const Kind *kind, void *data);
} AnnouncerOwner;

/* Everything in @emitter must outlive it, and so must @owner. */
Announcer *announcer_new(const Emitter *emitter, const AnnouncerOwner *owner, void *data);

/* NULL is fine. */
void announcer_free(Announcer *announcer);

/* Whether libvirt tells nothing of changes of that kind, so that its word is not waited for. */
void announcer_set_silent(Announcer *announcer, const Kind *kind, gboolean silent);

/* All that the mirror has was announced by an earlier start of the service: what a list has besides is new.
 */
void announcer_resume(Announcer *announcer);

/* The connection is open: that is told. Before, no object is announced from events alone: libvirt may tell of
 * one while the service still registers for its other events. */
void announcer_opened(Announcer *announcer);

/* libvirt told of something about an object of a mirrored kind: it is told, or held until the object was
 * announced; and the object is asked about where the event may have changed it. */
void announcer_event(Announcer *announcer, const Event *event);

/* Something may have changed the object that no event tells, such as a call: answers of questions that began
 * before now do not count. */
void announcer_touch(Announcer *announcer, const Kind *kind, const char *uuid);

/* libvirt answered: takes the values of @answer where they are shown, now or later. */
void announcer_answer(Announcer *announcer, Answer *answer);

/* libvirt told the OSType of a domain, which no event tells of. */
void announcer_system(Announcer *announcer, const Item *item, GVariant *type);

/* libvirt listed all objects of a kind: what is not in the set of leaves is gone. */
void announcer_absent(Announcer *announcer, const Kind *kind, GHashTable *leaves);

/* The answers of a comparison follow; and they are over. */
void announcer_begin_comparison(Announcer *announcer, ComparisonCause cause);
void announcer_end_comparison(Announcer *announcer);

/* libvirt does not answer, and all that was compared is stale: no comparison is over before another one has
 * its answers. */
void announcer_hold_comparisons(Announcer *announcer);

/* Whether one is not over. */
gboolean announcer_is_comparing(const Announcer *announcer);

/* Answers of passes up to number @pass are in the mirror. */
void announcer_settle(Announcer *announcer, guint64 pass);

/* Whether what is known of the object is told: no event and no answer of it waits. */
gboolean announcer_is_settled(const Announcer *announcer, const Kind *kind, const char *uuid);

/* Calls @done when that is so, at the latest after a moment. FALSE when it is so now: @done is not called. */
gboolean announcer_wait(Announcer *announcer, const Kind *kind, const char *uuid, WaitFunc *done, void *data);

/* Announces the values that the mirror shows already, because an event said them: for a picture that belongs
 * to the number of the last event. */
void announcer_flush(Announcer *announcer);

/* The connection is lost, or left: what waits is told without libvirt's word, as far as an event said it.
 * Comparisons are over by that, but those whose answers are not, which are forgotten. */
void announcer_give_up(Announcer *announcer);
