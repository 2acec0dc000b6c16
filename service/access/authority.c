/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Callers, and their requests that wait for a decision.
 *
 * Requests of one caller to one object keep their order: while one waits, those behind it wait as well, and
 * are asked about meanwhile. */

#include "access/authority_private.h"

#include "base/process.h"
#include "base/thread.h"

#include <unistd.h>

Client *client_ref(Client *client)
{
        ASSERT_MAIN();
        client->references++;
        return client;
}

void client_unref(Client *client)
{
        ASSERT_MAIN();
        if (--client->references > 0)
                return;

        account_close(&client->account);
        account_move(&client->account, NULL);
        share_unref(client->share);
        g_hash_table_unref(client->answers);
        backlog_free(client->backlog);
        g_clear_pointer(&client->credentials.groups, g_variant_unref);
        g_free(client->awaited);
        g_free(client->name);
        g_free(client);
}

/* It has left the bus, or the bus is left. */
static void client_leave(void *data)
{
        Client *client = data;

        client->gone = TRUE;
        backlog_drop(client->backlog);
        client_unref(client);
}

static Client *client_get(Authority *authority, const char *name)
{
        Client *client = g_hash_table_lookup(authority->clients, name);

        if (client)
                return client;

        client = g_new0(Client, 1);
        client->authority = authority;
        client->references = 1;
        client->heard = process_now();
        client->name = g_strdup(name);
        client->answers = decisions_new();
        client->backlog = backlog_new(&client->account, &authority->total, authority->limits);
        g_hash_table_insert(authority->clients, client->name, client);
        return client;
}

/* polkit has other rules, or forgot a password. */
static void on_polkit_changed(void *data)
{
        Authority *authority = data;
        GHashTableIter iter;
        gpointer client;

        g_hash_table_iter_init(&iter, authority->clients);
        while (g_hash_table_iter_next(&iter, NULL, &client))
                decisions_forget(client);
        authority->owner->changed(authority->data);
}

Authority *authority_new(Bus *bus, const Limits *limits, const AuthorityOwner *owner, void *data)
{
        Authority *authority = g_new0(Authority, 1);

        ASSERT_MAIN();
        authority->bus = bus;
        authority->limits = limits;
        authority->owner = owner;
        authority->data = data;
        authority->clients = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, client_leave);
        authority->user_database = user_database_new();
        authority->shares = shares_new(authority->user_database);
        authority->polkit = polkit_new(bus, on_polkit_changed, authority);
        return authority;
}

void authority_stop(Authority *authority)
{
        GHashTableIter iter;
        gpointer client;

        ASSERT_MAIN();
        authority->stopped = TRUE;
        g_hash_table_iter_init(&iter, authority->clients);
        while (g_hash_table_iter_next(&iter, NULL, &client))
                backlog_refuse(((Client *)client)->backlog, "the service is stopping");
}

void authority_free(Authority *authority)
{
        ASSERT_MAIN();
        if (!authority)
                return;

        /* Open questions, and the clients that they hold, end with the bus, which goes with the last message.
         */
        g_hash_table_remove_all(authority->clients);
        polkit_free(authority->polkit);
        user_database_free(authority->user_database);
        account_close(&authority->total);
        g_hash_table_unref(authority->clients);
        shares_free(authority->shares);
        g_free(authority);
}

static gboolean passes(const Client *client)
{
        return client->credentials.uid == 0 || client->credentials.uid == geteuid();
}

static void set_known(Client *client, const Credentials *credentials)
{
        client->known = TRUE;
        client->credentials = credentials ? *credentials : (Credentials){.uid = (uid_t)-1};
        client->credentials.connected = client->heard;
        if (client->credentials.groups)
                g_variant_ref(client->credentials.groups);

        /* It may have been taken for one that the bus does not know. */
        account_move(&client->account, NULL);
        backlog_set_share(client->backlog, NULL);
        g_clear_pointer(&client->share, share_unref);
        if (passes(client))
                return;

        client->share = shares_get(client->authority->shares, client->credentials.uid);
        account_move(&client->account, share_account(client->share));
        backlog_set_share(client->backlog, client->share);
}

