/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/lane.h"
#include "access/peer.h"
#include "bus/bus.h"
#include "bus/member.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* What peers may do. Main thread.
 *
 * Root and the service's own account may do everything; that is all there are on a session bus. For everyone
 * else polkit decides, which takes time: a request that is not decided yet is kept as its message, and is
 * dispatched again when it is. Whatever goes wrong, the answer is no. */

/* What a request asks for. */
typedef struct Question {
        Access access;
        /* What polkit's rules may look at; "" for what there is none of. */
        const char *connection, *domain, *uuid, *member;
} Question;

typedef enum AuthorityAnswer {
        AUTHORITY_YES,
        AUTHORITY_MONITOR, /* yes, but for no more than monitoring: over a read-only connection */
        AUTHORITY_NO,
        AUTHORITY_LATER,
} AuthorityAnswer;

typedef struct AuthorityOwner {
        /* Dispatches a message that was kept. FALSE when it has to be kept for longer. */
        LaneFunc *retry;
        /* polkit has other rules. */
        void (*changed)(void *data);
} AuthorityOwner;

/* All pointers must outlive it. */
Authority *authority_new(Bus *bus, Peers *peers, const AuthorityOwner *owner, void *data);

/* Answers what is kept with an error; nothing is dispatched any more. */
void authority_stop(Authority *authority);

/* After the bus is freed: all peers leave, and all questions end. NULL is fine. */
void authority_free(Authority *authority);

/* Whether @peer, the sender of @message, may do what @question says; @error is set for AUTHORITY_NO. After
 * AUTHORITY_LATER give the message to authority_keep(). */
AuthorityAnswer authority_ask(Authority *authority, Peer *peer, sd_bus_message *message,
                              const Question *question, GError **error);

/* Keeps @message of @peer until it is decided. @question is what it asks for, NULL for nothing that takes a
 * right. FALSE and an error when too many are kept. */
gboolean authority_keep(Authority *authority, Peer *peer, sd_bus_message *message, const Question *question,
                        GError **error);

/* What a peer that has left may do is of no use any more: questions about it end. */
void authority_forget(Authority *authority, const Peer *peer);
