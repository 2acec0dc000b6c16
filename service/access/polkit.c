/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.PolicyKit1.Authority, without its library: three calls and a signal.
 *
 * The signal and the answers are believed only from the connection that owns polkit's name, as the bus driver
 * tells it: sd-bus takes any unique name for the sender that a match rule names, and any reply with the right
 * number for that to its question.
 *
 * The bus allows a connection 128 open calls and refuses more, which would refuse callers that polkit knows
 * nothing bad of. So questions take turns, by user: a user that asks a lot, or never types the password,
 * holds up no other. */

#include "access/polkit.h"

#include "base/thread.h"
#include "bus/autoptr.h"

#include <string.h>

#define NAME      "org.freedesktop.PolicyKit1"
#define PATH      "/org/freedesktop/PolicyKit1/Authority"
#define INTERFACE "org.freedesktop.PolicyKit1.Authority"

/* CheckAuthorizationFlags */
#define ALLOW_USER_INTERACTION 1

/* Questions that are with polkit at one time: in all, and of one user. It answers them one after the other,
 * so more would only make others wait. The two totals stay below the bus's 128. */
#define OPEN_TOTAL    64
#define OPEN_PER_USER 8
/* The same of those for which a person may have to type: one dialogue is open for minutes. */
#define TYPING_TOTAL    48
#define TYPING_PER_USER 4

/* polkit reads rules, asks other services, and may have to wait for a processor; but when it answers no
 * question for this long, it hangs. Callers' libraries give up after 25 s: the refusal, which says why, comes
 * before that. */
#define TIMEOUT_US (20 * G_TIME_SPAN_SECOND)
/* Then it is not asked for a moment: a long row of calls is not to wait that long for each. */
#define PAUSE_US (1 * G_TIME_SPAN_SECOND)
/* A person looks for a password. */
#define TIMEOUT_INTERACTIVE_US (5 * G_TIME_SPAN_MINUTE)

/* Questions of one sort take turns among themselves. */
typedef struct Sort {
        const unsigned total, per_user;
        const gint64 timeout;
        const gboolean interactive;
        unsigned open;
        GQueue turns; /* of User: those that have one waiting and may have one more open */
} Sort;

struct Polkit {
        Bus *bus;
        void (*changed)(void *data);
        void *data;
        sd_bus_slot *slots[2];
        sd_bus_slot *owner_asked; /* while the driver is asked for the owner, or NULL */
        char *owner;              /* the unique name of polkit itself; NULL while there is none */
        Sort sorts[2];            /* by whether they are interactive */
        GHashTable *checks;       /* all of them: a set */
        guint64 cancel_next;      /* makes names by which polkit knows questions */
        gboolean seen; /* it was there once: when it is away now, it did not go because it was never there */
        gboolean complained; /* that it does not decide */
        gint64 answered_at;  /* when it last answered a question */
        gint64 paused_until; /* because it hangs */
};

typedef struct Check {
        Polkit *polkit;
        PolkitFunc *done;
        void *data;
        Sort *sort;
        const Peer *peer; /* that it is about; there until @done is called */
        User *user;       /* whose turn it takes */
        char *cancel;     /* "" when there is nothing to cancel */
        char *asked;      /* polkit's owner when it was sent, or NULL */
        gint64 asked_at;
        sd_bus_message *request; /* while it waits */
} Check;

/* It may have other rules now. */
static void rules_changed(Polkit *polkit)
{
        polkit->paused_until = 0;
        polkit->changed(polkit->data);
}

/* @name is a unique name, or "" for none. Another polkit may have other rules. */
static void set_owner(Polkit *polkit, const char *name)
{
        if (g_strcmp0(polkit->owner, *name ? name : NULL) == 0)
                return;

        g_free(polkit->owner);
        polkit->owner = *name ? g_strdup(name) : NULL;
        polkit->seen = TRUE;
        rules_changed(polkit);
}

static int on_owner(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Polkit *polkit = userdata;
        const char *name;

        polkit->owner_asked = sd_bus_slot_unref(polkit->owner_asked);
        if (!bus_is_driver(reply))
                return 1;

        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                set_owner(polkit, "");
        else if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "s", &name) > 0)
                set_owner(polkit, name);

        return 1;
}

