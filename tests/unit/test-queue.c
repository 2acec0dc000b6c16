/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which call may run next. */

#include "call/queue.h"

static const Limits limits = {
        .calls_per_sender = 1000, .calls_total = 1000, .request_bytes = 1000, .pending_bytes = 1000};

static const Member plain = {.name = "Plain"};
static const Member other = {.name = "Other"};
static const Member slow = {.name = "Slow", .takes_long = true};

static Peers *peers;
static Queue *queue;
static gint64 now;

#define SHORT 5

/* What the call is known by is the number of its bytes. */
static Call *push_as(unsigned number, const char *caller, const char *path, const Member *member,
                     gboolean reader, gboolean connection)
{
        Call *call = call_new(peers_get(peers, caller), NULL, CALL_METHOD, NULL, number, NULL);

        call->lane = lane_enter(call->peer, path);
        call->member = member;
        call->reader = reader;
        call->object.key = connection ? NULL : g_strdup("key");
        queue_push(queue, call);
        return call;
}

static Call *push(unsigned number, const char *caller, const char *path)
{
        return push_as(number, caller, path, &plain, FALSE, FALSE);
}

/* The next call, which must be @number; with 0 there must be none. */
static Call *take_for(unsigned number, gboolean reader)
{
        Call *call = queue_take(queue, reader, now);

        g_assert_cmpuint(call ? call->bytes : 0, ==, number);
        return call;
}

static Call *take(unsigned number)
{
        return take_for(number, FALSE);
}

static void end(Call *call)
{
        g_assert_false(queue_withdraw(queue, call));
        queue_end(queue, call);
        call_free(call);
}

static void run(unsigned number)
{
        end(take(number));
}

static void withdraw(Call *call)
{
        g_assert_true(queue_withdraw(queue, call));
        call_free(call);
}

static void assert_calls(GList *calls, const char *expected)
{
        g_autoptr(GString) found = g_string_new(NULL);

        for (const GList *each = calls; each; each = each->next) {
                Call *call = each->data;

                g_string_append_printf(found, "%zu ", call->bytes);
                call_free(call);
        }
        g_assert_cmpstr(found->str, ==, expected);
        g_list_free(calls);
}

static unsigned ready(void)
{
        return queue_ready(queue, FALSE) + queue_ready(queue, TRUE);
}

static void set_up(void)
{
        now = 0;
        queue = queue_new(SHORT);
}

/* Nothing is left, which queue_free() looks at as well. */
static void tear_down(void)
{
        g_assert_cmpuint(ready(), ==, 0);
        g_assert_cmpuint(peers_charged(peers, QUOTA_CALLS), ==, 0);
        g_clear_pointer(&queue, queue_free);
}

static void test_order(void)
{
        Call *call;

        set_up();
        push(1, ":1.1", "/a");
        push(2, ":1.1", "/a");
        call = take(1);
        take(0);
        push(3, ":1.1", "/a");
        take(0);
        end(call);
        run(2);
        run(3);
        take(0);
        tear_down();
}

/* Another object, or another caller, is another lane; each has its turn after the others. */
static void test_turns(void)
{
        set_up();
        push(1, ":1.1", "/a");
        push(2, ":1.1", "/a");
        push(3, ":1.1", "/b");
        push(4, ":1.2", "/a");
        g_assert_cmpuint(ready(), ==, 3);
        run(1);
        run(3);
        run(4);
        run(2);
        tear_down();
}

/* One caller's calls for readers, and long ones, have the same lane as the others. */
static void test_sorts(void)
{
        Call *call;

        set_up();
        push_as(1, ":1.1", "/a", &plain, TRUE, FALSE);
        push_as(2, ":1.1", "/a", &slow, FALSE, FALSE);
        push_as(3, ":1.1", "/a", &plain, FALSE, FALSE);
        take(0);
        take(0);
        g_assert_cmpuint(queue_ready(queue, TRUE), ==, 1);
        call = take_for(1, TRUE);
        take(0);
        end(call);
        g_assert_cmpuint(queue_ready(queue, FALSE), ==, 1);
        end(take(2));
        run(3);
        tear_down();
}

static void test_two_of_an_object(void)
{
        Call *first, *second, *third;

        set_up();
        push(1, ":1.1", "/a");
        push(2, ":1.2", "/a");
        push(3, ":1.3", "/a");
        push(4, ":1.4", "/a");
        push(5, ":1.1", "/b");
        first = take(1);
        second = take(2);
        run(5);
        take(0);
        g_assert_cmpuint(ready(), ==, 0);

        end(first);
        third = take(3);
        take(0);
        end(third);
        end(second);
        run(4);
        tear_down();
}

