/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls of a connection: from the dispatcher to whoever can answer them, and to their end. */

#include "base/thread.h"
#include "connection/connection_private.h"

#include "base/error.h"
#include "base/log.h"

#include <string.h>

static gboolean may_change(const Call *call)
{
        return call->member && call->member->changes && call->type != CALL_GET;
}

/* The call is no longer one of the connection's. */
static void disown_call(Connection *connection, Call *call)
{
        g_queue_unlink(&connection->open_calls, &call->place);
        if (may_change(call))
                connection->changing--;
        call->owner = NULL;
}

static void conclude_owned(void *data)
{
        Call *call = data;
        Connection *connection = call->owner;

        /* What has its answer keeps it; what would look for one finds nothing any more. */
        if (connection->stopped && call->conclude && !call_is_run(call))
                call_set_stopping(call);
        disown_call(connection, call);
        call_conclude(call);
}

/* Main thread: nobody else has the call. It counts as open until its reply is made, which may take time. */
static void call_finish(void *data)
{
        call_take_turn(data, conclude_owned);
}

static void call_shown(gboolean told, void *data)
{
        call_finish(data);
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
        if (*kind == &kind_domain_snapshot)
                *kind = &kind_domain;

        return kind_is_mirrored(*kind);
}

static void call_completed(void *data)
{
        Call *call = data;
        Connection *connection = call->owner;
        char uuid[VIR_UUID_STRING_BUFLEN];
        const Kind *kind;

        if (call->known_version != 0 && call->result)
                inventory_remember(connection->inventory, call->object.key, call->known_version,
                                   call->result);

        if (!may_change(call) || connection->stopped || !changed_object(call, &kind, uuid)) {
                call_finish(call);
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
        if (g_error_matches(call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT))
                inventory_ask(connection->inventory, kind, uuid);
        call_finish(call);
}

static void own_call(Connection *connection, Call *call)
{
        call->owner = connection;
        g_queue_push_tail_link(&connection->open_calls, &call->place);
        connection->most_open = MAX(connection->most_open, connection->open_calls.length);
        if (may_change(call))
                connection->changing++;
}

void connection_fail_call(Call *call, const GError *error, void *data)
{
        ASSERT_MAIN();
        call->error = g_error_copy(error);
        call_finish(call);
}

/* The mirror has what there is to have. */
void connection_finish_unlisted(Connection *connection)
{
        GQueue calls = connection->unlisted;
        Call *call;

        ASSERT_MAIN();
        g_queue_init(&connection->unlisted);
        while ((call = g_queue_pop_head(&calls)))
                call_shown(TRUE, call);
}

/* What a GetAll need not ask for. Not while a call is under way that may change it: one that the same client
 * sent before this one, for instance. */
static void add_known(const Connection *connection, Call *call)
{
        if (call->type == CALL_GET_ALL && call->object.kind == &kind_domain && connection->changing == 0)
                call->known = inventory_known(connection->inventory, call->object.key, &call->known_version);
}

static void call_begin(void *data)
{
        Call *call = data;
        Connection *connection = call->owner;

        if (connection->stopped) {
                call_set_stopping(call);
                call_finish(call);
                return;
        }

        add_known(connection, call);
        links_submit(connection->links, call);
}

void connection_submit(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        own_call(connection, call);
        call->connection_path = connection->path;
        call->completed = call_completed;
        /* What the caller has sent before for the same object may wait for its turn. */
        call_follow(call, call_begin);
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
        if (inventory_is_filled(connection->inventory))
                return NULL;

        return connection->list_error ? connection->list_error : link_error(connection->events_link);
}

/* Libvirt may take any time for its answer; those who wait for it know after this one that there is none. */
static gboolean on_list_slow(gpointer user_data)
{
        Connection *connection = user_data;

        connection->list_timer = 0;
        g_set_error(&connection->list_error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                    "failed to list what %s has: %s takes longer than %u s for that", connection->name,
                    connection->uri, connection->limits->open_timeout);
        log_connection(G_LOG_LEVEL_WARNING, connection->name, connection->uri, "%s",
                       connection->list_error->message);
        connection_finish_unlisted(connection);
        return G_SOURCE_REMOVE;
}

void connection_expect_nothing(Connection *connection)
{
        ASSERT_MAIN();
        g_clear_handle_id(&connection->list_timer, g_source_remove);
        g_clear_error(&connection->list_error);
}

void connection_expect_list(Connection *connection)
{
        ASSERT_MAIN();
        connection_expect_nothing(connection);
        connection->listings++;
        if (!inventory_is_filled(connection->inventory))
                connection->list_timer =
                        g_timeout_add_seconds(connection->limits->open_timeout, on_list_slow, connection);
}

void connection_listed(const Differences *found, void *data)
{
        Connection *connection = data;

        ASSERT_MAIN();
        /* Where it was opened anew meanwhile, what that one has is yet to come. */
        if (--connection->listings > 0)
                return;

        connection_expect_nothing(connection);
        if (!found && link_state(connection->events_link) == LINK_OPEN)
                g_set_error(&connection->list_error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                            "%s did not say what it has", connection->uri);
        if (found)
                log_connection(G_LOG_LEVEL_INFO, connection->name, connection->uri,
                               "domains: %u; objects added: %u, changed: %u, removed: %u",
                               mirror_size(connection_mirror(connection), &kind_domain), found->added,
                               found->changed, found->removed);
        connection_finish_unlisted(connection);
}

void connection_submit_known(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        own_call(connection, call);
        call_finish(call);
}

void connection_submit_listed(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        own_call(connection, call);
        /* A list that failed is asked for again, for those who come later. */
        if (connection->list_error && connection->listings == 0 &&
            link_state(connection->events_link) == LINK_OPEN) {
                connection->listings++;
                inventory_compare(connection->inventory, connection_listed, connection);
        }

        if (connection_is_settled(connection))
                call_finish(call);
        else
                g_queue_push_tail(&connection->unlisted, call);
}

void connection_submit_settled(Connection *connection, Call *call, const Kind *kind, const char *uuid)
{
        ASSERT_MAIN();
        own_call(connection, call);
        if (connection->stopped || inventory_is_settled(connection->inventory, kind, uuid))
                call_finish(call);
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
        Connection *connection = call->owner;
        const GError *error = link_error(connection->events_link);

        if (found)
                call->result = g_variant_ref_sink(
                        g_variant_new("(uuu)", found->added, found->changed, found->removed));
        else if (error)
                call->error = g_error_copy(error);
        else
                g_set_error(&call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT, "%s could not be asked",
                            connection->uri);

        call_finish(call);
}

void connection_submit_resync(Connection *connection, Call *call)
{
        ASSERT_MAIN();
        own_call(connection, call);
        if (connection->stopped || link_state(connection->events_link) != LINK_OPEN)
                resynced(NULL, call);
        else
                inventory_compare(connection->inventory, resynced, call);
}

void connection_submit_wait(Connection *connection, Call *call, const char *leaf)
{
        ASSERT_MAIN();
        own_call(connection, call);
        if (connection->stopped) {
                call_set_stopping(call);
                call_finish(call);
                return;
        }

        state_waits_add(inventory_waits(connection->inventory), call, leaf);
}

void connection_wait_over(Call *call, void *data)
{
        ASSERT_MAIN();
        call_finish(call);
}

void connection_drop_call(Call *call)
{
        ASSERT_MAIN();
        disown_call(call->owner, call);
        call_drop(call);
}

static void drop_wait(Call *call, void *data)
{
        connection_drop_call(call);
}

/* To make a reply that no one gets may take as long as any other. */
static void hear_no_more(const Connection *connection, const Peer *peer)
{
        for (GList *each = connection->open_calls.head; each; each = each->next) {
                Call *call = each->data;

                if (call->peer == peer)
                        call->unheard = TRUE;
        }
}

/* A peer that has left gets no reply; and what it asked for and was not begun is not done either. */

void connection_drop_peer(Connection *connection, const Peer *peer)
{
        GList *withdrawn = links_withdraw(connection->links, peer);

        ASSERT_MAIN();
        withdrawn = calls_withdraw(&connection->unlisted, peer, withdrawn);
        for (GList *each = withdrawn; each; each = each->next)
                connection_drop_call(each->data);
        g_list_free(withdrawn);
        state_waits_drop(inventory_waits(connection->inventory), peer, drop_wait, NULL);
        hear_no_more(connection, peer);
}
