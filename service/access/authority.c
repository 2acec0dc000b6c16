/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What polkit said of peers, what it is being asked, and the requests that wait for that.
 *
 * A decision is kept until its peer leaves or polkit says that something changed; what a person has typed a
 * password for counts once, unless polkit itself remembers it. But polkit does not say that a user has left a
 * group. So a decision to manage is asked for again when it is old, and without polkit one to monitor as
 * well: there the group is all that decides.
 *
 * Requests of one peer to one object keep their order: while one waits, those behind it wait as well, and are
 * asked about meanwhile. */

#include "access/authority.h"

#include "access/polkit.h"
#include "access/user_database.h"
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

typedef struct KeptDecision {
        Decision decision;
        gint64 good_until; /* on the monotonic clock, us; once it is decided */
        guint64 number;    /* of the question */
        gboolean stale;    /* polkit changed since it was asked */
} KeptDecision;

struct Authority {
        Bus *bus;
        Peers *peers;
        const AuthorityOwner *owner;
        void *data;
        Polkit *polkit;
        guint64 questions;
        gboolean stopped;
};

/* What was asked, until the answer is here. */
typedef struct OpenQuestion {
        Peer *peer; /* which holds the quota that the question is charged to, gone or not */
        char *key;
        guint64 number;
        Access access;
        gboolean interactive;
} OpenQuestion;

static KeptDecision *find_answer(const Peer *peer, const char *key)
{
        return peer->answers ? g_hash_table_lookup(peer->answers, key) : NULL;
}

/* Adds one that is being asked for. */
static void add_answer(Peer *peer, const char *key, guint64 number)
{
        KeptDecision *answer = g_new0(KeptDecision, 1);

        if (!peer->answers)
                peer->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        answer->decision = DECISION_ASKED;
        answer->number = number;
        g_hash_table_insert(peer->answers, g_strdup(key), answer);
}

/* Nothing that was said of it counts any more, nor what is about to be said. */
static void forget_answers(Peer *peer)
{
        GHashTableIter iter;
        gpointer value;

        if (!peer->answers)
                return;

        g_hash_table_iter_init(&iter, peer->answers);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                KeptDecision *answer = value;

                if (answer->decision == DECISION_ASKED)
                        answer->stale = TRUE;
                else
                        g_hash_table_iter_remove(&iter);
        }
}

static OpenQuestion *pending_new(Peer *peer, const char *key, Access access, gboolean interactive)
{
        OpenQuestion *pending = g_new0(OpenQuestion, 1);

        pending->peer = peer_ref(peer);
        pending->key = g_strdup(key);
        pending->number = ++peer->peers->authority->questions;
        pending->access = access;
        pending->interactive = interactive;
        quota_charge(&peer->quota, QUOTA_ASKED, 1);
        return pending;
}

