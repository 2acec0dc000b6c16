/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/call.h"
#include "call/queue.h"
#include "virt/domain_cache.h"
#include "virt/link.h"

#include <glib.h>

/* One way for calls to libvirt: a link, the domains that were looked up on it, and the calls that wait for
 * it. It follows the events' link, which says whether libvirt is there. Main thread. */

typedef struct Channel Channel;

typedef struct ChannelConfig {
        const char *name, *uri;
        const Limits *limits;
        gboolean read_only;
        gboolean forward; /* as link_forward() */
        const Identity *identity;
        gboolean shared;   /* the events' link serves calls, too */
        Link *events_link; /* outlives the channel, as @limits and @queue do */
        Queue *queue;
        /* Takes a call that has waited, to be submitted again: to this channel, or to the other one. */
        void (*submit)(Call *call, void *data);
        /* Takes a call that cannot be served. */
        void (*fail)(Call *call, const GError *error, void *data);
        void *data;
} ChannelConfig;

Channel *channel_new(const ChannelConfig *config);

/* Takes @call: queues it as soon as the link is open. */
void channel_submit(Channel *channel, Call *call);

/* Whether a call of the same caller to the same object waits here. */
gboolean channel_has_earlier(const Channel *channel, const Call *call);

/* Keeps @call, which is another channel's, until those that wait here have gone before it. */
void channel_keep_behind(Channel *channel, Call *call);

/* The events' link is open, lost, or could not be opened. With @eager this link is opened, too; else only for
 * calls that wait. */
void channel_follow(Channel *channel, gboolean eager);
void channel_lost(Channel *channel);
void channel_failed(Channel *channel, const GError *error);

/* The events' link was lost because libvirtd does not answer: no call waits any longer for what will not
 * come. */
void channel_break(Channel *channel);

/* Something happened to the domain: its handle may be out of date. */
void channel_forget(Channel *channel, const char *uuid);

/* Adds the calls of @peer that wait to @calls and returns it; they are no longer the channel's. */
GList *channel_withdraw(Channel *channel, const Peer *peer, GList *calls);

/* Fails what waits, and closes the link. */
void channel_shut(Channel *channel, const GError *error);

/* Whether it is too early to free what was shut. */
gboolean channel_is_busy(const Channel *channel);

/* After channel_shut(), once it is not busy and no worker has a call. */
void channel_free(Channel *channel);
