/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "job.h"
#include "post.h"

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
                post(receive, letter);
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
                post(post_again, calls);
}

static void test_later(void)
{
        unsigned calls = 0;

        post(count, &calls);
        g_assert_cmpuint(calls, ==, 0);
        g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(calls, ==, 1);
}

static void test_from_within(void)
{
        unsigned calls = 0;

        post(post_again, &calls);
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

static void test_job(void)
{
        Work each = {};

        job_start(work, worked, &each);
        g_assert_cmpuint(jobs_running(), ==, 1);
        while (jobs_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_true(each.worker && each.worker != g_thread_self());
        g_assert_true(each.answered == g_thread_self());
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        post_init();
        g_test_add_func("/post/order", test_order);
        g_test_add_func("/post/later", test_later);
        g_test_add_func("/post/from-within", test_from_within);
        g_test_add_func("/post/job", test_job);
        r = g_test_run();
        post_shutdown();
        return r;
}
