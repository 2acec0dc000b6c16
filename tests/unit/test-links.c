/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links and their workers, with a toy interface: its handlers wait for what the test allows. */

#include "base/background.h"
#include "base/error.h"
#include "base/log.h"
#include "base/main_queue.h"
#include "call/handler.h"
#include "call/links.h"
#include "virt/event_loop.h"
#include "virt/link.h"

#include <pthread.h>

/* As links.c has it. */
#define WORKERS 3
#define RUNNING 16
#define LONG    10
/* Of what a busy machine may spoil: one of them is good. */
#define ROUNDS 20

static const Limits limits = {
        .workers = WORKERS,
        .calls_per_sender = 100000,
        .calls_total = 100000,
        .request_bytes = 1 << 20,
        .pending_bytes = 1 << 20,
        .reply_bytes = 1000,
        .error_bytes = 1000,
        .open_timeout = 10,
        .keepalive_interval = 5,
        .keepalive_count = 5,
};

static Link *events_link;
static Peers *peers;
static Links *links;

/* Handlers run on workers; what they tell is under this lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static GString *ran; /* a letter for each call, in the order in which they began */
static unsigned running, most_running;
static gboolean gate_open;
static gint cuts; /* atomic: so many calls more, and one is cut */
static const char *cut_message;

static GVariant *toy_pass(Call *call, GError **error)
{
        char letter;

        g_variant_get(call_args(call), "(y)", &letter);
        pthread_mutex_lock(&lock);
        g_string_append_c(ran, letter);
        pthread_mutex_unlock(&lock);
        return call_done();
}

static GVariant *toy_wait(Call *call, GError **error)
{
        pthread_mutex_lock(&lock);
        running++;
        most_running = MAX(most_running, running);
        pthread_cond_broadcast(&changed);
        while (!gate_open)
                pthread_cond_wait(&changed, &lock);
        running--;
        pthread_mutex_unlock(&lock);
        return call_done();
}

/* Fails as libvirt does where the connection behind the link's is lost. */
static GVariant *toy_cut(Call *call, GError **error)
{
        if (!g_atomic_int_dec_and_test(&cuts)) {
                g_atomic_int_inc(&cuts);
                return toy_pass(call, error);
        }

        g_set_error_literal(error, GUESTBUS_ERROR, GUESTBUS_ERROR_CUT, cut_message);
        return NULL;
}

static GVariant *toy_wrong_type(Call *call, GError **error)
{
        return g_variant_new_string("not what the row says");
}

static GVariant *toy_large(Call *call, GError **error)
{
        g_autofree char *text = g_strnfill(2000, 'x');

        return g_variant_new_string(text);
}

static GVariant *toy_silent(Call *call, GError **error)
{
        return NULL;
}

static const Member pass = {.name = "Pass", .out_type = "()", .tuple = true, .handler = toy_pass};
static const Member wait_member = {.name = "Wait", .out_type = "()", .tuple = true, .handler = toy_wait};
static const Member long_member = {
        .name = "Long", .out_type = "()", .tuple = true, .takes_long = true, .handler = toy_wait};
static const Member cut_read = {.name = "Cut", .out_type = "()", .tuple = true, .handler = toy_cut};
static const Member cut_change = {
        .name = "Cut", .out_type = "()", .tuple = true, .access = ACCESS_MANAGE, .handler = toy_cut};
static const Member wrong_type = {.name = "WrongType", .out_type = "u", .handler = toy_wrong_type};
static const Member large = {.name = "Large", .out_type = "s", .handler = toy_large};
static const Member silent = {.name = "Silent", .out_type = "s", .handler = toy_silent};

static unsigned completed;
static GString *ended; /* a letter for each call, in the order in which they were completed */
static GError *last_error;

static void toy_completed(void *data)
{
        Call *call = data;
        guint8 letter;

        completed++;
        if (call->args) {
                g_variant_get(call->args, "(y)", &letter);
                g_string_append_c(ended, (char)letter);
        }
        g_clear_error(&last_error);
        last_error = g_steal_pointer(&call->error);
        call_free(call);
}

static Call *toy_call(const Member *member, const char *caller, const char *path, char letter)
{
        Call *call = call_new(peers_get(peers, caller), NULL, CALL_METHOD, path, 0, NULL);

        call->member = member;
        call->object.key = g_strdup("object");
        call->args = letter ? g_variant_ref_sink(g_variant_new("(y)", letter)) : NULL;
        return call;
}

static void push(const Member *member, const char *caller, const char *path, char letter)
{
        links_submit(links, toy_call(member, caller, path, letter));
}

