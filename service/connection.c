/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection holds two links: one for events and listings, one for calls. Calls can then neither hold up
 * events, nor, when libvirtd drops a client for what it was asked, take the events down with them. */

#include "connection.h"

#include "error.h"
#include "events.h"
#include "logging.h"
#include "path.h"
#include "queue.h"

#include <string.h>

/* An attempt that failed this short a time ago answers for the next one: nothing has changed since. */
#define RETRY_AFTER_US (100 * G_TIME_SPAN_MILLISECOND)

struct Connection {
        char *name, *uri, *path;
        Bus *bus;
        const ConnectionOwner *owner;
        void *data;

        Link *events_link;
        Link *calls_link; /* the same where the driver's state is private to each connection */
        Events *events;
        Mirror *mirror;
        Queue *queue;

        GQueue calls;    /* all that are not answered, by their place */
        GQueue waiting;  /* of Call: until the link is open */
        GQueue unlisted; /* of Call: until the domains are listed */
        gint64 failed_at;
        gboolean stopped;
};

/* Main thread: nobody else has the call. */
static void call_finish(void *data)
{
        Call *call = data;
        Connection *connection = call->owner;

        g_queue_unlink(&connection->calls, &call->place);
        call_conclude(call);
}

static void call_completed(void *data)
{
        Call *call = data;
        Connection *connection = call->owner;
        gboolean changes = call->member && call->member->changes;
        const char *own = call->kind == &kind_domain ? call->key : NULL;
        const char *uuid = *call->touched ? call->touched : own;

        /* Who is told that a domain was defined must find it, and who is told that it is gone must not. */
        if (changes && !call->error && uuid && !connection->stopped)
                mirror_wait(connection->mirror, uuid, call_finish, call);
        else
                call_finish(call);
}

static void own_call(Connection *connection, Call *call)
{
        call->owner = connection;
        g_queue_push_tail_link(&connection->calls, &call->place);
}

static void fail_call(Call *call, const GError *error)
{
        call->error = g_error_copy(error);
        call_finish(call);
}

static void fail_waiting(Connection *connection, const GError *error)
{
        Call *call;

        while ((call = g_queue_pop_head(&connection->waiting)))
                fail_call(call, error);
}

/* The mirror has what there is to have. */
static void finish_unlisted(Connection *connection)
{
        Call *call;

        while ((call = g_queue_pop_head(&connection->unlisted)))
                call_finish(call);
}

static void run_waiting(Connection *connection)
{
        Call *call;

        while ((call = g_queue_pop_head(&connection->waiting)))
                queue_push(connection->queue, call);
}

/* Why a call that comes now need not wait, or NULL. */
static const GError *hopeless(const Connection *connection)
{
        const Link *link = connection->events_link;

        /* The calls' link follows the events' link. */
        if (link_state(link) == LINK_OPEN)
                link = connection->calls_link;

        /* An attempt that is under way has an error only when it takes too long. */
        if (link_state(link) == LINK_OPENING ||
            g_get_monotonic_time() - connection->failed_at < RETRY_AFTER_US)
                return link_error(link);

        return NULL;
}

void connection_submit(Connection *connection, Call *call)
{
        const GError *error;

        own_call(connection, call);
        call->connection_path = connection->path;
        call->link = connection->calls_link;
        call->completed = call_completed;

        if (link_state(connection->calls_link) == LINK_OPEN) {
                queue_push(connection->queue, call);
                return;
        }

        error = hopeless(connection);

        if (error) {
                fail_call(call, error);
                return;
        }

        /* A call is a good reason not to wait for the time of the next attempt. */
        g_queue_push_tail(&connection->waiting, call);
        if (link_state(connection->events_link) == LINK_OPEN)
                link_open(connection->calls_link);
        else
                link_open(connection->events_link);
}

static void listed(void *data)
{
        Connection *connection = data;

        log_connection(G_LOG_LEVEL_INFO, connection->name, connection->uri, "%u domains",
                       mirror_size(connection->mirror));
        finish_unlisted(connection);
}

void connection_submit_listed(Connection *connection, Call *call)
{
        own_call(connection, call);
        if (mirror_is_filled(connection->mirror) || link_error(connection->events_link)) {
                call_finish(call);
                return;
        }

        g_queue_push_tail(&connection->unlisted, call);
        /* The list may be on its way, but it may also have failed. */
        if (connection->unlisted.length == 1 && link_state(connection->events_link) == LINK_OPEN)
                mirror_list(connection->mirror, listed, connection);
}

/* Worker thread. */
static gboolean events_prepare(virConnectPtr conn, void *data, void **prepared, GError **error)
{
        Connection *connection = data;

        /* Before anything is listed: what changes after that is told, what changed before is in the list. */
        *prepared = events_register(connection->events, conn, error);
        return *prepared != NULL;
}

static void events_opened(Link *link, void *data)
{
        Connection *connection = data;

        log_connection(G_LOG_LEVEL_MESSAGE, connection->name, connection->uri, "connected");
        mirror_list(connection->mirror, listed, connection);
        if (connection->calls_link == link)
                run_waiting(connection);
        else
                link_open(connection->calls_link);
        connection->owner->changed(connection->data);
}

static void calls_opened(Link *link, void *data)
{
        run_waiting(data);
}

static void events_lost(Link *link, void *data)
{
        Connection *connection = data;

        log_connection(G_LOG_LEVEL_WARNING, connection->name, connection->uri, "connection lost");
        connection->owner->changed(connection->data);
}