/* At the start, and where something looks as if a new owner was not heard of: a dbus-daemon drops signals for
 * a receiver that is far behind. */
static void ask_owner(Polkit *polkit)
{
        if (!polkit->owner_asked)
                sd_bus_call_method_async(bus_handle(polkit->bus), &polkit->owner_asked,
                                         "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", "GetNameOwner", on_owner, polkit, "s", NAME);
}

static int on_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        const char *name, *before, *after;

        if (bus_is_driver(message) && sd_bus_message_read(message, "sss", &name, &before, &after) >= 0 &&
            strcmp(name, NAME) == 0)
                set_owner(userdata, after);

        return 0;
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Polkit *polkit = userdata;

        /* polkit tells all that listen. */
        if (sd_bus_message_get_destination(message))
                return 0;

        if (g_strcmp0(bus_sender(message), polkit->owner) == 0)
                rules_changed(polkit);
        else
                ask_owner(polkit);

        return 0;
}

Polkit *polkit_new(Bus *bus, void (*changed)(void *data), void *data)
{
        const Sort quick = {.total = OPEN_TOTAL, .per_user = OPEN_PER_USER, .timeout = TIMEOUT_US};
        const Sort typing = {.total = TYPING_TOTAL,
                             .per_user = TYPING_PER_USER,
                             .timeout = TIMEOUT_INTERACTIVE_US,
                             .interactive = TRUE};
        Polkit *polkit = g_new0(Polkit, 1);

        ASSERT_MAIN();
        polkit->bus = bus;
        polkit->changed = changed;
        polkit->data = data;
        memcpy(&polkit->sorts[FALSE], &quick, sizeof quick);
        memcpy(&polkit->sorts[TRUE], &typing, sizeof typing);
        polkit->checks = g_hash_table_new(NULL, NULL);

        sd_bus_match_signal_async(bus_handle(bus), &polkit->slots[0], NAME, PATH, INTERFACE, "Changed",
                                  on_changed, NULL, polkit);
        sd_bus_add_match_async(bus_handle(bus), &polkit->slots[1],
                               "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                               "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" NAME "'",
                               on_owner_changed, NULL, polkit);
        ask_owner(polkit);
        return polkit;
}

static void start_turns(Polkit *polkit, Sort *sort);

/* Tells the answer. @check has left the queues. */
static void check_finish(Check *check, PolkitAnswer answer)
{
        g_hash_table_remove(check->polkit->checks, check);
        check->done(answer, check->data);
        sd_bus_message_unref(check->request);
        user_unref(check->user);
        g_free(check->cancel);
        g_free(check->asked);
        g_free(check);
}

/* What that user has asked of the sort. */
static UserQuestions *questions_of(User *user, const Sort *sort)
{
        return &user->questions[sort->interactive];
}

static void user_settle(User *user, Sort *sort)
{
        UserQuestions *questions = questions_of(user, sort);
        gboolean has_turn = questions->waiting.length > 0 && questions->open < sort->per_user;

        if (has_turn && !questions->in_turns)
                g_queue_push_tail(&sort->turns, user);
        else if (!has_turn && questions->in_turns)
                g_queue_remove(&sort->turns, user);
        questions->in_turns = has_turn;
}

/* It is not asked any more. */
static void check_withdraw(Check *check)
{
        g_queue_remove(&questions_of(check->user, check->sort)->waiting, check);
        user_settle(check->user, check->sort);
        check_finish(check, POLKIT_FAILED);
}

/* The check holds its user, whose questions are counted until the last of them is closed. */
static void check_uncount(Check *check)
{
        UserQuestions *questions = questions_of(check->user, check->sort);

        if (check->sort->open == 0 || questions->open == 0)
                g_error("polkit has more to answer than it was asked");

        check->sort->open--;
        questions->open--;
}

/* An answer is here, or none will come: the next one may be asked. */
static void check_close(Check *check, PolkitAnswer answer)
{
        Polkit *polkit = check->polkit;
        Sort *sort = check->sort;

        check_uncount(check);
        user_settle(check->user, sort);
        check_finish(check, answer);
        start_turns(polkit, sort);
}