static void wait_completed(unsigned number)
{
        while (completed < number)
                g_main_context_iteration(NULL, TRUE);
}

static void open_gate(void)
{
        pthread_mutex_lock(&lock);
        gate_open = TRUE;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
}

/* Until so many have run at once. */
static void wait_running(unsigned number)
{
        for (gboolean enough = FALSE; !enough;) {
                g_main_context_iteration(NULL, FALSE);
                pthread_mutex_lock(&lock);
                enough = most_running >= number;
                pthread_mutex_unlock(&lock);
                g_usleep(1000);
        }
}

static gboolean on_time(gpointer user_data)
{
        *(gboolean *)user_data = TRUE;
        return G_SOURCE_REMOVE;
}

/* For longer than a call runs until it counts as held up, and until its stand-in does. */
static void let_time_pass(void)
{
        gboolean over = FALSE;

        g_timeout_add(1000, on_time, &over);
        while (!over)
                g_main_context_iteration(NULL, TRUE);
}

static void set_up_at(const char *uri, gboolean shared)
{
        const LinksConfig config = {
                .name = "Test",
                .uri = uri,
                .limits = &limits,
                .shared = shared,
                .events_link = events_link,
                .completed = toy_completed,
        };

        completed = running = most_running = 0;
        gate_open = FALSE;
        g_string_truncate(ran, 0);
        g_string_truncate(ended, 0);
        links = links_new(&config);
        links_follow(links, TRUE);
}

static void set_up(void)
{
        set_up_at("test:///default", FALSE);
}

static void tear_down(void)
{
        g_autoptr(GError) error = g_error_new_literal(GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "over");

        g_assert_cmpuint(peers_charged(peers, QUOTA_CALLS), ==, 0);
        links_shut(links, error);
        while (links_is_busy(links))
                g_main_context_iteration(NULL, TRUE);
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        g_clear_pointer(&links, links_free);
}

/* One caller, one object: in the order sent, and completed in it. */
static void test_order(void)
{
        set_up();
        for (unsigned i = 0; i < 20000; i++)
                push(&pass, ":1.1", "/a", (char)('a' + i % 26));
        wait_completed(20000);

        for (unsigned i = 0; i < 20000; i++) {
                g_assert_cmpint(ran->str[i], ==, 'a' + i % 26);
                g_assert_cmpint(ended->str[i], ==, 'a' + i % 26);
        }
        tear_down();
}

/* A call that hangs holds up its own lane and nobody else: not the same caller elsewhere, nor others here. */
static void test_lanes(void)
{
        set_up();
        push(&wait_member, ":1.1", "/a", 0);
        push(&pass, ":1.1", "/a", '4');
        push(&pass, ":1.1", "/b", '1');
        wait_completed(1);
        push(&pass, ":1.2", "/a", '2');
        wait_completed(2);
        push(&pass, ":1.2", "/b", '3');
        wait_completed(3);
        g_assert_cmpstr(ran->str, ==, "123");

        open_gate();
        wait_completed(5);
        g_assert_cmpstr(ran->str, ==, "1234");
        tear_down();
}

static void push_many(const Member *member, unsigned n)
{
        for (unsigned i = 0; i < n; i++) {
                g_autofree char *path = g_strdup_printf("/%s/%u", member->name, i);

                push(member, ":1.1", path, 0);
        }
}

/* Many calls need no more links than the host has use for. */
static void test_workers(void)
{
        gboolean enough = FALSE;

        /* On a busy machine calls that wait for a processor count as held up; not in all of some rounds. */
        for (unsigned i = 0; i < ROUNDS && !enough; i++) {
                set_up();
                push_many(&wait_member, 10);
                wait_running(WORKERS);
                open_gate();
                wait_completed(10);
                enough = most_running == WORKERS;
                tear_down();
        }
        g_assert_true(enough);
}

/* What is held up does not count, up to what libvirtd can bear. */
static void test_held_up(void)
{
        set_up();
        push_many(&wait_member, 20);
        wait_running(RUNNING);
        let_time_pass();
        g_assert_cmpuint(most_running, ==, RUNNING);
        open_gate();
        wait_completed(20);
        tear_down();
}

/* Of one object two calls run, whoever calls; the third waits, and nobody else for it. */
static void test_one_object(void)
{
        set_up();
        for (unsigned i = 0; i < 20; i++) {
                g_autofree char *caller = g_strdup_printf(":1.%u", i);

                push(&wait_member, caller, "/hangs", 0);
        }
        push(&pass, ":1.1", "/other", '1');
        wait_completed(1);
        let_time_pass();
        push(&pass, ":1.1", "/other", '2');
        wait_completed(2);
        g_assert_cmpuint(most_running, ==, 2);
        open_gate();
        wait_completed(22);
        g_assert_cmpuint(most_running, ==, 2);
        tear_down();
}

