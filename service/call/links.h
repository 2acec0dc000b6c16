/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/main_queue.h"
#include "call/call.h"
#include "virt/link.h"

#include <glib.h>

/* The calls of one connection to a hypervisor, and the links that serve them: those for callers that may
 * manage, and read-only ones for those that may only monitor. They follow the events' link, which says
 * whether libvirt is there. Main thread. */

typedef struct Links Links;

typedef struct LinksConfig {
        const char *name, *uri;
        const Limits *limits;
        gboolean forward; /* as link_forward() */
        const Identity *identity;
        gboolean shared;   /* the events' link serves calls, too */
        Link *events_link; /* outlives these, as @limits does */
        /* Takes a call that was run, or that has an error because it cannot be. Main thread. */
        MainQueueFunc *completed;
} LinksConfig;

Links *links_new(const LinksConfig *config);

/* Takes @call. It runs when its turn comes: after the calls of the same peer to the same object, beside all
 * others, but for a third one to the same object. Then completed() is called. */
void links_submit(Links *links, Call *call);

/* The events' link is open, lost, or could not be opened. With @eager the first link is opened, too; else it
 * is when a call needs it. */
void links_follow(Links *links, gboolean eager);
void links_lost(Links *links);
void links_failed(Links *links, const GError *error);

/* Something happened to the domain: its handles may be out of date. Any thread. */
void links_forget(Links *links, const char *uuid);

/* Takes @call back, which was submitted and is not completed; FALSE when it was begun. */
gboolean links_withdraw(Links *links, Call *call);

/* Fails what was not begun, and closes everything. */
void links_shut(Links *links, const GError *error);

/* Whether it is too early to free what was shut. */
gboolean links_is_busy(Links *links);

/* After links_shut(), once they are not busy and no call is under way. NULL is fine. */
void links_free(Links *links);