static void on_credentials(const Credentials *credentials, void *data)
{
        Client *client = data;

        if (!client->gone && !client->authority->stopped) {
                g_autoptr(GPtrArray) paths = backlog_paths(client->backlog);

                set_known(client, credentials);
                client_retry(client, paths);
                /* What waited is refused where the bus did not say. The next call is another reason to ask.
                 */
                client->asked = credentials != NULL;
        }

        client_unref(client);
}

static void ask_who_it_is(Client *client)
{
        client->asked = TRUE;
        client->known = FALSE;
        credentials_get(client->authority->bus, client->name, on_credentials, client_ref(client));
}

AuthorityAnswer authority_ask(Authority *authority, sd_bus_message *message, const Question *question,
                              GError **error)
{
        Client *client = client_get(authority, bus_sender(message));

        ASSERT_MAIN();
        if (!client->asked)
                ask_who_it_is(client);

        /* A bus that cannot be asked has answered already, with nothing. */
        if (!client->known)
                return AUTHORITY_LATER;

        return passes(client) ? AUTHORITY_YES : decisions_ask(client, message, question, error);
}

const Credentials *authority_credentials(const Authority *authority, const char *sender)
{
        const Client *client = g_hash_table_lookup(authority->clients, sender);

        ASSERT_MAIN();
        return client && client->known && client->credentials.uid != (uid_t)-1 ? &client->credentials : NULL;
}

Share *authority_share(const Authority *authority, const char *sender)
{
        const Client *client = g_hash_table_lookup(authority->clients, sender);

        ASSERT_MAIN();
        return client ? client->share : NULL;
}

gboolean authority_is_ahead(const Authority *authority, sd_bus_message *message)
{
        const Client *client = g_hash_table_lookup(authority->clients, bus_sender(message));

        ASSERT_MAIN();
        return client && backlog_has(client->backlog, sd_bus_message_get_path(message));
}

/* While others are ahead, it may be asked about: but nobody has to type for it yet. */
static void ask_ahead(Client *client, sd_bus_message *message)
{
        const Authority *authority = client->authority;
        Question question;

        if (client->known && !passes(client) &&
            authority->owner->question(message, &question, authority->data))
                decisions_ask_ahead(client, &question);
}

gboolean authority_keep(Authority *authority, sd_bus_message *message, GError **error)
{
        const char *path = sd_bus_message_get_path(message);
        Client *client = client_get(authority, bus_sender(message));
        gboolean behind = backlog_has(client->backlog, path);

        ASSERT_MAIN();
        if (!backlog_add(client->backlog, message, error))
                return FALSE;

        if (behind)
                ask_ahead(client, message);
        else
                decisions_add_waiter(client, path);
        return TRUE;
}

static gboolean retry(sd_bus_message *message, void *data)
{
        const Client *client = data;
        const Authority *authority = client->authority;

        if (authority->owner->retry(message, authority->data))
                return TRUE;

        decisions_add_waiter(client, sd_bus_message_get_path(message));
        return FALSE;
}

void client_retry(Client *client, const GPtrArray *paths)
{
        ASSERT_MAIN();
        for (guint i = 0; i < paths->len; i++)
                backlog_retry(client->backlog, g_ptr_array_index(paths, i), retry, client);
}

void authority_forget(Authority *authority, const char *sender)
{
        ASSERT_MAIN();
        if (g_hash_table_remove(authority->clients, sender))
                polkit_forget(authority->polkit, sender);
}

unsigned authority_size(const Authority *authority)
{
        ASSERT_MAIN();
        return g_hash_table_size(authority->clients);
}

gboolean authority_is_keeping(const Authority *authority)
{
        ASSERT_MAIN();
        return authority->total.charged[QUOTA_KEPT] > 0;
}

void authority_collect(const Authority *authority, GHashTable *names)
{
        GHashTableIter iter;
        gpointer name;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, authority->clients);
        while (g_hash_table_iter_next(&iter, &name, NULL))
                g_hash_table_add(names, g_strdup(name));
}
