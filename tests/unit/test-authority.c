/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The authority among a bus driver, a polkit and a user database that are the test's: they answer when it
 * says so, and callers leave, or are said to leave, at any moment. What is charged is given back, once. */

#include "access/authority.h"
#include "access/polkit.h"

#include "codec-bus.h"

#define PATHS 2

static Limits limits = {
        .calls_per_sender = 100, .calls_total = 400, .request_bytes = 1 << 10, .pending_bytes = 1 << 20};

/* A question that is open. */
typedef struct Open {
        CredentialsFunc *known; /* of the bus driver, or */
        PolkitFunc *decided;    /* of polkit, or */
        UserdbFunc *found;      /* of the user database */
        char *sender;
        uid_t uid;
        void *data;
} Open;

static GQueue drivers = G_QUEUE_INIT, polkits = G_QUEUE_INIT, users = G_QUEUE_INIT; /* of Open */
static void (*polkit_changed)(void *data);
static void *polkit_data;

static Peers *peers;
static Authority *authority;
static unsigned sent, passed, refused;
static uid_t asked_for; /* by the question that polkit answered last */

static Open *open_new(GQueue *queue, const char *sender, void *data)
{
        Open *one = g_new0(Open, 1);

        one->sender = g_strdup(sender);
        one->data = data;
        g_queue_push_tail(queue, one);
        return one;
}

static void open_free(Open *one)
{
        g_free(one->sender);
        g_free(one);
}

/* Instead of the service's own. */
void credentials_get(Bus *bus, const char *sender, CredentialsFunc *done, void *data)
{
        open_new(&drivers, sender, data)->known = done;
}

gboolean credentials_have_group(const Credentials *credentials, gid_t group)
{
        return TRUE;
}

UserDatabase *user_database_new(void)
{
        return (UserDatabase *)&users;
}

void user_database_ask(UserDatabase *user_database, uid_t uid, UserdbFunc *done, void *data)
{
        Open *one = open_new(&users, NULL, data);

        one->found = done;
        one->uid = uid;
}

/* There are few users, and those who are members are so while @member. */
static void answer_users(gboolean member)
{
        Open *one = g_queue_pop_head(&users);
        UserEntry entry;

        if (!one)
                return;

        entry = (UserEntry){.known = one->uid < 2000, .member = member};
        one->found(&entry, one->data);
        open_free(one);
}

void user_database_free(UserDatabase *user_database)
{
        while (users.length > 0)
                answer_users(FALSE);
}

Polkit *polkit_new(Bus *bus, void (*changed)(void *data), void *data)
{
        polkit_changed = changed;
        polkit_data = data;
        return NULL;
}

gboolean polkit_check(Polkit *polkit, const PolkitQuestion *question, gboolean interactive, PolkitFunc *done,
                      void *data)
{
        Open *one = open_new(&polkits, question->peer->name, data);

        one->decided = done;
        one->uid = user_shared(question->peer->user)->uid;
        return TRUE;
}

static void answer_driver(uid_t uid)
{
        const Credentials credentials = {.uid = uid};
        Open *one = g_queue_pop_head(&drivers);

        if (!one)
                return;

        one->known(uid == (uid_t)-1 ? NULL : &credentials, one->data);
        open_free(one);
}

static void answer_polkit(PolkitAnswer answer)
{
        Open *one = g_queue_pop_head(&polkits);

        if (!one)
                return;

        asked_for = one->uid;
        one->decided(answer, one->data);
        open_free(one);
}

/* Half of the questions end at once, as those that polkit was not asked yet. */
void polkit_forget(Polkit *polkit, const Peer *peer)
{
        for (GList *each = polkits.head, *next; each; each = next) {
                Open *one = each->data;

                next = each->next ? each->next->next : NULL;
                if (strcmp(one->sender, peer->name) != 0)
                        continue;

                g_queue_delete_link(&polkits, each);
                one->decided(POLKIT_FAILED, one->data);
                open_free(one);
        }
}

/* As the end of the bus. */
void polkit_free(Polkit *polkit)
{
        while (polkits.length > 0)
                answer_polkit(POLKIT_FAILED);
        while (drivers.length > 0)
                answer_driver((uid_t)-1);
}

static Question question_of(sd_bus_message *message)
{
        return (Question){ACCESS_MANAGE, "Test", "", "", sd_bus_message_get_member(message)};
}

