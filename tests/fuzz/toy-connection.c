/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection without threads: its calls wait until somebody has them run, on the only thread there is. The
 * link is a real one, to libvirt's test driver, because a call does not run without; no handler uses it. */

#include "as-worker.h"
#include "base/background.h"
#include "base/error.h"
#include "call/handler.h"
#include "connection/caller_connections.h"
#include "members.h"
#include "toy.h"
#include "virt/event_loop.h"

struct Connection {
        const Limits *limits;
        Inventory *inventory;
        GQueue waiting;  /* of Call: to be run */
        GQueue unlisted; /* of Call: to be concluded */
        Tally tally;
};

#define EPOCH "epoch"

static const Epoch epoch = {.name = EPOCH};

static const Limits link_limits = {.open_timeout = 10};

static void on_link(Link *link, void *data)
{
}

static void on_link_failed(Link *link, const GError *error, void *data)
{
        g_error("%s", error->message);
}

/* One for all iterations: opening takes milliseconds. */
static Link *open_link(void)
{
        static const LinkOwner owner = {.opened = on_link, .lost = on_link, .failed = on_link_failed};
        static Link *link;

        if (link)
                return link;

        event_loop_register();
        main_queue_init();
        link = link_new("Toy", "test:///default", FALSE, &link_limits, &owner, NULL);
        link_open(link);
        while (link_state(link) != LINK_OPEN)
                g_main_context_iteration(NULL, TRUE);
        return link;
}

static void finish(Call *call, void *data)
{
        call_conclude(call);
}

Connection *toy_connection_new(Bus *bus, const Limits *limits)
{
        Connection *connection = g_new0(Connection, 1);
        const InventoryConfig config = {
                .bus = bus,
                .limits = limits,
                .path = "/org/libvirt/Toy",
                .uri = "test:///default",
                .epoch = &epoch,
                .link = open_link(),
                .finish = finish,
                .data = connection,
        };

        connection->limits = limits;
        connection->inventory = inventory_new(&config);
        state_waits_set_blind(inventory_waits(connection->inventory), FALSE);
        return connection;
}

static void refuse(Call *call, void *data)
{
        g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "the service is stopping");
        call_conclude(call);
}

void toy_connection_free(Connection *connection)
{
        Call *call;

        while (toy_connection_run(connection))
                continue;
        while ((call = g_queue_pop_head(&connection->unlisted)))
                call_conclude(call);
        state_waits_drop(inventory_waits(connection->inventory), refuse, NULL);
        inventory_stop(connection->inventory);
        inventory_free(connection->inventory);
        g_free(connection);
}

static void run(Call *call)
{
        AS_WORKER;

        call_run(call);
}

gboolean toy_connection_run(Connection *connection)
{
        Call *call = g_queue_pop_head(&connection->unlisted);

        if (call) {
                call_conclude(call);
                return TRUE;
        }

        call = g_queue_pop_head(&connection->waiting);
        if (!call)
                return FALSE;

        run(call);
        call_conclude(call);
        return TRUE;
}

char *toy_uuid(guint8 number)
{
        return g_strdup_printf("00000000-0000-0000-0000-0000000000%02x", number);
}

static Mirror *mirror_of(const Connection *connection)
{
        return (Mirror *)inventory_mirror(connection->inventory);
}

void toy_connection_show(Connection *connection, guint8 number, const char *state)
{
        g_autofree char *uuid = toy_uuid(number);
        GVariant *values[N_DOMAIN1] = {
                [DOMAIN1_ACTIVE] = g_variant_ref_sink(g_variant_new_boolean(TRUE)),
                [DOMAIN1_NAME] = g_variant_ref_sink(g_variant_new_string(uuid)),
                [DOMAIN1_STATE] = g_variant_ref_sink(g_variant_new_string(state)),
        };

        mirror_update(mirror_of(connection), &kind_domain, uuid, values, NULL);
}

void toy_connection_hide(Connection *connection, guint8 number)
{
        g_autofree char *uuid = toy_uuid(number);
        const Item *item = mirror_find_uuid(mirror_of(connection), &kind_domain, uuid);

        if (item)
                item_free(mirror_take(mirror_of(connection), item));
}

/* What the service's own connection.c has, as far as others use it. */

static gboolean withdraw(Call *call)
{
        return g_queue_remove(call->unlisted, call);
}

static void push(GQueue *queue, Call *call)
{
        call->unlisted = queue;
        call->withdraw = withdraw;
        g_queue_push_tail(queue, call);
}

void connection_submit(Connection *connection, Call *call)
{
        call->connection_path = connection_path(connection);
        call->link = open_link();
        push(&connection->waiting, call);
}

void connection_submit_listed(Connection *connection, Call *call)
{
        push(&connection->unlisted, call);
}

void connection_submit_settled(Connection *connection, Call *call, const Kind *kind, const char *uuid)
{
        push(&connection->unlisted, call);
}

void connection_submit_resync(Connection *connection, Call *call)
{
        call->result = g_variant_ref_sink(g_variant_new("(uuu)", 0, 0, 0));
        push(&connection->unlisted, call);
}

static gboolean withdraw_wait(Call *call)
{
        state_waits_withdraw(inventory_waits(call->object.connection->inventory), call);
        return TRUE;
}

void connection_submit_wait(Connection *connection, Call *call)
{
        call->withdraw = withdraw_wait;
        state_waits_add(inventory_waits(connection->inventory), call);
}

gboolean connection_is_settled(const Connection *connection)
{
        return TRUE;
}

const GError *connection_missing(const Connection *connection)
{
        return NULL;
}

const char *connection_name(const Connection *connection)
{
        return "Toy";
}

const char *connection_path(const Connection *connection)
{
        return "/org/libvirt/Toy";
}

const Mirror *connection_mirror(const Connection *connection)
{
        return inventory_mirror(connection->inventory);
}

const Inventory *connection_inventory(const Connection *connection)
{
        return connection->inventory;
}

Tally *connection_tally(Connection *connection)
{
        return &connection->tally;
}

GVariant *connection_value(const Connection *connection, unsigned slot)
{
        const EventLog *event_log = inventory_stream(connection->inventory);
        GVariantBuilder counters;

        if (slot == CONNECTION1_COUNTERS) {
                g_variant_builder_init(&counters, G_VARIANT_TYPE("a{st}"));
                inventory_count(connection->inventory, &counters);
                return g_variant_ref_sink(g_variant_builder_end(&counters));
        }

        return g_variant_ref_sink(slot == CONNECTION1_SEQUENCE
                                          ? g_variant_new_uint64(event_log_sequence(event_log))
                                          : g_variant_new_string(EPOCH));
}

void connection_flush(Connection *connection)
{
        inventory_flush(connection->inventory);
}

void connection_want_systems(Connection *connection)
{
}

gboolean connection_is_connected(const Connection *connection)
{
        return TRUE;
}

/* Nobody is forwarded: all callers see the same. */

gboolean connection_is_forwarded(const Connection *connection)
{
        return FALSE;
}

GHashTable *caller_connections_enter(CallerConnections *views, Peer *peer, GError **error)
{
        g_assert_not_reached();
}

void caller_connections_drop_peer(Peer *peer)
{
        g_assert_null(peer->view);
}

void caller_connections_compare(CallerConnections *views)
{
}