static void calls_lost(Link *link, void *data)
{
        /* The events' link says by itself whether libvirtd is gone, or just this client was not wanted. */
}

static void link_failed(Link *link, const GError *error, void *data)
{
        Connection *connection = data;

        connection->failed_at = g_get_monotonic_time();
        fail_waiting(connection, error);
        if (link == connection->events_link)
                finish_unlisted(connection);
        connection->owner->changed(connection->data);
}

static const LinkOwner events_owner = {
        .prepare = events_prepare,
        .release = events_deregister,
        .opened = events_opened,
        .lost = events_lost,
        .failed = link_failed,
};

static const LinkOwner calls_owner = {
        .opened = calls_opened,
        .lost = calls_lost,
        .failed = link_failed,
};

static void on_signal(const char *path, const Interface *interface, const Member *signal, GVariant *arguments,
                      void *data)
{
        const Connection *connection = data;

        bus_emit(connection->bus, path, interface, signal, arguments);
}

static void on_changed(const char *uuid, void *data)
{
        Connection *connection = data;

        if (!connection->stopped)
                mirror_refresh(connection->mirror, uuid);
}

static const EventsOwner signals_owner = {.signal = on_signal, .changed = on_changed};

/* libvirt's test driver gives each connection that opens a file of its own a world of its own: events and
 * calls must share one to mean the same domains. Only its built-in default is one world. */
static gboolean is_private(const char *uri)
{
        g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NON_DNS | G_URI_FLAGS_PARSE_RELAXED, NULL);

        return parsed && g_str_has_prefix(g_uri_get_scheme(parsed), "test") &&
               strcmp(g_uri_get_path(parsed), "/default") != 0;
}

Connection *connection_new(const ConnectionConfig *config, const Limits *limits, Bus *bus,
                           const ConnectionOwner *owner, void *data)
{
        Connection *connection = g_new0(Connection, 1);

        connection->name = g_strdup(config->name);
        connection->uri = g_strdup(config->uri);
        connection->path = g_strconcat(PATH_ROOT "/", config->name, NULL);
        connection->bus = bus;
        connection->owner = owner;
        connection->data = data;
        /* g_get_monotonic_time() may be small on a machine that has just started. */
        connection->failed_at = G_MININT64 / 2;

        connection->events = events_new(connection->path, &signals_owner, connection);
        connection->events_link = link_new(config->name, config->uri, FALSE, limits, &events_owner, connection);
        connection->calls_link = is_private(config->uri) ? connection->events_link
                                                         : link_new(config->name, config->uri, FALSE, limits,
                                                                    &calls_owner, connection);
        connection->mirror = mirror_new(connection->events_link);
        connection->queue = queue_new(limits->workers);
        link_open(connection->events_link);
        return connection;
}

static gboolean is_from(const Call *call, const char *name)
{
        return strcmp(caller_name(call->caller), name) == 0;
}

/* A caller that has left gets no reply; but what it asked for and was not begun is not done either. */
static void drop_call(Connection *connection, Call *call)
{
        g_queue_unlink(&connection->calls, &call->place);
        call_free(call);
}

void connection_drop_caller(Connection *connection, const char *name)
{
        GList *withdrawn = queue_withdraw(connection->queue, name);

        for (GList *each = connection->waiting.head, *next; each; each = next) {
                next = each->next;
                if (is_from(each->data, name)) {
                        withdrawn = g_list_prepend(withdrawn, each->data);
                        g_queue_delete_link(&connection->waiting, each);
                }
        }

        for (GList *each = withdrawn; each; each = each->next)
                drop_call(connection, each->data);
        g_list_free(withdrawn);
}

void connection_stop(Connection *connection)
{
        g_autoptr(GError) error =
                g_error_new_literal(GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "the service is stopping");
        GList *withdrawn = queue_withdraw(connection->queue, NULL);

        connection->stopped = TRUE;
        fail_waiting(connection, error);
        finish_unlisted(connection);
        for (GList *each = withdrawn; each; each = each->next)
                fail_call(each->data, error);
        g_list_free(withdrawn);

        link_shut(connection->events_link);
        if (connection->calls_link != connection->events_link)
                link_shut(connection->calls_link);
}

void connection_abandon(Connection *connection)
{
        for (GList *each = connection->calls.head; each; each = each->next)
                call_reply_abandoned(each->data, "the service stopped before libvirt answered");
}

gboolean connection_is_busy(const Connection *connection)
{
        return connection->calls.length > 0;
}

void connection_free(Connection *connection)
{
        if (connection->calls_link != connection->events_link)
                link_free(connection->calls_link);
        link_free(connection->events_link);
        mirror_free(connection->mirror);
        queue_free(connection->queue);
        events_free(connection->events);
        g_free(connection->name);
        g_free(connection->uri);
        g_free(connection->path);
        g_free(connection);
}

const char *connection_name(const Connection *connection)
{
        return connection->name;
}

const char *connection_path(const Connection *connection)
{
        return connection->path;
}

const Mirror *connection_mirror(const Connection *connection)
{
        return connection->mirror;
}

const char *connection_state(const Connection *connection)
{
        switch (link_state(connection->events_link)) {
        case LINK_OPEN:
                return "connected";
        case LINK_OPENING:
                return link_error(connection->events_link) ? "disconnected" : "connecting";
        case LINK_CLOSED:
                break;
        }

        return "disconnected";
}