/* Of a whole hypervisor, each member counts for itself. */
static void test_two_of_a_connection(void)
{
        Call *first, *second, *third;

        set_up();
        push_as(1, ":1.1", "/c", &plain, FALSE, TRUE);
        push_as(2, ":1.2", "/c", &plain, FALSE, TRUE);
        push_as(3, ":1.3", "/c", &plain, FALSE, TRUE);
        push_as(4, ":1.4", "/c", &other, FALSE, TRUE);
        first = take(1);
        second = take(2);
        third = take(4);
        take(0);
        end(third);
        take(0);
        end(second);
        run(3);
        end(first);
        tear_down();
}

/* Each in a lane of its own, from @number on. */
static void push_many(unsigned number, unsigned n, const Member *member, gboolean reader)
{
        for (unsigned i = number; i < number + n; i++) {
                g_autofree char *path = g_strdup_printf("/%u", i);

                push_as(i, ":1.1", path, member, reader, FALSE);
        }
}

static void take_many(Call **calls, unsigned number, unsigned n, gboolean reader)
{
        for (unsigned i = 0; i < n; i++)
                calls[i] = take_for(number + i, reader);
}

static void end_many(Call **calls, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                end(calls[i]);
}

/* So many short ones run as the host has use for, and as many for readers. */
static void test_short(void)
{
        Call *calls[SHORT], *others[SHORT];

        set_up();
        push_many(1, SHORT + 1, &plain, FALSE);
        g_assert_cmpuint(queue_startable(queue, FALSE, now), ==, SHORT);
        take_many(calls, 1, SHORT, FALSE);
        take(0);
        g_assert_cmpuint(queue_startable(queue, FALSE, now), ==, 0);
        push_many(101, SHORT, &plain, TRUE);
        take_many(others, 101, SHORT, TRUE);
        end_many(calls, SHORT);
        run(SHORT + 1);
        end_many(others, SHORT);
        tear_down();
}

/* What takes longer does not count, until there is too much of it. */
static void test_held_up(void)
{
        Call *calls[QUEUE_RUNNING_MOST];

        set_up();
        push_many(1, QUEUE_RUNNING_MOST + 1, &plain, FALSE);
        take_many(calls, 1, SHORT, FALSE);
        take(0);
        now += QUEUE_HELD_MS * G_TIME_SPAN_MILLISECOND - 1;
        take(0);
        now++;
        take_many(calls + SHORT, SHORT + 1, SHORT, FALSE);
        take(0);
        now += QUEUE_HELD_MS * G_TIME_SPAN_MILLISECOND;
        take_many(calls + 2 * SHORT, 2 * SHORT + 1, SHORT, FALSE);
        now += QUEUE_HELD_MS * G_TIME_SPAN_MILLISECOND;
        g_assert_cmpuint(queue_startable(queue, FALSE, now), ==, 1);
        calls[QUEUE_RUNNING_MOST - 1] = take(QUEUE_RUNNING_MOST);
        now += QUEUE_HELD_MS * G_TIME_SPAN_MILLISECOND;
        take(0);
        end_many(calls, QUEUE_RUNNING_MOST);
        run(QUEUE_RUNNING_MOST + 1);
        tear_down();
}

/* Long ones have room of their own, and leave some. */
static void test_long(void)
{
        enum { LONG = 10 };
        Call *calls[LONG], *others[SHORT];

        set_up();
        push_many(101, SHORT, &plain, FALSE);
        push_many(1, LONG + 1, &slow, FALSE);
        take_many(calls, 1, LONG, FALSE);
        now += 1000 * G_TIME_SPAN_MILLISECOND;
        take_many(others, 101, SHORT, FALSE);
        take(0);
        end_many(calls, LONG);
        run(LONG + 1);
        end_many(others, SHORT);
        tear_down();
}

static void test_withdraw(void)
{
        Call *first, *second, *waiting, *capped[2];

        set_up();
        push(1, ":1.1", "/a");
        waiting = push(2, ":1.1", "/a");
        push(3, ":1.2", "/a");
        push(4, ":1.2", "/a");
        capped[0] = push(5, ":1.3", "/a");
        capped[1] = push(6, ":1.3", "/a");
        push(7, ":1.4", "/a");
        first = take(1);
        second = take(3);
        take(0);
        withdraw(waiting);
        withdraw(capped[0]);
        withdraw(capped[1]);
        take(0);
        end(first);
        run(7);
        end(second);
        run(4);
        assert_calls(queue_withdraw_all(queue), "");
        tear_down();
}

/* A lane whose last call runs goes on with what comes. */
static void test_withdraw_all(void)
{
        Call *first, *second;

        set_up();
        push(1, ":1.1", "/a");
        push(2, ":1.1", "/a");
        push(3, ":1.2", "/a");
        push(4, ":1.3", "/a");
        push_as(5, ":1.3", "/b", &slow, TRUE, FALSE);
        first = take(1);
        second = take(3);
        take(0);
        assert_calls(queue_withdraw_all(queue), "2 5 4 ");
        push(6, ":1.1", "/a");
        take(0);
        end(first);
        run(6);
        end(second);
        tear_down();
}

