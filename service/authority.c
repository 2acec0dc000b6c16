/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Decisions, and the requests that wait for them.
 *
 * Requests of one caller to one object keep their order: while one waits, those behind it wait as well, and
 * are asked about meanwhile. A decision is kept until its caller leaves or polkit says that something
 * changed; what somebody has typed a password for counts once, unless polkit itself remembers it. */

#include "authority.h"

#include "backlog.h"
#include "error.h"
#include "polkit.h"

#include <string.h>
#include <unistd.h>

/* Decisions that are remembered for one caller: a page that reads every guest and device once. When there are
 * more, all are asked again. */
#define REMEMBERED 8192

typedef enum Decision {
        DECISION_ASKED,
        DECISION_YES,
        DECISION_YES_ONCE, /* for the first request that takes it */
        DECISION_NO,
        DECISION_CHALLENGE, /* no, but a password would help */
        DECISION_FULL,      /* too much is asked already */
} Decision;

typedef struct Answer {
        Decision decision;
        guint64 number;     /* of the question */
        gboolean stale;     /* polkit changed since it was asked */
        GPtrArray *waiters; /* paths of the lanes whose first message waits for it, or NULL */
} Answer;

typedef struct Client {
        Authority *authority;
        char *name;
        gboolean known, asked; /* who it is */
        Credentials credentials;
        Share *share;        /* of its user, or NULL */
        GHashTable *answers; /* Answer by what was asked */
        Backlog *backlog;
        char *awaited; /* what was asked for the request that was last told to wait, or NULL */
        unsigned asking;
} Client;

struct Authority {
        Bus *bus;
        const Limits *limits;
        const AuthorityOwner *owner;
        void *data;
        Polkit *polkit;
        GHashTable *clients; /* Client by name */
        Shares *shares;
        guint64 questions;
        unsigned asking;
        BacklogTotal kept;
        gboolean stopped;
};

/* What was asked, until the answer is here. */
typedef struct Pending {
        Authority *authority;
        char *client, *key;
        guint64 number;
        gboolean interactive;
} Pending;

static void client_retry(Client *client, const GPtrArray *paths);

static void answer_free(void *data)
{
        Answer *answer = data;

        g_clear_pointer(&answer->waiters, g_ptr_array_unref);
        g_free(answer);
}

/* Of those that polkit has yet to answer. */
static void count_questions(Client *client, int more)
{
        client->asking += (unsigned)more;
        client->authority->asking += (unsigned)more;
        if (client->share)
                client->share->asked += (unsigned)more;
}

static void client_free(void *data)
{
        Client *client = data;

        count_questions(client, -(int)client->asking);
        g_hash_table_unref(client->answers);
        backlog_free(client->backlog);
        g_clear_pointer(&client->credentials.groups, g_variant_unref);
        g_free(client->awaited);
        g_free(client->name);
        g_free(client);
}

static Client *client_get(Authority *authority, const char *name)
{
        Client *client = g_hash_table_lookup(authority->clients, name);

        if (client)
                return client;

        client = g_new0(Client, 1);
        client->authority = authority;
        client->name = g_strdup(name);
        client->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, answer_free);
        client->backlog = backlog_new(&authority->kept, authority->limits);
        g_hash_table_insert(authority->clients, client->name, client);
        return client;
}

/* Nothing that was said of it counts any more, nor what is about to be said. */
static void forget_answers(Client *client)
{
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, client->answers);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Answer *answer = value;

                if (answer->decision == DECISION_ASKED)
                        answer->stale = TRUE;
                else
                        g_hash_table_iter_remove(&iter);
        }
}

/* polkit has other rules, or forgot a password. */
static void on_polkit_changed(void *data)
{
        Authority *authority = data;
        GHashTableIter iter;
        gpointer client;

        g_hash_table_iter_init(&iter, authority->clients);
        while (g_hash_table_iter_next(&iter, NULL, &client))
                forget_answers(client);
        authority->owner->changed(authority->data);
}

