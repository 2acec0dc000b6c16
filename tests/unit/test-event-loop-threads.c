/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/resource.h>

#include "loop-probe.h"

/* libvirt's public event functions called from other threads while the main one dispatches; many handles; and
 * that an idle loop sleeps. */

#define MANY_HANDLES 10000
#define RACE_UPDATES 20000
#define RACE_WATCHES 2000
#define RACE_THREADS 2

/* On another thread: until the main thread polls, counting from when this thread was made. */
static void await_poll(void)
{
        gint64 deadline = g_get_monotonic_time() + DEADLINE_SECONDS * G_USEC_PER_SEC;

        while (g_atomic_int_get(&polls) == 0) {
                g_assert_cmpint(g_get_monotonic_time(), <, deadline);
                g_thread_yield();
        }
}

static GThread *thread_new(GThreadFunc func, void *data)
{
        turn(3); /* what is due already is no poll to wait for */
        g_atomic_int_set(&polls, 0);
        return g_thread_new("test", func, data);
}

static void probe_init(Probe *probe, gconstpointer timeout)
{
        *probe = (Probe){.timeout = timeout != NULL, .fd = timeout ? -1 : ready_fd()};
}

static void probe_close(Probe *probe)
{
        if (probe->fd >= 0)
                close(probe->fd);
}

static void *enable_thread(void *data)
{
        Probe *probe = data;

        await_poll();
        probe_update(probe, always(probe));
        return NULL;
}

/* The main thread sleeps in poll() with nothing that would end it but the update. */
static void test_update_wakes(gconstpointer timeout)
{
        GThread *thread;
        Probe probe;

        probe_init(&probe, timeout);
        probe_add(&probe, never(&probe));
        thread = thread_new(enable_thread, &probe);
        wait_for(&probe.calls, 1);
        g_thread_join(thread);

        remove_and_expect_free(&probe);
        probe_close(&probe);
}

static int stop_updates;

static void *update_thread(void *data)
{
        Probe *probe = data;

        for (int i = 0; i < RACE_UPDATES || !g_atomic_int_get(&stop_updates); i++)
                probe_update(probe, i % 2 ? never(probe) : always(probe));

        probe_update(probe, never(probe));
        return NULL;
}

static void test_update_race(gconstpointer timeout)
{
        GThread *thread;
        Probe probe;
        int calls;

        probe_init(&probe, timeout);
        probe_add(&probe, never(&probe));
        g_atomic_int_set(&stop_updates, FALSE);

        thread = thread_new(update_thread, &probe);
        wait_for(&probe.calls, 1000);
        g_atomic_int_set(&stop_updates, TRUE);
        g_thread_join(thread);

        calls = probe.calls;
        turn(5);
        g_assert_cmpint(probe.calls, ==, calls); /* its last word was "never" */
        g_assert_cmpint(polls_within(50), <=, 1);

        remove_and_expect_free(&probe);
        probe_close(&probe);
}

static void *remove_thread(void *data)
{
        g_assert_cmpint(probe_remove(data), ==, 0);
        g_assert_cmpint(probe_remove(data), ==, -1);
        return NULL;
}

static void test_free_after_remove_by_thread(gconstpointer timeout)
{
        Probe probe;
        int calls;

        probe_init(&probe, timeout);
        probe_add(&probe, always(&probe));
        turn(1);
        g_thread_join(thread_new(remove_thread, &probe));
        g_assert_cmpint(probe.frees, ==, 0);
        calls = probe.calls;

        wait_for(&probe.frees, 1);
        turn(5);
        g_assert_cmpint(probe.frees, ==, 1);
        g_assert_cmpint(probe.calls, ==, calls);
        probe_close(&probe);
}

static void *remove_asleep_thread(void *data)
{
        await_poll();
        return remove_thread(data);
}

static void test_remove_wakes(gconstpointer timeout)
{
        GThread *thread;
        Probe probe;

        probe_init(&probe, timeout);
        probe_add(&probe, never(&probe));
        thread = thread_new(remove_asleep_thread, &probe);
        wait_for(&probe.frees, 1);
        g_thread_join(thread);
        probe_close(&probe);
}

/* Every second watch is removed at once, the others when they have been called, most likely while they are
 * called again. */
