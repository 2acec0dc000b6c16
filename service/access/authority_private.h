/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/authority.h"
#include "access/backlog.h"
#include "access/polkit.h"
#include "access/user_database.h"

#include <glib.h>

/* What the two files of the authority share: authority.c has the callers and what they have waiting,
 * decisions.c what polkit said of them. Main thread. */

typedef struct Client {
        Authority *authority;
        unsigned references; /* of the table of clients, and of each question about it that is under way */
        char *name;
        guint64 heard;         /* of it, when (process.h): its connection was made before */
        gboolean gone;         /* from the bus: nothing is done for it any more, but its account stays */
        gboolean known, asked; /* who it is */
        Credentials credentials;
        Account account;     /* a part of its user's */
        Share *share;        /* of its user, or NULL */
        GHashTable *answers; /* Answer by what was asked */
        Backlog *backlog;
        char *awaited; /* what was asked for the request that was last told to wait, or NULL */
} Client;

struct Authority {
        Bus *bus;
        const Limits *limits;
        const AuthorityOwner *owner;
        void *data;
        Polkit *polkit;
        UserDatabase *user_database;
        GHashTable *clients; /* Client by name */
        Shares *shares;
        guint64 questions;
        Account total; /* of all clients */
        gboolean stopped;
};

Client *client_ref(Client *client);
void client_unref(Client *client);

/* Dispatches what may be decided now for the objects at those paths. */
void client_retry(Client *client, const GPtrArray *paths);

/* What was decided about a caller, by what was asked; nothing yet. */
GHashTable *decisions_new(void);

/* Asks polkit, or remembers what it said. As authority_ask(), of a caller that is known. */
AuthorityAnswer decisions_ask(Client *client, sd_bus_message *message, const Question *question,
                              GError **error);

/* Asks already for what will be dispatched later; nobody has to type for that yet. */
void decisions_ask_ahead(Client *client, const Question *question);

/* The lane at @path is dispatched again when that is decided for which its first message has to wait, which
 * decisions_ask() was asked last. Who the caller is concerns them all. */
void decisions_add_waiter(const Client *client, const char *path);

/* Nothing that was said of it counts any more, nor what is about to be said. */
void decisions_forget(Client *client);