Authority *authority_new(Bus *bus, const Limits *limits, const AuthorityOwner *owner, void *data)
{
        Authority *authority = g_new0(Authority, 1);

        authority->bus = bus;
        authority->limits = limits;
        authority->owner = owner;
        authority->data = data;
        authority->clients = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, client_free);
        authority->shares = shares_new();
        authority->polkit = polkit_new(bus, on_polkit_changed, authority);
        return authority;
}

void authority_stop(Authority *authority)
{
        GHashTableIter iter;
        gpointer client;

        authority->stopped = TRUE;
        g_hash_table_iter_init(&iter, authority->clients);
        while (g_hash_table_iter_next(&iter, NULL, &client))
                backlog_refuse(((Client *)client)->backlog, "the service is stopping");
}

void authority_free(Authority *authority)
{
        if (!authority)
                return;

        /* Open questions end with the bus, which goes with the last message. */
        g_hash_table_remove_all(authority->clients);
        polkit_free(authority->polkit);
        g_hash_table_unref(authority->clients);
        shares_free(authority->shares);
        g_free(authority);
}

static void pending_free(Pending *pending)
{
        g_free(pending->client);
        g_free(pending->key);
        g_free(pending);
}

static Pending *pending_new(Client *client, const char *key, gboolean interactive)
{
        Pending *pending = g_new0(Pending, 1);

        pending->authority = client->authority;
        pending->client = g_strdup(client->name);
        pending->key = g_strdup(key);
        pending->number = ++client->authority->questions;
        pending->interactive = interactive;
        return pending;
}

static gboolean passes(const Client *client)
{
        return client->credentials.uid == 0 || client->credentials.uid == geteuid();
}

static void set_known(Client *client, const Credentials *credentials)
{
        client->known = TRUE;
        client->credentials = credentials ? *credentials : (Credentials){.uid = (uid_t)-1};
        if (client->credentials.groups)
                g_variant_ref(client->credentials.groups);
        if (passes(client))
                return;

        client->share = shares_get(client->authority->shares, client->credentials.uid);
        backlog_join(client->backlog, client->share);
}

static void on_credentials(const Credentials *credentials, void *data)
{
        Pending *pending = data;
        Authority *authority = pending->authority;
        Client *client = g_hash_table_lookup(authority->clients, pending->client);

        /* One that left and came again under the same name has been asked about twice. */
        if (client && !client->known && !authority->stopped) {
                g_autoptr(GPtrArray) paths = backlog_paths(client->backlog);

                client->asked = FALSE;
                set_known(client, credentials);
                client_retry(client, paths);
        }

        pending_free(pending);
}

static Decision decision_of(PolkitAnswer answer, const Client *client)
{
        switch (answer) {
        case POLKIT_YES:
                return DECISION_YES;
        case POLKIT_YES_ONCE:
                return DECISION_YES_ONCE;
        case POLKIT_CHALLENGE:
                return DECISION_CHALLENGE;
        case POLKIT_ABSENT:
                /* The door of libvirt's sockets where there is no polkit. */
                return credentials_in_group(&client->credentials) ? DECISION_YES : DECISION_NO;
        case POLKIT_NO:
        case POLKIT_FAILED:
                break;
        }

        return DECISION_NO;
}

/* The answer to that very question, or NULL. */
static Answer *find_answer(const Client *client, const Pending *pending)
{
        Answer *answer = g_hash_table_lookup(client->answers, pending->key);

        return answer && answer->number == pending->number ? answer : NULL;
}

/* Whoever waits for it has it now; whether the next one has it, too, depends: a failure to ask is no answer
 * to the next question, nor is that somebody did not want to type. */
static void take_answer(Client *client, Answer *answer, PolkitAnswer said, const Pending *pending)
{
        g_autoptr(GPtrArray) waiters = g_steal_pointer(&answer->waiters);
        gboolean keep =
                said != POLKIT_FAILED && !answer->stale && (!pending->interactive || said == POLKIT_YES);

        answer->decision = decision_of(said, client);
        if (waiters)
                client_retry(client, waiters);
        if (!keep && find_answer(client, pending))
                g_hash_table_remove(client->answers, pending->key);
}

