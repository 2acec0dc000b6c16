/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection holds a link for events and listings, and others for calls. Calls can then neither hold up
 * events, nor, when libvirtd drops a client for what it was asked, take the events down with them. */

#include "connection/connection.h"

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/uri.h"
#include "base/utf8.h"
#include "bus/path.h"
#include "call/links.h"
#include "call/streams.h"
#include "connection/driver_links.h"
#include "members.h"
#include "virt/events.h"

#include <errno.h>
#include <string.h>

/* What the signal of a lifecycle takes beside the path that it is about. */
#define SIGNAL_BYTES 128

struct Connection {
        char *name, *uri, *path;
        Bus *bus;
        const Limits *limits;
        ConnectionChanged *changed;
        void *data;
        gboolean forwarded; /* it is one caller's, or stands for those */

        Link *events_link;
        Links *links;
        DriverLinks *driver_links;
        Streams streams;
        Events *events;
        Inventory *inventory;

        GQueue unlisted;     /* of Call, by their step: until all objects are listed */
        GError *list_error;  /* why what is there is not known although libvirt could be asked */
        unsigned listings;   /* comparisons under way that end with listed() */
        unsigned list_timer; /* while the first list is under way */
        gboolean stopped;
        Tally tally;
};

static void call_shown(gboolean told, void *data)
{
        call_answer(data);
}

/* The object that a call has made or changed, as far as the mirror has such; FALSE for none. */
static gboolean changed_object(const Call *call, const Kind **kind, char uuid[VIR_UUID_STRING_BUFLEN])
{
        *kind = *call->touched ? call->touched_kind : call->object.kind;

        if (*call->touched)
                g_strlcpy(uuid, call->touched, VIR_UUID_STRING_BUFLEN);
        else if (call->object.key)
                g_strlcpy(uuid, call->object.key, VIR_UUID_STRING_BUFLEN);
        else
                return FALSE;

        /* A snapshot's key begins with its domain's, and it is the domain that is reverted. */
        if ((*kind)->in_domain)
                *kind = &kind_domain;

        return kind_is_mirrored(*kind);
}

static void call_completed(void *data)
{
        Call *call = data;
        Connection *connection = call->object.connection;
        char uuid[VIR_UUID_STRING_BUFLEN];
        const Kind *kind;

        call->withdraw = NULL;
        if (call->pump) {
                streams_take(&connection->streams, call);
                return;
        }

        if (call->known_version != 0 && call->result)
                inventory_remember(connection->inventory, call->object.key, call->known_version,
                                   call->result);

        if (!call_may_change(call) || connection->stopped || !changed_object(call, &kind, uuid)) {
                call_answer(call);
                return;
        }

        if (!call->error) {
                /* A caller that defined a domain finds it when it is told so, and one that undefined it does
                 * not.
                 */
                inventory_wait(connection->inventory, kind, uuid, call->member->changes, call_shown, call);
                return;
        }

        /* What failed halfway may have left the object in another state. */
        if (call->begun && (g_error_matches(call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT) ||
                            g_error_matches(call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_CUT)))
                inventory_ask(connection->inventory, kind, uuid);
        call_answer(call);
}

/* The mirror has what there is to have. */
static void finish_unlisted(Connection *connection)
{
        GQueue calls = connection->unlisted;
        GList *each;

        ASSERT_MAIN();
        /* One may come back. */
        g_queue_init(&connection->unlisted);
        while ((each = g_queue_pop_head_link(&calls)))
                call_answer(each->data);
}

/* What a GetAll need not ask for. Not while a call is under way that may change it: one that the same client
 * sent before this one, for instance. */
static void add_known(const Connection *connection, Call *call)
{
        if (call->type == CALL_GET_ALL && call->object.kind == &kind_domain &&
            connection->tally.changing == 0)
                call->known = inventory_known(connection->inventory, call->object.key, &call->known_version);
}

static gboolean withdraw_from_links(Call *call)
{
        return links_withdraw(call->object.connection->links, call);
}

static void call_begin(void *data)
{
        Call *call = data;
        Connection *connection = call->object.connection;

        if (connection->stopped) {
                call_set_stopping(call);
                call_answer(call);
                return;
        }

        if (call->type == CALL_METHOD && call->member->opens_stream && !streams_charge(call)) {
                call_answer(call);
                return;
        }

        add_known(connection, call);
        call->withdraw = withdraw_from_links;
        links_submit(connection->links, call);
}