/* FALSE when it has to wait. */
static gboolean try(Peer *peer, sd_bus_message *message, void *data)
{
        g_autoptr(GError) error = NULL;
        const Question question = question_of(message);

        switch (authority_ask(authority, peer, message, &question, &error)) {
        case AUTHORITY_YES:
        case AUTHORITY_MONITOR:
                passed++;
                return TRUE;
        case AUTHORITY_NO:
                g_assert_nonnull(error);
                refused++;
                return TRUE;
        case AUTHORITY_LATER:
                break;
        }

        return FALSE;
}

static void on_rules(void *data)
{
}

static const AuthorityOwner owner = {.retry = try, .changed = on_rules};

/* A request of that name about that object. FALSE where there is no room for it. */
static gboolean try_about(const char *sender, const char *object, const char *name)
{
        g_autoptr(sd_bus_message) message = NULL;
        Peer *peer = peers_get(peers, sender);
        Question question;

        sent++;
        g_assert_cmpint(sd_bus_message_new_method_call(test_bus, &message, "a.b", object, "a.b", name), >=,
                        0);
        g_assert_cmpint(sd_bus_message_set_sender(message, sender), >=, 0);
        message_finish(message);
        if (!lane_has_unread(peer, object) && try(peer, message, NULL))
                return TRUE;

        question = question_of(message);
        return authority_keep(authority, peer, message, &question, NULL);
}

/* The same about one of the paths, which takes a right of its own. */
static gboolean try_request(const char *sender, unsigned path)
{
        g_autofree char *object = g_strdup_printf("/a/%u", path % PATHS);
        g_autofree char *name = g_strdup_printf("M%u", path);

        return try_about(sender, object, name);
}

static void request(const char *sender, unsigned path)
{
        g_assert_true(try_request(sender, path));
}

static void set_up(void)
{
        test_bus_open();
        limits.decision_age = 0;
        sent = passed = refused = 0;
        peers = peers_new(&limits);
        authority = authority_new(NULL, peers, &owner, NULL);
}

static void check_nothing(void)
{
        for (QuotaKind kind = 0; kind < N_QUOTAS; kind++)
                g_assert_cmpuint(peers_charged(peers, kind), ==, 0);
}

/* It has left the bus, where it was there. */
static void leave(const char *name)
{
        Peer *peer = peers_find(peers, name);

        if (!peer)
                return;

        peer_ref(peer);
        peer_leave(peer);
        authority_forget(authority, peer);
        peer_unref(peer);
}

static guint64 asked_of(uid_t uid)
{
        g_autoptr(User) user = users_get(&peers->users, uid);

        return user_charged(user, QUOTA_ASKED);
}

/* All is answered: nothing is charged, and whoever is there now is served. */
static void check_end(void)
{
        while (drivers.length + polkits.length + users.length > 0) {
                answer_driver(1000);
                answer_polkit(POLKIT_YES);
                answer_users(TRUE);
        }
        check_nothing();
        g_assert_cmpuint(asked_of(1000), ==, 0);
        g_assert_cmpuint(passed + refused, <=, sent);

        passed = 0;
        request(":1.9", 7);
        answer_driver(1000);
        answer_polkit(POLKIT_YES);
        g_assert_cmpuint(passed, ==, 1);
}

static void tear_down(void)
{
        authority_free(authority);
        peers_free(peers);
        test_bus_close();
}

/* One step: what happens next in the world. */
static void step(char what)
{
        switch (what) {
        case 'd':
                answer_driver(1000);
                break;
        case 'D':
                answer_driver((uid_t)-1);
                break;
        case 'y':
                answer_polkit(POLKIT_YES);
                break;
        case 'n':
                answer_polkit(POLKIT_NO);
                break;
        case 'f':
                answer_polkit(POLKIT_FAILED);
                break;
        case 'a':
                answer_polkit(POLKIT_ABSENT);
                break;
        case 'u':
                answer_users(TRUE);
                break;
        case 'U':
                answer_users(FALSE);
                break;
        case 'c':
                polkit_changed(polkit_data);
                break;
        case 'l':
                leave(":1.1");
                break;
        case 'L':
                leave(":1.2");
                break;
        case '5' ... '9':
                request(":1.2", (unsigned)(what - '5'));
                break;
        default:
                request(":1.1", (unsigned)(what - '0'));
        }
}

static void run(const char *script)
{
        set_up();
        for (; *script; script++)
                step(*script);
        check_end();
        tear_down();
}

