/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls and the link that they need.
 *
 * Calls of one caller to one object keep their order, be they for one link or the other: one that could be
 * queued waits behind an earlier one that cannot yet. */

#include "call/channel.h"

#include "base/error.h"
#include "base/thread.h"

#include <string.h>

/* An attempt that failed this short a time ago answers for the next one: nothing has changed since. */
#define RETRY_AFTER_US (100 * G_TIME_SPAN_MILLISECOND)

struct Channel {
        ChannelConfig config;
        Link *link;
        DomainCache *domain_cache;
        GQueue waiting; /* of Call */
        gint64 failed_at;
};

static GQueue steal_waiting(Channel *channel)
{
        GQueue calls = channel->waiting;

        g_queue_init(&channel->waiting);
        return calls;
}

static void run_waiting(Channel *channel)
{
        GQueue calls = steal_waiting(channel);
        Call *call;

        while ((call = g_queue_pop_head(&calls)))
                channel->config.submit(call, channel->config.data);
}

/* Those of the other channel need not have failed. */
static void fail_waiting(Channel *channel, const GError *error)
{
        GQueue calls = steal_waiting(channel);
        Call *call;

        while ((call = g_queue_pop_head(&calls)))
                if (call->link == channel->link)
                        channel->config.fail(call, error, channel->config.data);
                else
                        channel->config.submit(call, channel->config.data);
}

static void on_opened(Link *link, void *data)
{
        run_waiting(data);
}

static void on_lost(Link *link, void *data)
{
        Channel *channel = data;

        /* The events' link says by itself whether libvirtd is gone, or just this client was not wanted. */
        domain_cache_forget_all(channel->domain_cache);
}

static void on_failed(Link *link, const GError *error, void *data)
{
        channel_failed(data, error);
}

/* libvirt's own keep-alive must not be what ends this link. When it gives up while several threads wait,
 * libvirt before 10.4 leaves one thread's variables in another's loop (CVE-2024-4418) and crashes. On the
 * events' link one thread at most waits, so that one finds out, and this one is ended by its socket. This
 * late, libvirt ends it after all: where only this connection's answers are missing. */
static const LinkOwner link_owner = {
        .patience = 2, .opened = on_opened, .lost = on_lost, .failed = on_failed};

Channel *channel_new(const ChannelConfig *config)
{
        Channel *channel = g_new0(Channel, 1);

        ASSERT_MAIN();
        channel->config = *config;
        channel->link = config->shared ? config->events_link
                                       : link_new(config->name, config->uri, config->read_only,
                                                  config->limits, &link_owner, channel);
        if (config->forward && !config->shared)
                link_forward(channel->link, config->identity);
        channel->domain_cache = domain_cache_new();
        /* g_get_monotonic_time() may be small on a machine that has just started. */
        channel->failed_at = G_MININT64 / 2;
        return channel;
}

/* Why a call that comes now need not wait, or NULL. */
static const GError *hopeless(const Channel *channel)
{
        const Link *link = channel->config.events_link;

        if (link_state(link) == LINK_OPEN)
                link = channel->link;

        /* An attempt that is under way has an error only when it takes too long. */
        if (link_state(link) == LINK_OPENING || g_get_monotonic_time() - channel->failed_at < RETRY_AFTER_US)
                return link_error(link);

        return NULL;
}

/* Where readers share a link that is not read-only, libvirt would not refuse what it refuses others. */
static gboolean asks_for_secrets(const Channel *channel, const Call *call)
{
        g_autoptr(GVariant) flags = NULL;

        if (!channel->config.read_only || !channel->config.shared || !call->member ||
            call->type != CALL_METHOD || call->member->secure_flags == 0)
                return FALSE;

        flags = g_variant_get_child_value(call->args, call->member->secure_argument);
        return (g_variant_get_uint32(flags) & call->member->secure_flags) != 0;
}

static void refuse_secrets(const Channel *channel, Call *call)
{
        g_autoptr(GError) error = NULL;

        g_set_error(&error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED,
                    "operation forbidden: %s with these flags takes the right to manage", call->member->name);
        channel->config.fail(call, error, channel->config.data);
}

void channel_submit(Channel *channel, Call *call)
{
        const GError *error;

        ASSERT_MAIN();
        if (asks_for_secrets(channel, call)) {
                refuse_secrets(channel, call);
                return;
        }

        call->link = channel->link;
        call->domain_cache = channel->domain_cache;
        if (link_state(channel->link) == LINK_OPEN) {
                queue_push(channel->config.queue, call);
                return;
        }

        error = hopeless(channel);
        if (error) {
                channel->config.fail(call, error, channel->config.data);
                return;
        }

        /* A call is a good reason not to wait for the time of the next attempt. */
        g_queue_push_tail(&channel->waiting, call);
        if (link_state(channel->config.events_link) == LINK_OPEN)
                link_open(channel->link);
        else
                link_open(channel->config.events_link);
}

gboolean channel_has_earlier(const Channel *channel, const Call *call)
{
        ASSERT_MAIN();
        for (const GList *each = channel->waiting.head; each; each = each->next) {
                const Call *earlier = each->data;

                if (earlier->peer == call->peer && strcmp(earlier->path, call->path) == 0)
                        return TRUE;
        }

        return FALSE;
}

void channel_keep_behind(Channel *channel, Call *call)
{
        ASSERT_MAIN();
        g_queue_push_tail(&channel->waiting, call);
}

void channel_follow(Channel *channel, gboolean eager)
{
        ASSERT_MAIN();
        if (channel->config.shared)
                run_waiting(channel);
        else if (eager || channel->waiting.length > 0)
                link_open(channel->link);
}

void channel_lost(Channel *channel)
{
        ASSERT_MAIN();
        if (channel->config.shared)
                domain_cache_forget_all(channel->domain_cache);
}

void channel_break(Channel *channel)
{
        ASSERT_MAIN();
        if (!channel->config.shared)
                link_break(channel->link);
}

void channel_failed(Channel *channel, const GError *error)
{
        ASSERT_MAIN();
        channel->failed_at = g_get_monotonic_time();
        fail_waiting(channel, error);
}

void channel_forget(Channel *channel, const char *uuid)
{
        ASSERT_MAIN();
        domain_cache_forget(channel->domain_cache, uuid);
}

GList *channel_withdraw(Channel *channel, const Peer *peer, GList *calls)
{
        ASSERT_MAIN();
        return calls_withdraw(&channel->waiting, peer, calls);
}

void channel_shut(Channel *channel, const GError *error)
{
        Call *call;

        ASSERT_MAIN();
        while ((call = g_queue_pop_head(&channel->waiting)))
                channel->config.fail(call, error, channel->config.data);
        domain_cache_shut(channel->domain_cache);
        if (!channel->config.shared)
                link_shut(channel->link);
}

gboolean channel_is_busy(const Channel *channel)
{
        ASSERT_MAIN();
        return !channel->config.shared && link_is_busy(channel->link);
}

void channel_free(Channel *channel)
{
        ASSERT_MAIN();
        if (!channel)
                return;

        if (!channel->config.shared)
                link_free(channel->link);
        domain_cache_free(channel->domain_cache);
        g_free(channel);
}
