/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/comparisons.h"
#include "mirror/mirror.h"
#include "mirror/reconcile.h"
#include "mirror/sync.h"
#include "virt/events.h"

#include <glib.h>

/* Objects of which libvirt's events and libvirt's answers do not say the same yet. Main thread. */

/* An event that waits until its object was announced. */
typedef struct HeldEvent {
        Event event; /* its strings are owned by what follows */
        char *path, *name, *uuid;
} HeldEvent;

/* What libvirt may still tell of an object, although that is no news any more. */
typedef struct Late {
        int events[RECONCILE_MAX]; /* were told in libvirt's place */
        unsigned n;
        guint32 id; /* of the life whose end is among them; 0: not known */
        gint64 until;
        guint32 ended_id; /* the life that libvirt told the end of; 0: none, or not known */
        gint64 ended_at;
} Late;

/* One object. A record is made when libvirt tells of an object, and goes when the mirror shows an answer that
 * is newer than all that was told. */
typedef struct Pending {
        const Kind *kind;
        char uuid[VIR_UUID_STRING_BUFLEN];
        guint64 pass; /* answers of passes up to this one are older than what is known */
        GQueue held;  /* of HeldEvent */
        Late late;
        GArray *doubts;  /* of guint64: the numbers of events that told a state with doubt; or NULL */
        GArray *waiters; /* of Waiter, until nothing is parked; or NULL */
        GVariant *announced[N_DOMAIN1]; /* values as they were announced, where an event has changed them
                                           since */

        /* An answer, which no event has told how it came to. */
        gboolean is_parked;
        gboolean outdated; /* an event came after it */
        gboolean found;    /* a comparison came upon it, no event */
        Answer parked;

        Comparison *awaited_by; /* the first that is not over before this is told; or NULL */

        /* How long it waits for that. */
        gint64 deadline;    /* monotonic; 0 for nothing */
        gboolean overdue;   /* it has waited: the next answer is shown at once */
        unsigned moments;   /* how often it has waited since then */
        gboolean ask_again; /* what was told may become true a moment later */
} Pending;

typedef struct PendingTable PendingTable;

PendingTable *pending_table_new(void);

/* Nothing must wait any more. NULL is fine. */
void pending_table_free(PendingTable *table);

/* The record of an object, or NULL; and the same, made where there is none. */
Pending *pending_find(const PendingTable *table, const Kind *kind, const char *uuid);
Pending *pending_get(PendingTable *table, const Kind *kind, const char *uuid);

/* How many there are; and forgets all of them, for which nothing may wait. */
unsigned pending_size(const PendingTable *table);
void pending_clear(PendingTable *table);

/* All of them, as a list to free; a record may go while it is gone through: look it up again. */
GPtrArray *pending_all(const PendingTable *table);

/* Keeps a copy of @event behind the others. */
void pending_hold(Pending *pending, const Event *event);
HeldEvent *pending_pop_held(Pending *pending);
void held_event_free(HeldEvent *held);

/* What the events say that are held, for an object that was not announced; it is present if there is one.
 * What they do not say is as in @after, and where that is NULL or absent, as it is for an object that is
 * neither defined nor active. The strings are borrowed. */
Status pending_status(const Pending *pending, const Status *after);

/* Gives @answer what an older answer, which is parked, had of the object and it has not: not all that is
 * known of an object is asked for each time. FALSE where an event came between the two, so that all is to be
 * asked for. */
gboolean pending_complete(Pending *pending, Answer *answer);

/* Takes @answer, whose values it empties, in the place of what is parked; and forgets it. */
void pending_park(Pending *pending, Answer *answer);
void pending_unpark(Pending *pending);

/* Remembers that those events were told although libvirt did not, @id being the number of the life that they
 * end, or 0; and whether @event is one of these. It is at most once: what is asked about is forgotten. */
void pending_expect_late(Pending *pending, const int *events, unsigned n, guint32 id);
gboolean pending_is_late(Pending *pending, const Event *event);

/* libvirt has told the end of the life with that number; and whether @event is a late word on that life. */
void pending_end_life(Pending *pending, guint32 id);
gboolean pending_is_after_end(const Pending *pending, const Event *event);

/* Calls @func as soon as nothing is parked. */
void pending_add_waiter(Pending *pending, WaitFunc *func, void *data);

/* Remembers that @value was announced in that slot, unless an older one is remembered. */
void pending_remember(Pending *pending, unsigned slot, GVariant *value);

/* Whether nothing waits: no event, no answer, no caller, no comparison. */
gboolean pending_is_at_rest(const Pending *pending);

/* The slots, one bit each, in which @item has other values than those that were announced; forgets these. */
guint32 pending_take_changed(Pending *pending, const Item *item);
gboolean pending_has_changed(const Pending *pending);

/* All of the object is announced anew, or that it is gone. */
void pending_forget_changed(Pending *pending);

/* Forgets the record if nothing of it counts any more: answers of pass number @pass are in the mirror. */
void pending_settle(PendingTable *table, Pending *pending, guint64 pass);

/* The earliest deadline, or 0. */
gint64 pending_next_deadline(const PendingTable *table);
