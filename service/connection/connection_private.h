/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/links.h"
#include "connection/connection.h"
#include "virt/events.h"

#include <glib.h>

/* What the two files of a connection share: connection.c has its links and its life, connection_calls.c its
 * calls. Main thread. */

struct Connection {
        char *name, *uri, *path;
        Bus *bus;
        const Limits *limits;
        const ConnectionOwner *owner;
        void *data;
        gboolean forwarded; /* it is one caller's, or stands for those */

        Link *events_link;
        Links *links;
        Events *events;
        Inventory *inventory;

        GQueue open_calls;   /* all that are not answered, by their place */
        GQueue unlisted;     /* of Call: until all objects are listed */
        unsigned changing;   /* of @open_calls: those that may change what the mirror shows */
        GError *list_error;  /* why what is there is not known although libvirt could be asked */
        unsigned listings;   /* comparisons under way that end with connection_listed() */
        unsigned list_timer; /* while the first list is under way */
        gboolean stopped;
        Tally tally;
        guint64 most_open;
};

/* As LinksConfig.fail: ends the call with a copy of @error. */
void connection_fail_call(Call *call, const GError *error, void *data);

/* As InventoryConfig.finish: the call has what it waited for. */
void connection_wait_over(Call *call, void *data);

/* As InventoryCompared: libvirt told what there is, or did not. */
void connection_listed(const Differences *found, void *data);

/* It was opened, and all objects are to be listed; and it is not open any more, or they are. */
void connection_expect_list(Connection *connection);
void connection_expect_nothing(Connection *connection);

/* Ends calls that wait for the mirror: it has what there is to have. */
void connection_finish_unlisted(Connection *connection);
