/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/background.h"
#include "base/main_queue.h"

#include <glib.h>

#define THREADS 4
#define EACH    10000

typedef struct Letter {
        unsigned thread, number;
} Letter;

static unsigned next_number[THREADS];
static unsigned received;

static void receive(void *data)
{
        g_autofree Letter *letter = data;

        /* The letters of one thread come in its order. */
        g_assert_cmpuint(letter->number, ==, next_number[letter->thread]);
        next_number[letter->thread]++;
        received++;
}

static gpointer sender(gpointer data)
{
        unsigned thread = GPOINTER_TO_UINT(data);

        for (unsigned i = 0; i < EACH; i++) {
                Letter *letter = g_new(Letter, 1);

                *letter = (Letter){thread, i};
                main_queue_post(receive, letter);
        }

        return NULL;
}

static void test_order(void)
{
        GThread *threads[THREADS];

        for (unsigned i = 0; i < THREADS; i++)
                threads[i] = g_thread_new("sender", sender, GUINT_TO_POINTER(i));
        while (received < THREADS * EACH)
                g_main_context_iteration(NULL, TRUE);
        for (unsigned i = 0; i < THREADS; i++)
                g_thread_join(threads[i]);
}

static void count(void *data)
{
        (*(unsigned *)data)++;
}

static void post_again(void *data)
{
        unsigned *calls = data;

        if (++*calls < 3)
                main_queue_post(post_again, calls);
}

static void test_later(void)
{
        unsigned calls = 0;

        main_queue_post(count, &calls);
        g_assert_cmpuint(calls, ==, 0);
        g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(calls, ==, 1);
}

static void test_from_within(void)
{
        unsigned calls = 0;

        main_queue_post(post_again, &calls);
        for (unsigned i = 1; i <= 3; i++) {
                g_main_context_iteration(NULL, TRUE);
                g_assert_cmpuint(calls, ==, i);
        }

        /* And nothing is left that would wake anybody. */
        g_assert_false(g_main_context_iteration(NULL, FALSE));
}

typedef struct Work {
        GThread *worker;
        GThread *answered;
} Work;

static void work(void *data)
{
        ((Work *)data)->worker = g_thread_self();
}

static void worked(void *data)
{
        ((Work *)data)->answered = g_thread_self();
}

static void post_once(void *data)
{
        count(data);
        main_queue_post(count, data);
}

static void post_twice(void *data)
{
        count(data);
        main_queue_post(post_once, data);
}

/* At the end, where no loop runs any more: a letter that posts one, and that one too. */
static void test_flush(void)
{
        unsigned calls = 0;

        main_queue_flush();
        main_queue_post(post_twice, &calls);
        g_assert_cmpuint(calls, ==, 0);
        main_queue_flush();
        g_assert_cmpuint(calls, ==, 3);

        /* The loop that looks in vain. */
        while (g_main_context_iteration(NULL, FALSE))
                ;
        g_assert_cmpuint(calls, ==, 3);
}

static void test_job(void)
{
        Work each = {};

        background_run(work, worked, &each);
        g_assert_cmpuint(background_running(), ==, 1);
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_true(each.worker && each.worker != g_thread_self());
        g_assert_true(each.answered == g_thread_self());
}

#define SHUTDOWNS 3000

static void ignore(void *data)
{
}

static gpointer nuisance(gpointer data)
{
        while (!g_atomic_int_get((int *)data))
                main_queue_post(ignore, NULL);

        return NULL;
}

/* Workers post to the end, and after it: the mailbox may go between a letter and the bell. */
static void test_shutdown(void)
{
        int over = FALSE;
        GThread *thread = g_thread_new("nuisance", nuisance, &over);

        for (unsigned i = 0; i < SHUTDOWNS; i++) {
                g_main_context_iteration(NULL, FALSE);
                main_queue_shutdown();
                main_queue_init();
        }

        g_atomic_int_set(&over, TRUE);
        g_thread_join(thread);
        while (g_main_context_iteration(NULL, FALSE))
                continue;
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        main_queue_init();
        g_test_add_func("/post/order", test_order);
        g_test_add_func("/post/later", test_later);
        g_test_add_func("/post/from-within", test_from_within);
        g_test_add_func("/post/flush", test_flush);
        g_test_add_func("/post/job", test_job);
        g_test_add_func("/post/shutdown", test_shutdown);
        r = g_test_run();
        main_queue_shutdown();
        return r;
}