static void on_decided(PolkitAnswer said, void *data)
{
        Pending *pending = data;
        Authority *authority = pending->authority;
        Client *client = g_hash_table_lookup(authority->clients, pending->client);
        Answer *answer = client ? find_answer(client, pending) : NULL;

        if (client)
                count_questions(client, -1);
        if (answer && !authority->stopped)
                take_answer(client, answer, said, pending);

        pending_free(pending);
}

/* NULL when nobody can be asked. */
static Answer *ask_polkit(Client *client, const char *key, const Question *question, gboolean interactive)
{
        const PolkitQuestion asked = {
                .sender = client->name,
                .uid = client->credentials.uid,
                .action = question->access == ACCESS_MANAGE ? POLKIT_MANAGE : POLKIT_MONITOR,
                .connection = question->connection,
                .domain = question->domain,
                .uuid = question->uuid,
                .member = question->member,
        };
        Pending *pending = pending_new(client, key, interactive);
        Answer *answer = g_new0(Answer, 1);

        if (g_hash_table_size(client->answers) >= REMEMBERED)
                forget_answers(client);

        answer->decision = DECISION_ASKED;
        answer->number = pending->number;
        g_hash_table_insert(client->answers, g_strdup(key), answer);
        count_questions(client, 1);
        if (!polkit_check(client->authority->polkit, &asked, interactive, on_decided, pending))
                on_decided(POLKIT_FAILED, pending);

        return g_hash_table_lookup(client->answers, key);
}

/* All that polkit is told, for its rules may tell it apart, and no more: it has a bounded length. */
static char *make_key(const Question *question, gboolean interactive)
{
        return g_strdup_printf("%d%d %s %s %s %s", question->access, interactive, question->connection,
                               question->uuid, question->member, question->domain);
}

/* Whether there is room for one more question, be its request kept or not. */
static gboolean may_ask(const Client *client)
{
        const Authority *authority = client->authority;

        return client->asking < authority->limits->calls_per_sender &&
               client->share->asked < share_part(authority->limits->calls_total) &&
               authority->asking < authority->limits->calls_total;
}

static gboolean is_answered(const Client *client, const Question *question, gboolean interactive)
{
        g_autofree char *key = make_key(question, interactive);

        return g_hash_table_contains(client->answers, key);
}

static Decision decide(Client *client, const Question *question, gboolean interactive)
{
        g_autofree char *key = make_key(question, interactive);
        Answer *answer = g_hash_table_lookup(client->answers, key);
        Decision decision;

        if (!answer && !may_ask(client))
                return DECISION_FULL;
        if (!answer)
                answer = ask_polkit(client, key, question, interactive);
        if (!answer)
                return DECISION_NO;

        decision = answer->decision;
        if (decision == DECISION_YES_ONCE)
                g_hash_table_remove(client->answers, key);
        if (decision == DECISION_ASKED) {
                g_free(client->awaited);
                client->awaited = g_steal_pointer(&key);
        }
        return decision;
}

static AuthorityAnswer refuse(sd_bus_message *message, const Question *question, Decision decision,
                              GError **error)
{
        const char *action = question->access == ACCESS_MANAGE ? POLKIT_MANAGE : POLKIT_MONITOR;

        if (decision == DECISION_CHALLENGE)
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INTERACTIVE,
                            "%s takes the right %s, for which somebody has to authenticate: allow "
                            "interactive authorization",
                            sd_bus_message_get_member(message), action);
        else if (decision == DECISION_FULL)
                g_set_error_literal(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                                    "polkit has too many questions to answer already");
        else
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED,
                            "%s takes the right %s, which the caller does not have",
                            sd_bus_message_get_member(message), action);

        return AUTHORITY_NO;
}

