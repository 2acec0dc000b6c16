/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/thread.h"

#include <glib.h>

static gpointer for_main(gpointer data)
{
        ASSERT_MAIN();
        return NULL;
}

static gpointer for_worker(gpointer data)
{
        ASSERT_WORKER();
        return NULL;
}

static void run_on_worker(GThreadFunc func)
{
        g_thread_join(g_thread_new("worker", func, NULL));
}

static void test_right(void)
{
        for_main(NULL);
        run_on_worker(for_worker);
}

static void test_main_on_worker(void)
{
        if (g_test_subprocess()) {
                run_on_worker(for_main);
                return;
        }

        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*for_main() was called on the wrong thread*the main thread*");
}

static void test_worker_on_main(void)
{
        if (g_test_subprocess()) {
                for_worker(NULL);
                return;
        }

        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*for_worker() was called on the wrong thread*a worker thread*");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/thread/right", test_right);
        g_test_add_func("/thread/main-on-worker", test_main_on_worker);
        g_test_add_func("/thread/worker-on-main", test_worker_on_main);

        return g_test_run();
}
