/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What polkit said of callers, and what it is being asked.
 *
 * A decision is kept until its caller leaves or polkit says that something changed; what somebody has typed a
 * password for counts once, unless polkit itself remembers it. But polkit does not say that a user has left a
 * group. So a decision to manage is asked for again when it is old, and without polkit one to monitor as
 * well: there the group is all that decides. */

#include "access/authority_private.h"

#include "base/error.h"
#include "base/thread.h"

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
        gint64 good_until;  /* on the monotonic clock, us; once it is decided */
        guint64 number;     /* of the question */
        gboolean stale;     /* polkit changed since it was asked */
        GPtrArray *waiters; /* paths of the lanes whose first message waits for it, or NULL */
} Answer;

/* What was asked, until the answer is here. */
typedef struct Pending {
        Client *client; /* which holds the account that the question is charged to, gone or not */
        char *key;
        guint64 number;
        Access access;
        gboolean interactive;
} Pending;

static void answer_free(void *data)
{
        Answer *answer = data;

        g_clear_pointer(&answer->waiters, g_ptr_array_unref);
        g_free(answer);
}

GHashTable *decisions_new(void)
{
        ASSERT_MAIN();
        return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, answer_free);
}

void decisions_forget(Client *client)
{
        GHashTableIter iter;
        gpointer value;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, client->answers);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Answer *answer = value;

                if (answer->decision == DECISION_ASKED)
                        answer->stale = TRUE;
                else
                        g_hash_table_iter_remove(&iter);
        }
}

static Pending *pending_new(Client *client, const char *key, Access access, gboolean interactive)
{
        Pending *pending = g_new0(Pending, 1);

        pending->client = client_ref(client);
        pending->key = g_strdup(key);
        pending->number = ++client->authority->questions;
        pending->access = access;
        pending->interactive = interactive;
        account_charge(&client->account, QUOTA_ASKED, 1);
        account_charge(&client->authority->total, QUOTA_ASKED, 1);
        return pending;
}

static void pending_discharge(const Pending *pending)
{
        account_discharge(&pending->client->account, QUOTA_ASKED, 1);
        account_discharge(&pending->client->authority->total, QUOTA_ASKED, 1);
}

static void pending_free(Pending *pending)
{
        client_unref(pending->client);
        g_free(pending->key);
        g_free(pending);
}

