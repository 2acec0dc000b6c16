/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/send_queue.h"

#define KIB 1024

static const Limits limits = {.output_bytes = 64 * KIB, .bus_timeout = 20};

/* What is written at once takes no room. */
static void test_nothing_waits(void)
{
        SendQueue *output = send_queue_new(&limits);

        for (unsigned i = 0; i < 1000; i++)
                send_queue_sent(output, 10 * KIB, 0);
        g_assert_false(send_queue_is_behind(output));
        g_assert_true(send_queue_has_room(output, 64 * KIB));
        g_assert_false(send_queue_has_room(output, 64 * KIB + 1));
        g_assert_cmpint(send_queue_deadline(output), ==, -1);
        send_queue_free(output);
}

/* The oldest are written first, so that the sizes of the last ones count. */
static void test_sizes(void)
{
        SendQueue *output = send_queue_new(&limits);

        send_queue_sent(output, 40 * KIB, 1);
        send_queue_sent(output, 3 * KIB, 2);
        g_assert_true(send_queue_is_behind(output));
        g_assert_true(send_queue_has_room(output, 19 * KIB));
        g_assert_false(send_queue_has_room(output, 19 * KIB + 1));

        send_queue_look(output, 1, TRUE, 1);
        g_assert_false(send_queue_is_behind(output));
        g_assert_true(send_queue_has_room(output, 60 * KIB));
        g_assert_false(send_queue_has_room(output, 60 * KIB + 1));

        send_queue_look(output, 0, TRUE, 2);
        g_assert_true(send_queue_has_room(output, 64 * KIB));
        send_queue_free(output);
}

/* sd-bus sends messages of its own, whose size nobody knows. */
static void test_messages_of_others(void)
{
        SendQueue *output = send_queue_new(&limits);

        send_queue_look(output, 16, FALSE, 1);
        g_assert_false(send_queue_is_behind(output));
        send_queue_look(output, 17, FALSE, 1);
        g_assert_true(send_queue_is_behind(output));

        /* Two of ours behind them: what is known of is never forgotten too early. */
        send_queue_sent(output, 10 * KIB, 18);
        send_queue_sent(output, 10 * KIB, 19);
        send_queue_look(output, 2, TRUE, 2);
        g_assert_false(send_queue_has_room(output, 42 * KIB + 1));
        send_queue_look(output, 1, TRUE, 3);
        g_assert_false(send_queue_has_room(output, 53 * KIB + 1));
        send_queue_free(output);
}

static void test_deadline(void)
{
        SendQueue *output = send_queue_new(&limits);
        const gint64 wait = 20 * G_TIME_SPAN_SECOND;

        send_queue_look(output, 1, FALSE, 1000);
        g_assert_cmpint(send_queue_deadline(output), ==, 1000 + wait);
        /* That there is more to read is no progress. */
        send_queue_look(output, 2, FALSE, 2000);
        g_assert_cmpint(send_queue_deadline(output), ==, 1000 + wait);
        send_queue_look(output, 2, TRUE, 3000);
        g_assert_cmpint(send_queue_deadline(output), ==, 3000 + wait);
        send_queue_look(output, 0, TRUE, 4000);
        g_assert_cmpint(send_queue_deadline(output), ==, -1);
        send_queue_look(output, 1, FALSE, 5000);
        g_assert_cmpint(send_queue_deadline(output), ==, 5000 + wait);
        send_queue_free(output);
}

static void test_no_limits(void)
{
        const Limits none = {};
        SendQueue *output = send_queue_new(&none);

        send_queue_sent(output, G_MAXUINT32, 1);
        send_queue_look(output, 1, FALSE, 1);
        g_assert_false(send_queue_is_behind(output));
        g_assert_true(send_queue_has_room(output, G_MAXUINT32));
        g_assert_cmpint(send_queue_deadline(output), ==, -1);
        send_queue_free(output);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/output/nothing-waits", test_nothing_waits);
        g_test_add_func("/output/sizes", test_sizes);
        g_test_add_func("/output/messages-of-others", test_messages_of_others);
        g_test_add_func("/output/deadline", test_deadline);
        g_test_add_func("/output/no-limits", test_no_limits);
        return g_test_run();
}