void connection_submit(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        call->connection_path = connection->path;
        /* What the caller has sent before for the same object may wait for its turn. */
        turns_follow(call->turns, &call->turn, &call->peer->line, peer_turns_key(call->peer), call_begin,
                     call);
}

gboolean connection_is_settled(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->stopped || inventory_is_filled(connection->inventory) ||
               link_error(connection->events_link) || connection->list_error;
}

const GError *connection_missing(const Connection *connection)
{
        ASSERT_MAIN();
        if (inventory_is_known(connection->inventory))
                return NULL;

        return connection->list_error ? connection->list_error : link_error(connection->events_link);
}

/* Libvirt may take any time for its answer; calls that wait for it end after this one. */
static gboolean on_list_slow(gpointer user_data)
{
        Connection *connection = user_data;

        connection->list_timer = 0;
        g_set_error(&connection->list_error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                    "failed to list what %s has: %s takes longer than %u s for that", connection->name,
                    connection->uri, connection->limits->open_timeout);
        log_connection(G_LOG_LEVEL_WARNING, connection->name, connection->uri, "%s",
                       connection->list_error->message);
        finish_unlisted(connection);
        return G_SOURCE_REMOVE;
}

static void expect_nothing(Connection *connection)
{
        ASSERT_MAIN();
        g_clear_handle_id(&connection->list_timer, g_source_remove);
        g_clear_error(&connection->list_error);
}

static void expect_list(Connection *connection)
{
        ASSERT_MAIN();
        expect_nothing(connection);
        if (!inventory_is_filled(connection->inventory))
                connection->list_timer =
                        g_timeout_add_seconds(connection->limits->open_timeout, on_list_slow, connection);
}

static void listed(const Differences *found, void *data)
{
        Connection *connection = data;

        ASSERT_MAIN();
        /* Where it was opened anew meanwhile, what that one has is yet to come. */
        if (--connection->listings > 0)
                return;

        expect_nothing(connection);
        if (!found && link_state(connection->events_link) == LINK_OPEN)
                g_set_error(&connection->list_error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                            "%s did not say what it has", connection->uri);
        if (found)
                log_connection(G_LOG_LEVEL_INFO, connection->name, connection->uri,
                               "domains: %u; objects added: %u, changed: %u, removed: %u",
                               mirror_size(connection_mirror(connection), &kind_domain), found->added,
                               found->changed, found->removed);
        finish_unlisted(connection);
}

static gboolean withdraw_from_unlisted(Call *call)
{
        g_queue_unlink(call->unlisted, &call->step);
        return TRUE;
}

void connection_submit_listed(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        /* A list that failed is asked for again, for later calls. */
        if (connection->list_error && connection->listings == 0 &&
            link_state(connection->events_link) == LINK_OPEN) {
                connection->listings++;
                inventory_compare(connection->inventory, listed, connection);
        }

        if (connection_is_settled(connection)) {
                call_answer(call);
                return;
        }

        call->withdraw = withdraw_from_unlisted;
        call->unlisted = &connection->unlisted;
        g_queue_push_tail_link(&connection->unlisted, &call->step);
}

void connection_submit_settled(Connection *connection, Call *call, const Kind *kind, const char *uuid)
{
        ASSERT_MAIN();
        if (connection->stopped || inventory_is_settled(connection->inventory, kind, uuid))
                call_answer(call);
        else
                inventory_settle(connection->inventory, kind, uuid, call_shown, call);
}

void connection_compare(Connection *connection)
{
        ASSERT_MAIN();
        if (!connection->stopped && link_state(connection->events_link) == LINK_OPEN)
                inventory_compare(connection->inventory, NULL, NULL);
}

static void resynced(const Differences *found, void *data)
{
        Call *call = data;
        const Connection *connection = call->object.connection;
        const GError *error = link_error(connection->events_link);

        if (found)
                call->result = g_variant_ref_sink(
                        g_variant_new("(uuu)", found->added, found->changed, found->removed));
        else if (error)
                call->error = g_error_copy(error);
        else
                g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT, "%s could not be asked",
                            connection->uri);

        call_answer(call);
}

void connection_submit_resync(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        if (connection->stopped || link_state(connection->events_link) != LINK_OPEN)
                resynced(NULL, call);
        else
                inventory_compare(connection->inventory, resynced, call);
}