/* Everything that is asked, with a departure told before and after each step, and a second one, too: callers
 * that have left go on sending, where that was not true. */
static void test_departures(void)
{
        static const char script[] = "01d2u3nay5d0uyU6cy1f7ayuy";
        const size_t n = strlen(script);

        for (size_t first = 0; first <= n; first++)
                for (size_t second = first; second <= n; second++) {
                        g_autofree char *one =
                                g_strdup_printf("%.*sl%.*sl%s", (int)first, script, (int)(second - first),
                                                script + first, script + second);

                        run(one);
                }
}

/* The service ends with some of it open. */
static void test_the_end(void)
{
        static const char script[] = "01d2u3na5d0l6c1L7ay";

        for (size_t n = 0; n <= strlen(script); n++)
                for (unsigned stopped = 0; stopped < 2; stopped++) {
                        set_up();
                        for (size_t i = 0; i < n; i++)
                                step(script[i]);
                        if (stopped)
                                authority_stop(authority);
                        tear_down();
                }
}

static void test_any_order(void)
{
        static const char steps[] = "01234567dDynfaauuUclL01234567dynlL";

        for (unsigned i = 0; i < 2000; i++) {
                char script[41] = "";

                for (size_t n = 0; n < sizeof script - 1; n++)
                        script[n] = steps[g_test_rand_int_range(0, sizeof steps - 1)];
                run(script);
        }
}

/* A caller of that user that has one question at polkit. */
static void begin(const char *sender, uid_t uid)
{
        request(sender, 0);
        answer_driver(uid);
}

/* A path that is as long as paths may be takes as much memory as arguments do. */
static void test_long_paths(void)
{
        const unsigned narrow = limits.request_bytes;
        unsigned kept = 0;

        set_up();
        limits.request_bytes = 1 << 17;
        begin(":1.1", 1000);
        for (; kept < limits.calls_per_sender; kept++) {
                g_autofree char *path = g_strdup_printf("/%060000u", kept);

                if (!try_about(":1.1", path, "M"))
                        break;
        }
        g_assert_cmpuint(kept, ==, limits.pending_bytes / 4 / (2 * 60001));
        g_assert_cmpuint(peers_charged(peers, QUOTA_KEPT_BYTES), >=, kept * 2 * 60001);
        limits.request_bytes = narrow;
        check_end();
        tear_down();
}

/* The bus did not say who it is: what waited is refused, and the next call is a reason to ask again. */
static void test_unknown(void)
{
        set_up();
        for (unsigned i = 0; i < 2; i++) {
                request(":1.1", i);
                request(":1.1", i + PATHS);
                g_assert_cmpuint(drivers.length, ==, 1);
                answer_driver((uid_t)-1);
                g_assert_cmpuint(refused, ==, 2 * (i + 1));
                g_assert_cmpuint(drivers.length, ==, 0);
        }

        request(":1.1", 0);
        answer_driver(1000);
        g_assert_cmpuint(asked_of(1000), ==, 1);
        answer_polkit(POLKIT_YES);
        g_assert_cmpuint(passed, ==, 1);
        request(":1.1", 0);
        g_assert_cmpuint(passed, ==, 2);
        check_end();
        tear_down();
}

/* Call, "I am gone", call: the question that is open counts for its user until it is answered, once. */
static void test_forged(void)
{
        set_up();
        request(":1.1", 0);
        answer_driver(1000);
        g_assert_cmpuint(asked_of(1000), ==, 1);
        request(":1.1", 1);
        g_assert_cmpuint(asked_of(1000), ==, 2);
        leave(":1.1");
        g_assert_cmpuint(peers_charged(peers, QUOTA_KEPT), ==, 0);
        g_assert_cmpuint(asked_of(1000), ==, 1);
        request(":1.1", 2);
        answer_driver(1000);
        g_assert_cmpuint(asked_of(1000), ==, 2);
        answer_polkit(POLKIT_YES);
        g_assert_cmpuint(passed, ==, 0);
        g_assert_cmpuint(asked_of(1000), ==, 1);
        answer_polkit(POLKIT_YES);
        g_assert_cmpuint(passed, ==, 1);
        check_end();
        tear_down();
}

/* Two questions about the same: the second is asked when the first answer is old, and what was sent meanwhile
 * waits its turn. */