static Decision decision_of(PolkitAnswer answer)
{
        switch (answer) {
        case POLKIT_YES:
                return DECISION_YES;
        case POLKIT_YES_ONCE:
                return DECISION_YES_ONCE;
        case POLKIT_CHALLENGE:
                return DECISION_CHALLENGE;
        case POLKIT_NO:
        case POLKIT_ABSENT:
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

static gint64 good_until(const Pending *pending, PolkitAnswer said)
{
        unsigned age = pending->client->authority->limits->decision_age;

        if (age == 0 || (pending->access != ACCESS_MANAGE && said != POLKIT_ABSENT))
                return G_MAXINT64;

        return g_get_monotonic_time() + age * G_TIME_SPAN_SECOND;
}

/* Whoever waits for it has it now; whether the next one has it, too, depends: a failure to ask is no answer
 * to the next question, nor is that somebody did not want to type. */
static void take_answer(Answer *answer, PolkitAnswer said, Decision decision, const Pending *pending)
{
        g_autoptr(GPtrArray) waiters = g_steal_pointer(&answer->waiters);
        Client *client = pending->client;
        gboolean keep =
                said != POLKIT_FAILED && !answer->stale && (!pending->interactive || said == POLKIT_YES);

        answer->decision = decision;
        answer->good_until = good_until(pending, said);
        if (waiters)
                client_retry(client, waiters);
        if (!keep && find_answer(client, pending))
                g_hash_table_remove(client->answers, pending->key);
}

/* The answer that is still wanted, or NULL. */
static Answer *wanted_answer(const Pending *pending)
{
        const Client *client = pending->client;

        return client->gone || client->authority->stopped ? NULL : find_answer(client, pending);
}

static void finish(Pending *pending, PolkitAnswer said, Decision decision)
{
        Answer *answer = wanted_answer(pending);

        /* First: those that wait for it may have to ask another question. */
        pending_discharge(pending);
        if (answer)
                take_answer(answer, said, decision, pending);

        pending_free(pending);
}

/* The door of libvirt's sockets where there is no polkit: the group. The connection began with it, and the
 * user is in it now. */
static void on_user(const UserEntry *entry, void *data)
{
        Pending *pending = data;
        const Answer *answer = wanted_answer(pending);
        gboolean in_group =
                entry->member && credentials_have_group(&pending->client->credentials, entry->group);

        /* There is a polkit after all, which may say no. */
        if (answer && answer->stale)
                in_group = FALSE;
        finish(pending, POLKIT_ABSENT, in_group ? DECISION_YES : DECISION_NO);
}

static void on_decided(PolkitAnswer said, void *data)
{
        Pending *pending = data;
        const Client *client = pending->client;

        if (said == POLKIT_ABSENT && wanted_answer(pending))
                user_database_ask(client->authority->user_database, client->credentials.uid, on_user,
                                  pending);
        else
                finish(pending, said, decision_of(said));
}

/* NULL when nobody can be asked. */
static Answer *ask_polkit(Client *client, const char *key, const Question *question, gboolean interactive)
{
        const PolkitQuestion asked = {
                .sender = client->name,
                .uid = share_user(client->share),
                .action = question->access == ACCESS_MANAGE ? POLKIT_MANAGE : POLKIT_MONITOR,
                .connection = question->connection,
                .domain = question->domain,
                .uuid = question->uuid,
                .member = question->member,
        };
        Pending *pending = pending_new(client, key, question->access, interactive);
        Answer *answer = g_new0(Answer, 1);

        if (g_hash_table_size(client->answers) >= REMEMBERED)
                decisions_forget(client);

        answer->decision = DECISION_ASKED;
        answer->number = pending->number;
        g_hash_table_insert(client->answers, g_strdup(key), answer);
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

        return client->account.charged[QUOTA_ASKED] < authority->limits->calls_per_sender &&
               share_charged(client->share, QUOTA_ASKED) < share_part(authority->limits->calls_total) &&
               authority->total.charged[QUOTA_ASKED] < authority->limits->calls_total;
}

/* The answer, decided or not; NULL when there is none, or it is so old that it is asked for again. Nothing
 * waits for one that is decided. */
static Answer *recent_answer(const Client *client, const char *key)
{
        Answer *answer = g_hash_table_lookup(client->answers, key);

        if (!answer || answer->decision == DECISION_ASKED || g_get_monotonic_time() < answer->good_until)
                return answer;

        g_hash_table_remove(client->answers, key);
        return NULL;
}

static gboolean is_answered(const Client *client, const Question *question, gboolean interactive)
{
        g_autofree char *key = make_key(question, interactive);

        return recent_answer(client, key) != NULL;
}

static Decision decide(Client *client, const Question *question, gboolean interactive)
{
        g_autofree char *key = make_key(question, interactive);
        Answer *answer = recent_answer(client, key);
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

/* Somebody whom the bus does not know any more. */
static gboolean is_unknown(const Client *client)
{
        return client->credentials.uid == (uid_t)-1;
}

AuthorityAnswer decisions_ask(Client *client, sd_bus_message *message, const Question *question,
                              GError **error)
{
        AuthorityAnswer yes = question->access == ACCESS_MANAGE ? AUTHORITY_YES : AUTHORITY_MONITOR;
        gboolean interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
        /* Somebody may have typed, while polkit said that everything has to be asked again. */
        gboolean typed = interactive && is_answered(client, question, TRUE);
        Decision decision = is_unknown(client) ? DECISION_NO : decide(client, question, typed);

        ASSERT_MAIN();
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

void decisions_ask_ahead(Client *client, const Question *question)
{
        ASSERT_MAIN();
        decide(client, question, FALSE);
}

void decisions_add_waiter(const Client *client, const char *path)
{
        Answer *answer = client->known && client->awaited
                                 ? g_hash_table_lookup(client->answers, client->awaited)
                                 : NULL;

        ASSERT_MAIN();
        if (!answer)
                return;

        if (!answer->waiters)
                answer->waiters = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(answer->waiters, g_strdup(path));
}
