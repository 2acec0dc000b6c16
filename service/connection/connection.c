/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection holds a link for events and listings, and others for calls. Calls can then neither hold up
 * events, nor, when libvirtd drops a client for what it was asked, take the events down with them. */

#include "base/thread.h"
#include "connection/connection_private.h"

#include "base/error.h"
#include "base/log.h"
#include "base/uri.h"
#include "base/utf8.h"
#include "bus/path.h"
#include "members.h"

#include <string.h>

/* What a job finds out while it opens the events' link. */
typedef struct Prepared {
        void *registered;
        char *driver;
} Prepared;

/* Worker thread. */
static gboolean events_prepare(virConnectPtr conn, void *data, void **prepared, GError **error)
{
        Connection *connection = data;
        /* Before anything is listed: what changes after that is told, what changed before is in the list. */
        void *registered = events_register(connection->events, conn, error);
        Prepared *found;

        if (!registered)
                return FALSE;

        found = g_new0(Prepared, 1);
        found->registered = registered;
        found->driver = utf8_make_valid(virConnectGetType(conn));
        *prepared = found;
        return TRUE;
}

/* Worker thread. */
static void events_release(virConnectPtr conn, void *prepared)
{
        Prepared *found = prepared;

        events_deregister(conn, found->registered);
        g_free(found->driver);
        g_free(found);
}

/* What is news of the one connection for all is none of one of many. */
static GLogLevelFlags loss_level(const Connection *connection, GLogLevelFlags level)
{
        return connection->forwarded ? G_LOG_LEVEL_INFO : level;
}

static void events_opened(Link *link, void *data)
{
        Connection *connection = data;
        const Prepared *prepared = link_prepared(link);

        log_connection(loss_level(connection, G_LOG_LEVEL_MESSAGE), connection->name, connection->uri,
                       "connected");
        connection_expect_list(connection);
        inventory_opened(connection->inventory, prepared->driver, prepared->registered, connection_listed,
                         connection);
        /* Of many callers each has a connection, and most only look. */
        links_follow(connection->links, !connection->forwarded);
        connection->owner->changed(connection->data);
}

static void events_lost(Link *link, void *data)
{
        Connection *connection = data;

        log_connection(loss_level(connection, G_LOG_LEVEL_WARNING), connection->name, connection->uri,
                       "connection lost");
        connection_expect_nothing(connection);
        inventory_lost(connection->inventory, link_close_reason(link), link_error(link));
        links_lost(connection->links);
        if (link_close_reason(link) == VIR_CONNECT_CLOSE_REASON_KEEPALIVE)
                links_break(connection->links);
        connection->owner->changed(connection->data);
}

static void events_failed(Link *link, const GError *error, void *data)
{
        Connection *connection = data;

        links_failed(connection->links, error);
        inventory_failed(connection->inventory, error);
        connection_finish_unlisted(connection);
        connection->owner->changed(connection->data);
}

static const LinkOwner events_owner = {
        .prepare = events_prepare,
        .release = events_release,
        .opened = events_opened,
        .lost = events_lost,
        .failed = events_failed,
};

static void on_signal(const char *path, const Interface *interface, const Member *signal, GVariant *arguments,
                      void *data)
{
        const Connection *connection = data;

        bus_emit(connection->bus, path, interface, signal, arguments);
}

static void on_event(const Event *event, void *data)
{
        const Connection *connection = data;

        if (event->kind == &kind_domain && event->lifecycle >= 0)
                links_forget(connection->links, event->uuid);
        inventory_event(connection->inventory, event);
}

static const EventsOwner signals_owner = {.signal = on_signal, .event = on_event};

/* libvirt's test driver gives each connection that opens a file of its own a world of its own: events and
 * calls must share one to mean the same domains. Only its built-in default is one world. */
static gboolean is_private(const char *uri)
{
        g_autoptr(GUri) parsed = uri_parse(uri);

        return parsed && uri_has_driver(parsed, "test") && strcmp(g_uri_get_path(parsed), "/default") != 0;
}

static Inventory *make_inventory(Connection *connection, const Limits *limits, const Epoch *epoch)
{
        const InventoryConfig config = {
                .bus = connection->bus,
                .limits = limits,
                .path = connection->path,
                .uri = connection->uri,
                .epoch = epoch,
                .link = connection->events_link,
                .finish = connection_wait_over,
                .data = connection,
        };

        return inventory_new(&config);
}

static Links *make_links(Connection *connection, const ConnectionConfig *connection_config,
                         const Identity *identity, const Limits *limits)
{
        const LinksConfig config = {
                .name = connection->name,
                .uri = connection->uri,
                .limits = limits,
                .forward = connection_config->forward,
                .identity = identity,
                .shared = is_private(connection->uri),
                .events_link = connection->events_link,
                .fail = connection_fail_call,
                .data = connection,
        };

        return links_new(&config);
}