static void *churn_thread(void *data)
{
        Probe *probes = data;

        for (int i = 0; i < RACE_WATCHES; i++) {
                probe_add(&probes[i], always(&probes[i]));
                while (i % 2 && g_atomic_int_get(&probes[i].calls) == 0)
                        g_thread_yield();

                g_assert_cmpint(probe_remove(&probes[i]), ==, 0);
        }

        return NULL;
}

/* Handles of all threads are on the same descriptor. */
static void test_remove_race(gconstpointer timeout)
{
        g_autofree Probe *probes = g_new(Probe, RACE_THREADS * RACE_WATCHES);
        GThread *threads[RACE_THREADS];
        Probe model;

        probe_init(&model, timeout);
        for (int i = 0; i < RACE_THREADS * RACE_WATCHES; i++)
                probes[i] = model;

        for (int i = 0; i < RACE_THREADS; i++)
                threads[i] = thread_new(churn_thread, probes + i * RACE_WATCHES);

        for (int i = 0; i < RACE_THREADS * RACE_WATCHES; i++)
                wait_for(&probes[i].frees, 1);

        for (int i = 0; i < RACE_THREADS; i++)
                g_thread_join(threads[i]);

        turn(5);
        for (int i = 0; i < RACE_THREADS * RACE_WATCHES; i++)
                g_assert_cmpint(probes[i].frees, ==, 1);

        probe_close(&model);
}

static void drain(Probe *probe)
{
        eventfd_t value;

        g_assert_cmpint(eventfd_read(probe->fd, &value), ==, 0);
}

static gboolean raise_descriptor_limit(void)
{
        struct rlimit limit;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        if (limit.rlim_max < MANY_HANDLES + 100)
                return FALSE;

        limit.rlim_cur = limit.rlim_max;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        return TRUE;
}

static int sum_calls(const Probe *probes)
{
        int sum = 0;

        for (int i = 0; i < MANY_HANDLES; i++)
                sum += probes[i].calls;

        return sum;
}

static void *refusing_thread(void *data)
{
        Probe *probe = data;
        int fd = -1;

        event_loop_refuse(&fd);
        g_assert_cmpint(virEventAddHandle(probe->fd, READABLE, on_handle, probe, on_free), ==, -1);
        g_assert_cmpint(fd, ==, probe->fd);
        event_loop_refuse(NULL);
        return NULL;
}

/* One thread's handles, and those of no other. */
static void test_refuse(void)
{
        Probe refused, taken;
        int fd = -1;

        probe_init(&refused, NULL);
        probe_init(&taken, NULL);
        event_loop_refuse(&fd);
        g_thread_join(g_thread_new("refusing", refusing_thread, &refused));
        /* That thread's end of it is not this one's. */
        g_assert_cmpint(virEventAddHandle(taken.fd, READABLE, on_handle, &taken, on_free), ==, -1);
        g_assert_cmpint(fd, ==, taken.fd);
        event_loop_refuse(NULL);

        probe_add(&taken, READABLE);
        turn(3);
        g_assert_cmpint(taken.calls, >, 0);
        g_assert_cmpint(refused.calls + refused.frees, ==, 0);
        probe_remove(&taken);
        turn(3);
        g_assert_cmpint(taken.frees, ==, 1);
        probe_close(&taken);
        probe_close(&refused);
}

static void test_many(void)
{
        g_autofree Probe *probes = g_new0(Probe, MANY_HANDLES);
        guint fds_without;

        if (!raise_descriptor_limit()) {
                g_test_skip("the hard limit of open files is too low");
                return;
        }

        turn(3);
        fds_without = polled_fds;

        for (int i = 0; i < MANY_HANDLES; i++) {
                probes[i] = (Probe){.fd = ready_fd(), .action = drain};
                drain(&probes[i]);
                probe_add(&probes[i], READABLE);
        }

        turn(3);
        g_assert_cmpuint(polled_fds, ==, fds_without);
        g_assert_cmpint(polls_within(50), <=, 1);
        g_assert_cmpint(sum_calls(probes), ==, 0);

        /* One of them is one callback, at once. */
        eventfd_write(probes[MANY_HANDLES / 2].fd, 1);
        turn(1);
        g_assert_cmpint(probes[MANY_HANDLES / 2].calls, ==, 1);
        turn(5);
        g_assert_cmpint(sum_calls(probes), ==, 1);

        /* All of them are one callback each, and not all in one iteration: others are let in between. */
        for (int i = 0; i < MANY_HANDLES; i++)
                eventfd_write(probes[i].fd, 1);

        turn(1);
        g_assert_cmpint(sum_calls(probes), <, MANY_HANDLES / 10);
        for (int i = 0; i < MANY_HANDLES; i++)
                wait_for(&probes[i].calls, i == MANY_HANDLES / 2 ? 2 : 1);

        turn(5);
        g_assert_cmpint(sum_calls(probes), ==, MANY_HANDLES + 1);

        for (int i = 0; i < MANY_HANDLES; i++)
                g_assert_cmpint(probe_remove(&probes[i]), ==, 0);

        turn(5);
        for (int i = 0; i < MANY_HANDLES; i++) {
                g_assert_cmpint(probes[i].frees, ==, 1);
                close(probes[i].fd);
        }
}