static AuthorityAnswer ask_decisions(Client *client, sd_bus_message *message, const Question *question,
                                     GError **error)
{
        AuthorityAnswer yes = question->access == ACCESS_MANAGE ? AUTHORITY_YES : AUTHORITY_MONITOR;
        gboolean interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
        /* Somebody may have typed already, and meanwhile polkit said that everything has to be asked again.
         */
        gboolean typed = interactive && is_answered(client, question, TRUE);
        Decision decision = decide(client, question, typed);

        if (decision == DECISION_CHALLENGE && interactive && !typed)
                decision = decide(client, question, TRUE);

        switch (decision) {
        case DECISION_YES:
        case DECISION_YES_ONCE:
                return yes;
        case DECISION_ASKED:
                return AUTHORITY_LATER;
        case DECISION_NO:
        case DECISION_CHALLENGE:
        case DECISION_FULL:
                break;
        }

        return refuse(message, question, decision, error);
}

AuthorityAnswer authority_ask(Authority *authority, sd_bus_message *message, const Question *question,
                              GError **error)
{
        const char *sender = sd_bus_message_get_sender(message);
        Client *client = client_get(authority, sender ? sender : "");

        if (!client->known && !client->asked) {
                client->asked = TRUE;
                credentials_get(authority->bus, client->name, on_credentials, pending_new(client, "", FALSE));
        }

        /* A bus that cannot be asked has answered already, with nothing. */
        if (!client->known)
                return AUTHORITY_LATER;

        if (passes(client))
                return AUTHORITY_YES;

        /* Somebody whom the bus does not know any more. */
        if (client->credentials.uid == (uid_t)-1)
                return refuse(message, question, DECISION_NO, error);

        return ask_decisions(client, message, question, error);
}

const Credentials *authority_credentials(const Authority *authority, const char *sender)
{
        const Client *client = g_hash_table_lookup(authority->clients, sender);

        return client && client->known && client->credentials.uid != (uid_t)-1 ? &client->credentials : NULL;
}

Share *authority_share(const Authority *authority, const char *sender)
{
        const Client *client = g_hash_table_lookup(authority->clients, sender);

        return client ? client->share : NULL;
}

gboolean authority_is_ahead(const Authority *authority, sd_bus_message *message)
{
        const char *sender = sd_bus_message_get_sender(message);
        const Client *client = g_hash_table_lookup(authority->clients, sender ? sender : "");

        return client && backlog_has(client->backlog, sd_bus_message_get_path(message));
}

/* While others are ahead, it may be asked about: but nobody has to type for it yet. */
static void ask_ahead(Client *client, sd_bus_message *message)
{
        const Authority *authority = client->authority;
        Question question;

        if (client->known && !passes(client) &&
            authority->owner->question(message, &question, authority->data))
                decide(client, &question, FALSE);
}

/* The lane at @path is dispatched again when that is decided for which its first message has to wait. Who the
 * caller is concerns them all. */
static void add_waiter(const Client *client, const char *path)
{
        Answer *answer = client->known && client->awaited
                                 ? g_hash_table_lookup(client->answers, client->awaited)
                                 : NULL;

        if (!answer)
                return;

        if (!answer->waiters)
                answer->waiters = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(answer->waiters, g_strdup(path));
}

gboolean authority_keep(Authority *authority, sd_bus_message *message, GError **error)
{
        const char *sender = sd_bus_message_get_sender(message);
        const char *path = sd_bus_message_get_path(message);
        Client *client = client_get(authority, sender ? sender : "");
        gboolean behind = backlog_has(client->backlog, path);

        if (!backlog_add(client->backlog, message, error))
                return FALSE;

        if (behind)
                ask_ahead(client, message);
        else
                add_waiter(client, path);
        return TRUE;
}

static gboolean retry(sd_bus_message *message, void *data)
{
        const Client *client = data;
        const Authority *authority = client->authority;

        if (authority->owner->retry(message, authority->data))
                return TRUE;

        add_waiter(client, sd_bus_message_get_path(message));
        return FALSE;
}

/* Dispatches what may be decided now for the objects at those paths. */
static void client_retry(Client *client, const GPtrArray *paths)
{
        for (guint i = 0; i < paths->len; i++)
                backlog_retry(client->backlog, g_ptr_array_index(paths, i), retry, client);
}

void authority_forget(Authority *authority, const char *sender)
{
        if (g_hash_table_remove(authority->clients, sender))
                polkit_forget(authority->polkit, sender);
}