static gboolean withdraw_from_waits(Call *call)
{
        state_waits_withdraw(inventory_waits(call->object.connection->inventory), call);
        return TRUE;
}

void connection_submit_wait(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        if (connection->stopped) {
                call_set_stopping(call);
                call_answer(call);
                return;
        }

        call->withdraw = withdraw_from_waits;
        state_waits_add(inventory_waits(connection->inventory), call);
}

static void wait_over(Call *call, void *data)
{
        ASSERT_MAIN();
        call_answer(call);
}

/* What a job finds out while it opens the events' link. */
typedef struct Prepared {
        void *registered;
        char *driver;
        gboolean apart; /* other drivers have daemons of their own */
} Prepared;

/* Worker thread. */
static gboolean events_prepare(virConnectPtr conn, void *data, void **prepared, GError **error)
{
        Connection *connection = data;
        /* Before anything is listed: what changes after that is told, what changed before is in the list. */
        gboolean apart = drivers_are_apart(connection->uri);
        void *registered = events_register(connection->events, conn, apart ? &kind_domain : NULL, error);
        Prepared *found;

        if (!registered)
                return FALSE;

        found = g_new0(Prepared, 1);
        found->registered = registered;
        found->driver = utf8_make_valid(virConnectGetType(conn));
        found->apart = apart;
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

static void set_drivers(Connection *connection, gboolean apart)
{
        for (unsigned i = 0; i < N_DRIVERS; i++)
                inventory_set_driver(connection->inventory, drivers[i].kind,
                                     apart ? driver_links_get(connection->driver_links, &drivers[i]) : NULL);
}

/* Everything can be listed that there is. */
static void drivers_settled(void *data)
{
        Connection *connection = data;

        connection->listings++;
        inventory_compare(connection->inventory, listed, connection);
}

static void events_opened(Link *link, void *data)
{
        Connection *connection = data;
        const Prepared *prepared = link_prepared(link);

        log_connection(loss_level(connection, G_LOG_LEVEL_MESSAGE), connection->name, connection->uri,
                       "connected");
        expect_list(connection);
        set_drivers(connection, prepared->apart);
        inventory_opened(connection->inventory, prepared->driver, prepared->registered);
        if (prepared->apart)
                driver_links_open(connection->driver_links);
        else
                drivers_settled(connection);
        /* Of many callers each has a connection, and most only look. */
        links_follow(connection->links, !connection->forwarded);
        connection->changed(connection->data);
}

static void events_lost(Link *link, void *data)
{
        Connection *connection = data;

        log_connection(loss_level(connection, G_LOG_LEVEL_WARNING), connection->name, connection->uri,
                       "connection lost");
        expect_nothing(connection);
        driver_links_close(connection->driver_links);
        inventory_lost(connection->inventory, link_close_reason(link), link_error(link));
        links_lost(connection->links);
        /* Streams see for themselves when libvirtd ends. They have no keep-alive to find one that hangs. */
        if (link_close_reason(link) == VIR_CONNECT_CLOSE_REASON_KEEPALIVE)
                streams_stop(&connection->streams, link_error(link));
        connection->changed(connection->data);
}

static void events_renewed(Link *link, void *data)
{
        const Connection *connection = data;

        inventory_renewed(connection->inventory);
}

static void events_failed(Link *link, const GError *error, void *data)
{
        Connection *connection = data;

        link_log_failure(link);
        links_failed(connection->links, error);
        inventory_failed(connection->inventory, error);
        finish_unlisted(connection);
        connection->changed(connection->data);
}

static const LinkOwner events_owner = {
        .prepare = events_prepare,
        .release = events_release,
        .opened = events_opened,
        .lost = events_lost,
        .renewed = events_renewed,
        .failed = events_failed,
};

static void on_signal(const char *path, const Interface *interface, const Member *signal, GVariant *arguments,
                      void *data)
{
        const Connection *connection = data;

        bus_emit(connection->bus, path, interface, signal, arguments);
}

static void on_lifecycle(const Interface *interface, const Member *signal, const char *path, int event,
                         int detail, void *data)
{
        const Connection *connection = data;
        sd_bus_message *message =
                bus_new_signal(connection->bus, connection->path, interface->name, signal->name);
        int r = message ? sd_bus_message_append_basic(message, 'o', path) : -ENOMEM;

        if (r >= 0)
                r = sd_bus_message_append_basic(message, 'i', &event);
        /* Networks have no detail. */
        if (r >= 0 && g_str_equal(signal->out_type, "(oii)"))
                r = sd_bus_message_append_basic(message, 'i', &detail);
        bus_send(connection->bus, message, SIGNAL_BYTES + strlen(path), r);
}

static void on_event(const Event *event, void *data)
{
        const Connection *connection = data;

        if (event->kind == &kind_domain && event->lifecycle >= 0)
                links_forget(connection->links, event->uuid);
        inventory_event(connection->inventory, event);
}

static const EventsOwner signals_owner = {.signal = on_signal, .lifecycle = on_lifecycle, .event = on_event};

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
                .finish = wait_over,
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
                .completed = call_completed,
        };

        return links_new(&config);
}