static void pending_free(OpenQuestion *pending)
{
        peer_unref(pending->peer);
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

/* The first message of @lane has to wait, which was asked about last. Whose peer it is concerns all of its
 * messages, and is question 0. */
static void await(Lane *lane)
{
        lane->awaited = lane->peer->known ? lane->peer->awaited : 0;
}

/* Dispatches what may be decided now that this question is answered. */
static void retry_lanes(Peer *peer, guint64 question)
{
        const Authority *authority = peer->peers->authority;
        g_autoptr(GList) lanes = lanes_unread(peer);

        for (GList *each = lanes; each; each = each->next) {
                Lane *lane = each->data;

                if (lane->awaited == question && !lane_retry(lane, authority->owner->retry, authority->data))
                        await(lane);
        }
}

/* The answer to that very question, or NULL. */
static KeptDecision *pending_answer(const OpenQuestion *pending)
{
        KeptDecision *answer = find_answer(pending->peer, pending->key);

        return answer && answer->number == pending->number ? answer : NULL;
}

static gint64 good_until(const OpenQuestion *pending, PolkitAnswer said)
{
        unsigned age = pending->peer->peers->limits->decision_age;

        if (age == 0 || (pending->access != ACCESS_MANAGE && said != POLKIT_ABSENT))
                return G_MAXINT64;

        return g_get_monotonic_time() + age * G_TIME_SPAN_SECOND;
}

/* What waits for it has it now. Whether the next request has it, too, depends: a failure to ask is no answer
 * to the next question, nor is that a person did not want to type. */
static void take_answer(KeptDecision *answer, PolkitAnswer said, Decision decision,
                        const OpenQuestion *pending)
{
        Peer *peer = pending->peer;
        gboolean keep =
                said != POLKIT_FAILED && !answer->stale && (!pending->interactive || said == POLKIT_YES);

        answer->decision = decision;
        answer->good_until = good_until(pending, said);
        retry_lanes(peer, pending->number);
        if (!keep && pending_answer(pending))
                g_hash_table_remove(peer->answers, pending->key);
}

/* The answer that is still wanted, or NULL. */
static KeptDecision *wanted_answer(const OpenQuestion *pending)
{
        const Peer *peer = pending->peer;

        return peer->gone || peer->peers->authority->stopped ? NULL : pending_answer(pending);
}

static void finish(OpenQuestion *pending, PolkitAnswer said, Decision decision)
{
        KeptDecision *answer = wanted_answer(pending);

        /* First: those that wait for it may have to ask another question. */
        quota_discharge(&pending->peer->quota, QUOTA_ASKED, 1);
        if (answer)
                take_answer(answer, said, decision, pending);

        pending_free(pending);
}

/* The door of libvirt's sockets where there is no polkit: the group. The connection began with it, and the
 * user is in it now. */
static void on_user(const UserEntry *entry, void *data)
{
        OpenQuestion *pending = data;
        const KeptDecision *answer = wanted_answer(pending);
        gboolean in_group =
                entry->member && credentials_have_group(&pending->peer->credentials, entry->group);

        /* There is a polkit after all, which may say no. */
        if (answer && answer->stale)
                in_group = FALSE;
        finish(pending, POLKIT_ABSENT, in_group ? DECISION_YES : DECISION_NO);
}

static void on_decided(PolkitAnswer said, void *data)
{
        OpenQuestion *pending = data;
        const Peer *peer = pending->peer;

        if (said == POLKIT_ABSENT && wanted_answer(pending))
                user_database_ask(peer->peers->user_database, peer->credentials.uid, on_user, pending);
        else
                finish(pending, said, decision_of(said));
}

/* NULL when polkit cannot be asked. */
static KeptDecision *ask_polkit(Peer *peer, const char *key, const Question *question, gboolean interactive)
{
        const PolkitQuestion asked = {
                .peer = peer,
                .action = question->access == ACCESS_MANAGE ? POLKIT_MANAGE : POLKIT_MONITOR,
                .connection = question->connection,
                .domain = question->domain,
                .uuid = question->uuid,
                .member = question->member,
        };
        OpenQuestion *pending = pending_new(peer, key, question->access, interactive);

        if (peer->answers && g_hash_table_size(peer->answers) >= REMEMBERED)
                forget_answers(peer);

        add_answer(peer, key, pending->number);
        if (!polkit_check(peer->peers->authority->polkit, &asked, interactive, on_decided, pending))
                on_decided(POLKIT_FAILED, pending);

        return find_answer(peer, key);
}

/* All that polkit is told, for its rules may tell it apart, and no more: it has a bounded length. */
static char *make_key(const Question *question, gboolean interactive)
{
        const char right[] = {(char)('0' + question->access), interactive ? 'i' : '-', '\0'};

        return g_strjoin(" ", right, question->connection, question->uuid, question->member, question->domain,
                         NULL);
}

/* Whether there is room for one more question, be its request kept or not. */
static gboolean may_ask(const Peer *peer)
{
        const Limits *limits = peer->peers->limits;

        return peer->quota.charged[QUOTA_ASKED] < limits->calls_per_sender &&
               user_charged(peer->user, QUOTA_ASKED) < user_part(limits->calls_total) &&
               peers_charged(peer->peers, QUOTA_ASKED) < limits->calls_total;
}

/* The answer, decided or not; NULL when there is none, or it is so old that it is asked for again. Nothing
 * waits for one that is decided. */
static KeptDecision *recent_answer(const Peer *peer, const char *key)
{
        KeptDecision *answer = find_answer(peer, key);

        if (!answer || answer->decision == DECISION_ASKED || g_get_monotonic_time() < answer->good_until)
                return answer;

        g_hash_table_remove(peer->answers, key);
        return NULL;
}

static gboolean is_answered(const Peer *peer, const Question *question, gboolean interactive)
{
        g_autofree char *key = make_key(question, interactive);

        return recent_answer(peer, key) != NULL;
}

static Decision decide(Peer *peer, const Question *question, gboolean interactive)
{
        g_autofree char *key = make_key(question, interactive);
        KeptDecision *answer = recent_answer(peer, key);
        Decision decision;

        if (!answer && !may_ask(peer))
                return DECISION_FULL;
        if (!answer)
                answer = ask_polkit(peer, key, question, interactive);
        if (!answer)
                return DECISION_NO;

        decision = answer->decision;
        if (decision == DECISION_YES_ONCE)
                g_hash_table_remove(peer->answers, key);
        if (decision == DECISION_ASKED)
                peer->awaited = answer->number;
        return decision;
}

/* @interactive: the caller has let polkit ask a person. */
static AuthorityAnswer refuse(sd_bus_message *message, const Question *question, Decision decision,
                              gboolean interactive, GError **error)
{
        const char *action = question->access == ACCESS_MANAGE ? POLKIT_MANAGE : POLKIT_MONITOR;

        if (decision == DECISION_CHALLENGE)
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INTERACTIVE,
                            "%s takes the right %s, for which a person has to authenticate: %s",
                            sd_bus_message_get_member(message), action,
                            interactive ? "no authentication agent answers for the caller"
                                        : "allow interactive authorization");
        else if (decision == DECISION_FULL)
                g_set_error_literal(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                                    "polkit has too many questions to answer already");
        else
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED,
                            "%s takes the right %s, which the caller does not have",
                            sd_bus_message_get_member(message), action);

        return AUTHORITY_NO;
}