/* polkit remembers it: the next question is answered without a password. */
static gboolean is_remembered(sd_bus_message *reply)
{
        const char *key, *value;
        gboolean remembered = FALSE;

        if (sd_bus_message_enter_container(reply, 'a', "{ss}") < 0)
                return FALSE;

        while (sd_bus_message_read(reply, "{ss}", &key, &value) > 0)
                if (g_str_equal(key, "polkit.temporary_authorization_id") ||
                    g_str_equal(key, "polkit.retains_authorization_after_challenge"))
                        remembered = TRUE;

        return remembered;
}

static PolkitAnswer read_error(Polkit *polkit, sd_bus_message *reply)
{
        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return polkit->seen ? POLKIT_FAILED : POLKIT_ABSENT;

        polkit->seen = TRUE;
        /* Once, or those that are refused fill the log. */
        if (!polkit->complained)
                g_warning("polkit does not decide: %s", sd_bus_message_get_error(reply)->message);
        polkit->complained = TRUE;
        return POLKIT_FAILED;
}

static PolkitAnswer read_answer(Polkit *polkit, sd_bus_message *reply, gboolean interactive)
{
        int authorized, challenge;

        if (sd_bus_message_is_method_error(reply, NULL))
                return read_error(polkit, reply);

        polkit->seen = TRUE;
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0)
                return POLKIT_FAILED;

        polkit->complained = FALSE;
        if (authorized)
                return interactive && !is_remembered(reply) ? POLKIT_YES_ONCE : POLKIT_YES;

        return challenge ? POLKIT_CHALLENGE : POLKIT_NO;
}

/* No answer came, and none would to those that wait: each would wait as long again. */
static void fail_waiting(Polkit *polkit, Sort *sort)
{
        g_autoptr(GList) checks = g_hash_table_get_keys(polkit->checks);

        for (GList *each = checks; each; each = each->next) {
                Check *check = each->data;

                if (g_hash_table_contains(polkit->checks, check) && check->sort == sort && check->request)
                        check_withdraw(check);
        }
}

/* The polkit that was asked has answered, or the next one, or the driver says why neither does. */
static gboolean is_from_polkit(const Check *check, sd_bus_message *reply)
{
        const char *sender = bus_sender(reply);

        return bus_is_driver(reply) || g_strcmp0(sender, check->asked) == 0 ||
               g_strcmp0(sender, check->polkit->owner) == 0;
}

static PolkitAnswer believe(const Check *check, sd_bus_message *reply)
{
        Polkit *polkit = check->polkit;

        if (is_from_polkit(check, reply)) {
                if (!bus_is_driver(reply))
                        polkit->answered_at = g_get_monotonic_time();
                return read_answer(polkit, reply, check->sort == &polkit->sorts[TRUE]);
        }

        ask_owner(polkit);
        return POLKIT_FAILED;
}

/* polkit has answered nothing since it was asked: @reply is the library's, whose time is over. */
static gboolean hangs(const Check *check, sd_bus_message *reply)
{
        gboolean silent = sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY) ||
                          sd_bus_message_is_method_error(reply, SD_BUS_ERROR_TIMEOUT);

        return silent && bus_is_driver(reply) && check->polkit->answered_at < check->asked_at;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Check *check = userdata;
        Polkit *polkit = check->polkit;
        Sort *sort = check->sort;
        PolkitAnswer answer = believe(check, reply);

        sd_bus_slot_set_destroy_callback(sd_bus_get_current_slot(bus_handle(polkit->bus)), NULL);
        if (sort == &polkit->sorts[FALSE] && hangs(check, reply)) {
                polkit->paused_until = g_get_monotonic_time() + PAUSE_US;
                fail_waiting(polkit, sort);
        }
        check_close(check, answer);
        return 1;
}

/* The bus goes with the question still open. */
static void on_destroy(void *userdata)
{
        Check *check = userdata;

        check_uncount(check);
        check_finish(check, POLKIT_FAILED);
}