/* Long ones run beside as many short ones as ever, at once. */
static void test_long(void)
{
        set_up();
        push_many(&long_member, 12);
        wait_running(LONG);
        push(&pass, ":1.1", "/a", '1');
        wait_completed(1);
        let_time_pass();
        g_assert_cmpuint(most_running, ==, LONG);
        push_many(&wait_member, WORKERS);
        wait_running(LONG + WORKERS);
        push_many(&wait_member, 20);
        wait_running(RUNNING);
        open_gate();
        wait_completed(1 + 12 + WORKERS + 20);
        tear_down();
}

/* One link that all share, as where each would have a world of its own. */
static void test_shared(void)
{
        set_up_at("test:///default", TRUE);
        push_many(&wait_member, 10);
        wait_running(WORKERS);
        push(&pass, ":1.1", "/a", '1');
        open_gate();
        wait_completed(11);
        tear_down();
}

/* Where no link can be opened, what waits for one is told. */
static void test_unreachable(void)
{
        gboolean at_once = FALSE;

        set_up_at("test+unix:///default?socket=/nonexistent", FALSE);
        push(&pass, ":1.1", "/a", '1');
        push(&pass, ":1.1", "/a", '2');
        wait_completed(2);
        g_assert_error(last_error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT);
        /* The next one at once, unless the machine keeps this test from its processor for too long. */
        for (unsigned i = 0; i < ROUNDS && !at_once; i++) {
                wait_completed(2 + i);
                push(&pass, ":1.1", "/a", '3');
                at_once = completed == 3 + i;
        }
        g_assert_true(at_once);
        g_assert_cmpstr(ran->str, ==, "");
        tear_down();
}

/* What waits when all is over is told that. */
static void test_shut(void)
{
        g_autoptr(GError) error = g_error_new_literal(GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "over");

        set_up();
        push(&wait_member, ":1.1", "/a", 0);
        wait_running(1);
        push(&pass, ":1.1", "/a", '1');
        links_shut(links, error);
        g_assert_cmpuint(completed, ==, 1);
        g_assert_error(last_error, GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED);
        open_gate();
        wait_completed(2);
        tear_down();
}

/* A lane with many calls lets the others have their turn. */
static void test_fair(void)
{
        set_up();
        push_many(&wait_member, WORKERS);
        wait_running(WORKERS);
        for (unsigned i = 0; i < 1000; i++)
                push(&pass, ":1.1", "/long", 'l');
        push(&pass, ":1.2", "/short", 's');

        open_gate();
        wait_completed(WORKERS + 1001);
        g_assert_cmpint(strchr(ran->str, 's') - ran->str, <, 500);
        tear_down();
}

/* How many of the caller's could be withdrawn. */
static unsigned withdraw(const char *caller)
{
        Peer *peer = peers_get(peers, caller);
        unsigned n = 0;

        for (GList *each = peer->calls.head, *next; each; each = next) {
                Call *call = each->data;

                next = each->next;
                if (links_withdraw(links, call)) {
                        call_free(call);
                        n++;
                }
        }

        return n;
}

static void test_withdraw(void)
{
        set_up();
        push(&wait_member, ":1.1", "/a", 0);
        wait_running(1);
        push(&pass, ":1.1", "/a", 'x');
        push(&pass, ":1.1", "/a", 'y');
        push(&wait_member, ":1.2", "/a", 0);
        wait_running(2);
        push(&pass, ":1.2", "/a", 'z');

        /* What runs is not taken back, and what is another's neither. */
        g_assert_cmpuint(withdraw(":1.1"), ==, 2);
        g_assert_cmpuint(withdraw(":1.9"), ==, 0);
        open_gate();
        wait_completed(3);
        g_assert_cmpstr(ran->str, ==, "z");
        tear_down();
}

static void test_withdraw_and_go_on(void)
{
        set_up();
        push(&wait_member, ":1.1", "/a", 0);
        wait_running(1);
        push(&pass, ":1.1", "/a", 'x');
        g_assert_cmpuint(withdraw(":1.1"), ==, 1);

        /* The lane goes on with what comes after. */
        push(&pass, ":1.1", "/a", 'y');
        open_gate();
        wait_completed(2);
        g_assert_cmpstr(ran->str, ==, "y");
        tear_down();
}