/* The bus did not tell whose it is. */
static gboolean is_unknown(const Peer *peer)
{
        return peer->credentials.uid == (uid_t)-1;
}

/* Asks polkit, or remembers what it said, of a peer that is known. */
static AuthorityAnswer ask_about(Peer *peer, sd_bus_message *message, const Question *question,
                                 GError **error)
{
        AuthorityAnswer yes = question->access == ACCESS_MANAGE ? AUTHORITY_YES : AUTHORITY_MONITOR;
        gboolean interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
        /* A person may have typed, while polkit said that everything has to be asked again. */
        gboolean typed = interactive && is_answered(peer, question, TRUE);
        Decision decision = is_unknown(peer) ? DECISION_NO : decide(peer, question, typed);

        if (decision == DECISION_CHALLENGE && interactive && !typed)
                decision = decide(peer, question, TRUE);

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

        return refuse(message, question, decision, interactive, error);
}

/* polkit has other rules, or forgot a password. */
static void on_polkit_changed(void *data)
{
        Authority *authority = data;
        GHashTableIter iter;
        gpointer peer;

        g_hash_table_iter_init(&iter, authority->peers->by_name);
        while (g_hash_table_iter_next(&iter, NULL, &peer))
                forget_answers(peer);
        authority->owner->changed(authority->data);
}

Authority *authority_new(Bus *bus, Peers *peers, const AuthorityOwner *owner, void *data)
{
        Authority *authority = g_new0(Authority, 1);

        ASSERT_MAIN();
        authority->bus = bus;
        authority->peers = peers;
        authority->owner = owner;
        authority->data = data;
        authority->polkit = polkit_new(bus, on_polkit_changed, authority);
        peers->authority = authority;
        return authority;
}

void authority_stop(Authority *authority)
{
        GHashTableIter iter;
        gpointer peer;

        ASSERT_MAIN();
        authority->stopped = TRUE;
        g_hash_table_iter_init(&iter, authority->peers->by_name);
        while (g_hash_table_iter_next(&iter, NULL, &peer))
                lanes_refuse(peer, "the service is stopping");
}

void authority_free(Authority *authority)
{
        ASSERT_MAIN();
        if (!authority)
                return;

        /* Open questions, and the peers that they hold, end with the bus, which goes with the last message.
         */
        peers_close(authority->peers);
        polkit_free(authority->polkit);
        g_free(authority);
}

static void on_credentials(const Credentials *credentials, void *data)
{
        Peer *peer = data;

        if (!peer->gone && !peer->peers->authority->stopped) {
                peer_identify(peer, credentials);
                retry_lanes(peer, 0);
                /* What waited is refused where the bus did not say. The next call is another reason to ask.
                 */
                peer->asked = credentials != NULL;
        }

        peer_unref(peer);
}

static void ask_who_it_is(Authority *authority, Peer *peer)
{
        peer->asked = TRUE;
        peer->known = FALSE;
        credentials_get(authority->bus, peer->name, on_credentials, peer_ref(peer));
}

AuthorityAnswer authority_ask(Authority *authority, Peer *peer, sd_bus_message *message,
                              const Question *question, GError **error)
{
        ASSERT_MAIN();
        if (!peer->asked)
                ask_who_it_is(authority, peer);

        /* A bus that cannot be asked has answered already, with nothing. */
        if (!peer->known)
                return AUTHORITY_LATER;

        return peer_is_trusted(peer) ? AUTHORITY_YES : ask_about(peer, message, question, error);
}

gboolean authority_keep(Authority *authority, Peer *peer, sd_bus_message *message, const Question *question,
                        GError **error)
{
        Lane *lane = lane_keep(peer, message, error);

        ASSERT_MAIN();
        if (!lane)
                return FALSE;

        if (lane->unread.length == 1)
                await(lane);
        else if (question && peer->known && !peer_is_trusted(peer))
                /* While others are ahead, polkit may be asked about it, but no person has to type for it yet.
                 */
                decide(peer, question, FALSE);
        return TRUE;
}

void authority_forget(Authority *authority, const Peer *peer)
{
        ASSERT_MAIN();
        polkit_forget(authority->polkit, peer);
}