void polkit_free(Polkit *polkit)
{
        GHashTableIter iter;
        gpointer check;
        g_autoptr(GPtrArray) waiting = g_ptr_array_new();

        ASSERT_MAIN();
        if (!polkit)
                return;

        g_hash_table_iter_init(&iter, polkit->checks);
        while (g_hash_table_iter_next(&iter, &check, NULL))
                if (((Check *)check)->request)
                        g_ptr_array_add(waiting, check);

        /* With the last of all these goes what is left of the bus, and the open questions with that. */
        for (guint i = 0; i < waiting->len; i++)
                check_withdraw(g_ptr_array_index(waiting, i));
        for (size_t i = 0; i < G_N_ELEMENTS(polkit->slots); i++)
                sd_bus_slot_unref(polkit->slots[i]);
        sd_bus_slot_unref(polkit->owner_asked);

        g_hash_table_unref(polkit->checks);
        g_free(polkit->owner);
        g_free(polkit);
}

static void check_start(Check *check)
{
        g_autoptr(sd_bus_message) request = g_steal_pointer(&check->request);
        sd_bus_slot *slot = NULL;
        int r = sd_bus_call_async(bus_handle(check->polkit->bus), &slot, request, on_reply, check,
                                  (uint64_t)check->sort->timeout);

        check->asked = g_strdup(check->polkit->owner);
        check->asked_at = g_get_monotonic_time();
        check->sort->open++;
        questions_of(check->user, check->sort)->open++;
        if (r >= 0)
                bus_give_slot(slot, on_destroy);
        else
                check_close(check, POLKIT_FAILED);
}

static void start_turns(Polkit *polkit, Sort *sort)
{
        User *each;

        while (sort->open < sort->total && (each = g_queue_pop_head(&sort->turns))) {
                g_autoptr(User) user = user_ref(each);
                UserQuestions *questions = questions_of(user, sort);

                questions->in_turns = FALSE;
                check_start(g_queue_pop_head(&questions->waiting));
                user_settle(user, sort);
        }
}

static int make_request(Polkit *polkit, const PolkitQuestion *question, gboolean interactive,
                        const char *cancel, sd_bus_message **request)
{
        int r = sd_bus_message_new_method_call(bus_handle(polkit->bus), request, NAME, PATH, INTERFACE,
                                               "CheckAuthorization");

        if (r < 0)
                return r;

        return sd_bus_message_append(*request, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                     question->peer->name, question->action, 4, "connection",
                                     question->connection, "domain", question->domain, "uuid", question->uuid,
                                     "member", question->member, interactive ? ALLOW_USER_INTERACTION : 0,
                                     cancel);
}

gboolean polkit_check(Polkit *polkit, const PolkitQuestion *question, gboolean interactive, PolkitFunc *done,
                      void *data)
{
        g_autofree char *cancel =
                interactive ? g_strdup_printf("%" G_GUINT64_FORMAT, ++polkit->cancel_next) : g_strdup("");
        g_autoptr(sd_bus_message) request = NULL;
        Check *check;

        ASSERT_MAIN();
        if (g_get_monotonic_time() < polkit->paused_until ||
            make_request(polkit, question, interactive, cancel, &request) < 0)
                return FALSE;

        check = g_new0(Check, 1);
        check->polkit = polkit;
        check->done = done;
        check->data = data;
        check->peer = question->peer;
        check->cancel = g_steal_pointer(&cancel);
        check->request = g_steal_pointer(&request);
        check->sort = &polkit->sorts[interactive];
        check->user = user_ref(user_shared(question->peer->user));
        g_hash_table_add(polkit->checks, check);
        g_queue_push_tail(&questions_of(check->user, check->sort)->waiting, check);
        user_settle(check->user, check->sort);
        start_turns(polkit, check->sort);
        return TRUE;
}

void polkit_forget(Polkit *polkit, const Peer *peer)
{
        g_autoptr(GList) checks = g_hash_table_get_keys(polkit->checks);

        ASSERT_MAIN();
        for (GList *each = checks; each; each = each->next) {
                Check *check = each->data;

                if (!g_hash_table_contains(polkit->checks, check) || check->peer != peer)
                        continue;

                if (check->request)
                        check_withdraw(check);
                else if (*check->cancel)
                        sd_bus_call_method_async(bus_handle(polkit->bus), NULL, NAME, PATH, INTERFACE,
                                                 "CancelCheckAuthorization", NULL, NULL, "s", check->cancel);
        }
}