static DriverLinks *make_driver_links(Connection *connection, const ConnectionConfig *connection_config,
                                      const Identity *identity, const Limits *limits)
{
        const DriverLinksConfig config = {
                .name = connection->name,
                .uri = connection->uri,
                .limits = limits,
                .forward = connection_config->forward,
                .identity = identity,
                .events = connection->events,
                .inventory = connection->inventory,
                .settled = drivers_settled,
                .data = connection,
        };

        return driver_links_new(&config);
}

Connection *connection_new(const ConnectionConfig *config, const Identity *identity, const Limits *limits,
                           Bus *bus, const Epoch *epoch, ConnectionChanged *changed, void *data)
{
        Connection *connection = g_new0(Connection, 1);

        ASSERT_MAIN();
        connection->name = g_strdup(config->name);
        connection->uri = g_strdup(config->uri);
        connection->path = g_strconcat(PATH_ROOT "/", config->name, NULL);
        connection->bus = bus;
        connection->limits = limits;
        connection->changed = changed;
        connection->data = data;
        connection->forwarded = config->forward;
        connection->events = events_new(connection->path, &signals_owner, connection);
        connection->events_link =
                link_new(config->name, config->uri, FALSE, limits, &events_owner, connection);
        if (config->forward)
                link_forward(connection->events_link, identity);
        connection->inventory = make_inventory(connection, limits, epoch);
        connection->links = make_links(connection, config, identity, limits);
        connection->driver_links = make_driver_links(connection, config, identity, limits);
        if (!config->forward || identity)
                link_open(connection->events_link);
        return connection;
}

static void fail_wait(Call *call, void *data)
{
        call->error = g_error_copy(data);
        call_answer(call);
}

void connection_stop(Connection *connection)
{
        g_autoptr(GError) error =
                g_error_new_literal(GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "the service is stopping");

        ASSERT_MAIN();
        connection->stopped = TRUE;
        expect_nothing(connection);
        inventory_stop(connection->inventory);
        state_waits_drop(inventory_waits(connection->inventory), fail_wait, error);
        finish_unlisted(connection);
        streams_stop(&connection->streams, error);
        links_shut(connection->links, error);
        driver_links_shut(connection->driver_links);
        link_shut(connection->events_link);
}

GVariant *connection_save(const Connection *connection)
{
        ASSERT_MAIN();
        return inventory_save(connection->inventory);
}

gboolean connection_restore(Connection *connection, GVariant *saved)
{
        ASSERT_MAIN();
        return inventory_restore(connection->inventory, saved);
}

void connection_resume(Connection *connection)
{
        ASSERT_MAIN();
        inventory_resume(connection->inventory);
}

gboolean connection_is_busy(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->tally.open > 0 || inventory_is_busy(connection->inventory);
}

gboolean connection_is_over(const Connection *connection)
{
        ASSERT_MAIN();
        return !connection_is_busy(connection) && !link_is_busy(connection->events_link) &&
               !links_is_busy(connection->links) && !driver_links_are_busy(connection->driver_links) &&
               !streams_are_running(&connection->streams);
}

gboolean connection_has_streams(const Connection *connection)
{
        ASSERT_MAIN();
        return streams_are_running(&connection->streams);
}

void connection_free(Connection *connection)
{
        ASSERT_MAIN();
        links_free(connection->links);
        driver_links_free(connection->driver_links);
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

const char *connection_uri(const Connection *connection)
{
        ASSERT_MAIN();
        return connection->uri;
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
        g_variant_builder_add(&builder, "{st}", "calls.most", connection->tally.most);
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
