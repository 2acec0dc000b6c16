/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/credentials.h"
#include "access/share.h"
#include "base/config.h"
#include "bus/bus.h"
#include "bus/member.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* Who may do what. Main thread.
 *
 * Root and the service's own account may do everything; that is all there are on a session bus. For everyone
 * else polkit decides, which takes time: a request that is not decided yet is kept as its message, and is
 * dispatched again when it is. Whatever goes wrong, the answer is no. */

typedef struct Authority Authority;

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
        gboolean (*retry)(sd_bus_message *message, void *data);
        /* What the message asks for; FALSE when it asks for nothing that needs a right. */
        gboolean (*question)(sd_bus_message *message, Question *question, void *data);
        /* polkit has other rules. */
        void (*changed)(void *data);
} AuthorityOwner;

/* All pointers must outlive it. */
Authority *authority_new(Bus *bus, const Limits *limits, const AuthorityOwner *owner, void *data);

/* Answers what is kept with an error; nothing is dispatched any more. */
void authority_stop(Authority *authority);

/* After the bus is freed. NULL is fine. */
void authority_free(Authority *authority);

/* Whether the sender of @message may do what @question says; @error is set for AUTHORITY_NO. After
 * AUTHORITY_LATER give the message to authority_keep(). */
AuthorityAnswer authority_ask(Authority *authority, sd_bus_message *message, const Question *question,
                              GError **error);

/* Who the sender of that name is; NULL before authority_ask() gave an answer, and where the bus did not tell.
 */
const Credentials *authority_credentials(const Authority *authority, const char *sender);

/* What the user of the sender of that name has at once; NULL for who has no bounds, and as above. */
Share *authority_share(const Authority *authority, const char *sender);

/* Whether an earlier request of the same sender for the same object is kept: this one has to wait, too. */
gboolean authority_is_ahead(const Authority *authority, sd_bus_message *message);

/* Keeps @message until it is decided. FALSE and an error when too many are kept. */
gboolean authority_keep(Authority *authority, sd_bus_message *message, GError **error);

/* Forgets a caller that has left the bus, and what it asked for. */
void authority_forget(Authority *authority, const char *sender);

/* How many callers it knows, of which each stays known until it is forgotten; and whether requests of some
 * are kept. */
unsigned authority_size(const Authority *authority);
gboolean authority_is_keeping(const Authority *authority);

/* Adds their names to the set @names, owned. */
void authority_collect(const Authority *authority, GHashTable *names);