/* Those that a third one waited for may never run. */
static void test_withdrawn_before_the_third(void)
{
        Call *first, *second, *third, *fourth;

        set_up();
        push(1, ":1.1", "/a");
        push(2, ":1.2", "/a");
        third = push(3, ":1.3", "/a");
        fourth = push(4, ":1.4", "/a");
        push(5, ":1.5", "/a");
        first = take(1);
        second = take(2);
        take(0);
        end(first);
        end(second);
        g_assert_cmpuint(ready(), ==, 2);
        withdraw(third);
        withdraw(fourth);
        run(5);
        tear_down();
}

/* Of a lane, only what comes before the first that may still be served. */
static void test_refuse(void)
{
        Call *first, *second;

        set_up();
        push(1, ":1.1", "/a");
        push(2, ":1.2", "/a");
        first = take(1);
        second = take(2);
        push(3, ":1.3", "/a");
        take(0);
        push_as(4, ":1.1", "/b", &slow, FALSE, FALSE);
        push(5, ":1.2", "/b");
        push_as(6, ":1.2", "/b", &plain, TRUE, FALSE);
        push(7, ":1.2", "/b");
        assert_calls(queue_refuse(queue, FALSE), "5 3 4 ");
        end(first);
        end(second);
        end(take_for(6, TRUE));
        run(7);
        tear_down();
}

/* A random one of those that @calls has, which is taken out. */
static Call *pick(GPtrArray *calls)
{
        return g_ptr_array_remove_index_fast(calls, (guint)g_test_rand_int_range(0, (int)calls->len));
}

static void step(GPtrArray *running)
{
        static const char *const callers[] = {":1.1", ":1.2", ":1.3", ":1.4", ":1.5", ":1.6", ":1.7", ":1.8"};
        static const char *const paths[] = {"/a", "/b"};
        const Member *member = g_test_rand_bit() ? &plain : &other;
        Call *call;

        switch (g_test_rand_int_range(0, 6)) {
        case 0:
        case 1:
                push_as(1, callers[g_test_rand_int_range(0, 8)], paths[g_test_rand_int_range(0, 2)], member,
                        g_test_rand_bit(), g_test_rand_bit());
                break;
        case 2:
        case 3:
                call = queue_take(queue, g_test_rand_bit(), now);
                if (call)
                        g_ptr_array_add(running, call);
                break;
        case 4:
                if (running->len > 0)
                        end(pick(running));
                break;
        case 5:
                call = g_queue_peek_head(&peers_get(peers, callers[g_test_rand_int_range(0, 8)])->calls);
                if (call && queue_withdraw(queue, call))
                        call_free(call);
                break;
        }
}

static void take_all(GPtrArray *running)
{
        Call *call;

        while ((call = queue_take(queue, FALSE, now)) || (call = queue_take(queue, TRUE, now)))
                g_ptr_array_add(running, call);
}

/* Whatever happens, each call can be taken in the end: nothing is left, and nobody waits for what is over. */
static void test_none_is_forgotten(void)
{
        g_autoptr(GPtrArray) running = g_ptr_array_new();

        for (unsigned i = 0; i < 300; i++) {
                set_up();
                for (unsigned n = 0; n < 200; n++)
                        step(running);
                for (take_all(running); running->len > 0; take_all(running))
                        end(pick(running));
                tear_down();
        }
}

static void test_free_of_nothing(void)
{
        queue_free(NULL);
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        peers = peers_new(&limits);
        g_test_add_func("/queue/order", test_order);
        g_test_add_func("/queue/turns", test_turns);
        g_test_add_func("/queue/sorts", test_sorts);
        g_test_add_func("/queue/two-of-an-object", test_two_of_an_object);
        g_test_add_func("/queue/two-of-a-connection", test_two_of_a_connection);
        g_test_add_func("/queue/short", test_short);
        g_test_add_func("/queue/held-up", test_held_up);
        g_test_add_func("/queue/long", test_long);
        g_test_add_func("/queue/withdraw", test_withdraw);
        g_test_add_func("/queue/withdraw-all", test_withdraw_all);
        g_test_add_func("/queue/withdrawn-before-the-third", test_withdrawn_before_the_third);
        g_test_add_func("/queue/refuse", test_refuse);
        g_test_add_func("/queue/none-is-forgotten", test_none_is_forgotten);
        g_test_add_func("/queue/free-of-nothing", test_free_of_nothing);
        r = g_test_run();

        peers_free(peers);
        return r;
}