static void test_old_decisions(void)
{
        set_up();
        limits.decision_age = 1;
        begin(":1.1", 1000);
        answer_polkit(POLKIT_YES);
        g_assert_cmpuint(passed, ==, 1);
        while (polkits.length == 0) {
                g_usleep(10000);
                request(":1.1", 0);
        }
        passed = 0;
        /* To the same object; the second of these would be allowed at once. */
        request(":1.1", 2);
        request(":1.1", 0);
        g_assert_cmpuint(passed, ==, 0);
        g_assert_cmpuint(peers_charged(peers, QUOTA_KEPT), ==, 3);
        answer_polkit(POLKIT_NO);
        g_assert_cmpuint(refused, ==, 1);
        g_assert_cmpuint(passed, ==, 0);
        answer_polkit(POLKIT_YES);
        g_assert_cmpuint(passed, ==, 1);
        g_assert_cmpuint(refused, ==, 2);
        check_end();
        tear_down();
}

/* Where polkit is not, the user database of that moment decides. */
static void test_without_polkit(void)
{
        set_up();
        limits.decision_age = 1;
        begin(":1.1", 1000);
        answer_users(TRUE); /* for the user */
        answer_polkit(POLKIT_ABSENT);
        g_assert_cmpuint(passed + refused, ==, 0);
        answer_users(TRUE);
        g_assert_cmpuint(passed, ==, 1);
        while (polkits.length == 0) {
                g_usleep(10000);
                request(":1.1", 0);
        }
        answer_polkit(POLKIT_ABSENT);
        g_assert_cmpuint(refused, ==, 0);
        answer_users(FALSE);
        g_assert_cmpuint(refused, ==, 1);
        /* One has come meanwhile, and may say no. */
        request(":1.2", 0);
        answer_driver(1000);
        answer_polkit(POLKIT_ABSENT);
        polkit_changed(polkit_data);
        answer_users(TRUE);
        g_assert_cmpuint(refused, ==, 2);
        check_end();
        tear_down();
}

/* Users that the system does not know have one part, and take one turn at polkit; until it has said that it
 * knows one, that one is among them. */
static void test_strangers(void)
{
        set_up();
        begin(":1.1", 2000);
        begin(":1.2", 2001);
        begin(":1.3", 1000);
        for (uid_t uid = 2000; uid <= 2001; uid++)
                g_assert_cmpuint(asked_of(uid), ==, 3);
        for (unsigned i = 0; i < 3; i++)
                answer_users(TRUE);
        for (uid_t uid = 2000; uid <= 2001; uid++)
                g_assert_cmpuint(asked_of(uid), ==, 2);
        g_assert_cmpuint(asked_of(1000), ==, 1);
        request(":1.3", 1);
        g_assert_cmpuint(asked_of(1000), ==, 2);
        request(":1.1", 1);
        g_assert_cmpuint(asked_of(2001), ==, 3);
        for (unsigned i = 0; i < 2; i++) {
                answer_polkit(POLKIT_YES);
                g_assert_cmpuint(asked_for, ==, (uid_t)-1);
        }
        while (polkits.length > 0)
                answer_polkit(POLKIT_YES);
        check_end();
        tear_down();
}

/* 4 users, of whom the system knows none, have together what one has. */
static void test_strangers_have_one_part(void)
{
        static const char *const senders[] = {":1.1", ":1.2", ":1.3", ":1.4"};
        unsigned part = user_part(limits.calls_total);

        set_up();
        for (unsigned i = 0; i < 4; i++) {
                begin(senders[i], 2000 + i);
                answer_users(TRUE);
        }
        /* Each of another right, so that it is asked about. */
        for (unsigned i = 4; i < part; i++)
                request(senders[i % 4], 2 + i * 2);
        g_assert_cmpuint(peers_charged(peers, QUOTA_ASKED), ==, part);
        for (unsigned i = 0; i < 4; i++)
                g_assert_false(try_request(senders[i], 1000 + i * 2));
        check_end();
        tear_down();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/authority/long-paths", test_long_paths);
        g_test_add_func("/authority/unknown", test_unknown);
        g_test_add_func("/authority/forged", test_forged);
        g_test_add_func("/authority/departures", test_departures);
        g_test_add_func("/authority/any-order", test_any_order);
        g_test_add_func("/authority/the-end", test_the_end);
        g_test_add_func("/authority/old-decisions", test_old_decisions);
        g_test_add_func("/authority/without-polkit", test_without_polkit);
        g_test_add_func("/authority/strangers", test_strangers);
        g_test_add_func("/authority/strangers-have-one-part", test_strangers_have_one_part);
        return g_test_run();
}