typedef struct Sleep {
        Probe handle;
        GMainLoop *loop;
        int polls_seen;
} Sleep;

/* libvirt's changes around an RPC, many times, and then nothing for a while. */
static void *rpc_thread(void *data)
{
        Sleep *sleep = data;

        await_poll();
        for (int i = 0; i < 1000; i++) {
                virEventUpdateHandle(sleep->handle.id, 0);
                virEventUpdateHandle(sleep->handle.id, READABLE);
        }

        g_usleep(300 * 1000); /* the interval in which nothing may happen */
        sleep->polls_seen = g_atomic_int_get(&polls);
        g_main_loop_quit(sleep->loop);
        return NULL;
}

static void test_idle(void)
{
        g_autoptr(GMainLoop) main_loop = g_main_loop_new(NULL, FALSE);
        Sleep sleep = {.loop = main_loop};
        Probe timeout = {.timeout = TRUE};
        GThread *thread;
        int fds[2];

        make_pair(fds);
        sleep.handle.fd = fds[0];
        probe_add(&sleep.handle, READABLE);
        probe_add(&timeout, -1);

        thread = thread_new(rpc_thread, &sleep);
        g_main_loop_run(main_loop);
        g_thread_join(thread);
        g_assert_cmpint(sleep.polls_seen, ==, 1); /* the one it slept in */

        put(fds[1]);
        wait_for(&sleep.handle.calls, 1);

        remove_and_expect_free(&sleep.handle);
        remove_and_expect_free(&timeout);
        close(fds[0]);
        close(fds[1]);
}

static void receive(Probe *probe)
{
        read_one(probe);
        probe_update(probe->other, 0);
        probe_update(probe, READABLE);
}

static void fall_silent(Probe *probe)
{
        probe_update(probe, -1);
}

/* What libvirt does with an event takes one poll, and leaves nothing that would end the next one. */
static void test_event_takes_one_poll(void)
{
        Probe timeout = {.timeout = TRUE, .action = fall_silent};
        Probe handle = {.action = receive, .other = &timeout};
        int fds[2];

        make_pair(fds);
        handle.fd = fds[0];
        probe_add(&timeout, -1);
        probe_add(&handle, READABLE);
        turn(3);

        g_atomic_int_set(&polls, 0);
        for (int i = 1; i <= 3; i++) {
                put(fds[1]);
                g_main_context_iteration(NULL, TRUE);
                g_assert_cmpint(timeout.calls, ==, i);
                g_assert_cmpint(g_atomic_int_get(&polls), ==, i);
        }

        g_assert_cmpint(polls_within(50), <=, 1);
        g_assert_cmpint(handle.calls, ==, 3);
        remove_and_expect_free(&handle);
        remove_and_expect_free(&timeout);
        close(fds[0]);
        close(fds[1]);
}

int main(int argc, char **argv)
{
        probes_begin(&argc, &argv);

        add_both("update-wakes", test_update_wakes);
        add_both("update-race", test_update_race);
        add_both("remove-wakes", test_remove_wakes);
        add_both("remove-race", test_remove_race);
        add_both("free-after-remove-by-thread", test_free_after_remove_by_thread);
        g_test_add_func("/loop/handle/many", test_many);
        g_test_add_func("/loop/handle/refuse", test_refuse);
        g_test_add_func("/loop/idle", test_idle);
        g_test_add_func("/loop/event-takes-one-poll", test_event_takes_one_poll);

        return g_test_run();
}
