/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/peer.h"
#include "bus/bus.h"

#include <glib.h>
#include <sys/types.h>

/* Asking polkit. Main thread.
 *
 * The actions are the service's own. polkit lets an account that is not root ask about other people only for
 * actions whose definition names that account as the owner; libvirt's do not. */

#define POLKIT_MONITOR "org.guestbus1.monitor"
#define POLKIT_MANAGE  "org.guestbus1.manage"

typedef struct Polkit Polkit;

typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_YES_ONCE, /* a person authenticated, and polkit does not remember it */
        POLKIT_NO,
        POLKIT_CHALLENGE, /* no, but a person could authenticate */
        POLKIT_ABSENT,    /* there is no polkit on this bus, and has been none since the service started */
        POLKIT_FAILED,    /* it did not answer, or not in its language */
} PolkitAnswer;

/* The peer that is asked about, and for what. The last four are what rules may look at with action.lookup().
 */
typedef struct PolkitQuestion {
        const Peer *peer; /* of a user, whose turns it takes; it is there until the answer is */
        const char *action;
        const char *connection, *domain, *uuid, *member;
} PolkitQuestion;

typedef void PolkitFunc(PolkitAnswer answer, void *data);

/* @changed is called when what polkit said may no longer be so. */
Polkit *polkit_new(Bus *bus, void (*changed)(void *data), void *data);

/* After the bus is freed. NULL is fine. */
void polkit_free(Polkit *polkit);

/* Asks @question, now or when its user has its turn, and calls @done once. With @interactive a person may be
 * asked to authenticate, which can take minutes. FALSE when polkit hangs, or cannot be asked that: then @done
 * is not called. */
gboolean polkit_check(Polkit *polkit, const PolkitQuestion *question, gboolean interactive, PolkitFunc *done,
                      void *data);

/* The answers about @peer are of no use any more: nothing more is asked, and no person is to authenticate
 * for it. */
void polkit_forget(Polkit *polkit, const Peer *peer);