static void assert_fails(const Member *member, int code)
{
        set_up();
        push(member, ":1.1", "/a", 0);
        wait_completed(1);
        g_assert_error(last_error, GUESTBUS_ERROR, code);
        tear_down();
}

static void cut_one(const Member *member, const char *message, char letter)
{
        cut_message = message;
        g_atomic_int_set(&cuts, 1);
        push(member, ":1.1", "/a", letter);
}

/* Libvirt's connection to another daemon is lost: on another one the call is run again, unless it may have
 * changed something. What comes after it waits. */
static void test_cut(void)
{
        set_up();
        cut_one(&cut_read, "connection lost", '1');
        push(&pass, ":1.1", "/a", '2');
        wait_completed(2);
        g_assert_no_error(last_error);
        g_assert_cmpstr(ran->str, ==, "12");
        g_assert_cmpstr(ended->str, ==, "12");

        cut_one(&cut_change, "internal error: client socket is closed", '3');
        wait_completed(3);
        g_assert_no_error(last_error);
        g_assert_cmpstr(ran->str, ==, "123");

        cut_one(&cut_change, "connection lost", '4');
        wait_completed(4);
        g_assert_error(last_error, GUESTBUS_ERROR, GUESTBUS_ERROR_CUT);
        push(&cut_change, ":1.1", "/a", '5');
        wait_completed(5);
        g_assert_no_error(last_error);
        g_assert_cmpstr(ran->str, ==, "1235");
        g_assert_cmpstr(ended->str, ==, "12345");
        tear_down();
}

/* Over a link that others need it is not opened anew. */
static void test_cut_shared(void)
{
        set_up_at("test:///default", TRUE);
        cut_one(&cut_read, "connection lost", '1');
        wait_completed(1);
        g_assert_error(last_error, GUESTBUS_ERROR, GUESTBUS_ERROR_CUT);
        tear_down();
}

/* The end comes while the link is opened anew: each call has its end all the same. */
static void test_cut_and_shut(void)
{
        for (unsigned i = 0; i < 20; i++) {
                g_autoptr(GError) error = g_error_new_literal(GUESTBUS_ERROR, GUESTBUS_ERROR_FAILED, "over");

                set_up();
                cut_one(&cut_read, "connection lost", '1');
                g_usleep(i * 200);
                g_main_context_iteration(NULL, FALSE);
                links_shut(links, error);
                wait_completed(1);
                tear_down();
        }
}

static void test_results(void)
{
        assert_fails(&wrong_type, GUESTBUS_ERROR_FAILED);
        assert_fails(&large, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        assert_fails(&silent, GUESTBUS_ERROR_FAILED);
}

static void link_opened(Link *link, void *data)
{
        *(gboolean *)data = TRUE;
}

static void link_failed(Link *link, const GError *error, void *data)
{
        g_error("%s", error->message);
}

int main(int argc, char **argv)
{
        static const LinkOwner owner = {.opened = link_opened, .failed = link_failed};
        gboolean open = FALSE;
        int r;

        g_test_init(&argc, &argv, NULL);
        log_init(LOG_NOTICE);
        main_queue_init();
        event_loop_register();
        g_assert_cmpint(virInitialize(), ==, 0);
        peers = peers_new(&limits);
        ran = g_string_new(NULL);
        ended = g_string_new(NULL);
        events_link = link_new("Test", "test:///default", FALSE, &limits, &owner, &open);
        link_open(events_link);
        while (!open)
                g_main_context_iteration(NULL, TRUE);

        g_test_add_func("/links/order", test_order);
        g_test_add_func("/links/lanes", test_lanes);
        g_test_add_func("/links/workers", test_workers);
        g_test_add_func("/links/held-up", test_held_up);
        g_test_add_func("/links/one-object", test_one_object);
        g_test_add_func("/links/long", test_long);
        g_test_add_func("/links/shared", test_shared);
        g_test_add_func("/links/unreachable", test_unreachable);
        g_test_add_func("/links/shut", test_shut);
        g_test_add_func("/links/fair", test_fair);
        g_test_add_func("/links/withdraw", test_withdraw);
        g_test_add_func("/links/withdraw-and-go-on", test_withdraw_and_go_on);
        g_test_add_func("/links/results", test_results);
        g_test_add_func("/links/cut", test_cut);
        g_test_add_func("/links/cut-shared", test_cut_shared);
        g_test_add_func("/links/cut-and-shut", test_cut_and_shut);
        r = g_test_run();

        link_shut(events_link);
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        link_free(events_link);
        peers_free(peers);
        g_string_free(ran, TRUE);
        g_string_free(ended, TRUE);
        g_clear_error(&last_error);
        main_queue_shutdown();
        return r;
}