Connection *connection_new(const ConnectionConfig *config, const Identity *identity, const Limits *limits,
                           Bus *bus, const Epoch *epoch, const ConnectionOwner *owner, void *data)
{
        Connection *connection = g_new0(Connection, 1);

        ASSERT_MAIN();
        connection->name = g_strdup(config->name);
        connection->uri = g_strdup(config->uri);
        connection->path = g_strconcat(PATH_ROOT "/", config->name, NULL);
        connection->bus = bus;
        connection->limits = limits;
        connection->owner = owner;
        connection->data = data;
        connection->forwarded = config->forward;
        connection->events = events_new(connection->path, &signals_owner, connection);
        connection->events_link =
                link_new(config->name, config->uri, FALSE, limits, &events_owner, connection);
        if (config->forward)
                link_forward(connection->events_link, identity);
        connection->inventory = make_inventory(connection, limits, epoch);
        connection->links = make_links(connection, config, identity, limits);
        if (!config->forward || identity)
                link_open(connection->events_link);
        return connection;
}

static void fail_wait(Call *call, void *data)
{
        connection_fail_call(call, data, NULL);
}

void connection_stop(Connection *connection)
{
        g_autoptr(GError) error =
                g_error_new_literal(GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "the service is stopping");

        ASSERT_MAIN();
        connection->stopped = TRUE;
        connection_expect_nothing(connection);
        inventory_stop(connection->inventory);
        state_waits_drop(inventory_waits(connection->inventory), NULL, fail_wait, error);
        connection_finish_unlisted(connection);
        links_shut(connection->links, error);
        link_shut(connection->events_link);
}

void connection_abandon(Connection *connection)
{
        ASSERT_MAIN();
        for (GList *each = connection->open_calls.head; each; each = each->next)
                call_reply_abandoned(each->data, "the service stopped before libvirt answered");
}

gboolean connection_is_busy(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->open_calls.length > 0 || inventory_is_busy(connection->inventory);
}

gboolean connection_is_over(const Connection *connection)
{
        ASSERT_MAIN();
        return !connection_is_busy(connection) && !link_is_busy(connection->events_link) &&
               !links_is_busy(connection->links);
}

void connection_free(Connection *connection)
{
        ASSERT_MAIN();
        links_free(connection->links);
        link_free(connection->events_link);
        inventory_free(connection->inventory);
        g_clear_error(&connection->list_error);
        events_free(connection->events);
        g_free(connection->name);
        g_free(connection->uri);
        g_free(connection->path);
        g_free(connection);
}

const char *connection_name(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->name;
}

const char *connection_path(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->path;
}

const Mirror *connection_mirror(const Connection *connection)
{
        ASSERT_MAIN();
        return inventory_mirror(connection->inventory);
}

const Inventory *connection_inventory(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->inventory;
}

void connection_flush(Connection *connection)
{
        ASSERT_MAIN();
        inventory_flush(connection->inventory);
}

void connection_want_systems(Connection *connection)
{
        inventory_want_systems(connection->inventory);
}

static GVariant *counters(const Connection *connection)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a{st}"));
        inventory_count(connection->inventory, &builder);
        g_variant_builder_add(&builder, "{st}", "calls.ok", connection->tally.ok);
        g_variant_builder_add(&builder, "{st}", "calls.failed", connection->tally.failed);
        g_variant_builder_add(&builder, "{st}", "calls.refused", connection->tally.refused);
        g_variant_builder_add(&builder, "{st}", "calls.dropped", connection->tally.dropped);
        g_variant_builder_add(&builder, "{st}", "calls.most", connection->most_open);
        return g_variant_builder_end(&builder);
}

Tally *connection_tally(Connection *connection)
{
        ASSERT_MAIN();
        return &connection->tally;
}

GVariant *connection_value(const Connection *connection, unsigned slot)
{
        ASSERT_MAIN();
        switch (slot) {
        case CONNECTION1_COUNTERS:
                return g_variant_ref_sink(counters(connection));
        case CONNECTION1_SEQUENCE:
                return g_variant_ref_sink(
                        g_variant_new_uint64(event_log_sequence(inventory_stream(connection->inventory))));
        default:
                return g_variant_ref(connection_properties_value(inventory_own(connection->inventory), slot));
        }
}

gboolean connection_is_forwarded(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->forwarded;
}

gboolean connection_is_connected(const Connection *connection)
{
        ASSERT_MAIN();
        return link_state(connection->events_link) == LINK_OPEN;
}
