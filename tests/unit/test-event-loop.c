/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>

#include "loop-probe.h"

/* libvirt's public event functions on the service's implementation, on one thread. */

static void test_handle_add(void)
{
        Probe probe = {.action = read_one}, unused = {};
        int fds[2];

        make_pipe(fds);
        probe.fd = fds[0];
        probe_add(&probe, READABLE);
        turn(3);
        g_assert_cmpint(probe.calls, ==, 0);

        put(fds[1]);
        put(fds[1]);
        turn(5);
        g_assert_cmpint(probe.calls, ==, 2); /* one per byte: as long as there is something to read */
        g_assert_cmpint(probe.events, ==, READABLE);

        remove_and_expect_free(&probe);
        close(fds[0]);
        close(fds[1]);
        g_assert_cmpint(virEventAddHandle(-1, READABLE, on_handle, &unused, on_free), ==, -1);
        g_assert_cmpint(virEventAddHandle(fds[0], READABLE, on_handle, &unused, on_free), ==, -1);
        turn(3);
        g_assert_cmpint(unused.frees, ==, 0);
}

static void test_handle_events(void)
{
        Probe reader = {}, writer = {}, watcher = {};
        int fds[2];

        make_pipe(fds);
        writer.fd = fds[1];
        probe_add(&writer, READABLE | WRITABLE);
        turn(1);
        g_assert_cmpint(writer.events, ==, WRITABLE);
        remove_and_expect_free(&writer);

        close(fds[1]);
        reader.fd = fds[0];
        probe_add(&reader, READABLE);
        turn(1);
        g_assert_cmpint(reader.events, ==, HANGUP); /* unasked, as with poll() */
        probe_update(&reader, HANGUP);
        turn(1);
        g_assert_cmpint(reader.calls, ==, 2);
        remove_and_expect_free(&reader);
        close(fds[0]);

        make_pipe(fds);
        close(fds[0]);
        watcher.fd = fds[1];
        probe_add(&watcher, ERROR);
        turn(1);
        g_assert_cmpint(watcher.events, ==, ERROR);
        remove_and_expect_free(&watcher);
        close(fds[1]);
}

static void test_handle_hangup_without_events(void)
{
        Probe probe = {};
        int fds[2];

        make_pair(fds);
        probe.fd = fds[0];
        probe_add(&probe, 0);
        close(fds[1]);
        g_assert_cmpint(polls_within(100), <=, 1);
        g_assert_cmpint(probe.calls, ==, 0);

        probe_update(&probe, READABLE);
        turn(1);
        g_assert_cmpint(probe.events, ==, READABLE | HANGUP);

        probe_update(&probe, 0);
        g_assert_cmpint(polls_within(100), <=, 1);
        g_assert_cmpint(probe.calls, ==, 1);

        remove_and_expect_free(&probe);
        close(fds[0]);
}

static void test_handle_same_fd_twice(void)
{
        Probe reader = {}, writer = {}, third = {};
        int before = open_fds(), fds[2];

        make_pair(fds);
        reader.fd = writer.fd = third.fd = fds[0];
        probe_add(&reader, READABLE);
        probe_add(&writer, WRITABLE);
        probe_add(&third, 0);
        put(fds[1]);
        turn(1);
        g_assert_cmpint(reader.events, ==, READABLE);
        g_assert_cmpint(writer.events, ==, WRITABLE);
        g_assert_cmpint(third.calls, ==, 0);

        remove_and_expect_free(&reader);
        probe_update(&third, READABLE);
        probe_update(&writer, READABLE);
        turn(1);
        g_assert_cmpint(writer.events, ==, READABLE);
        g_assert_cmpint(third.events, ==, READABLE);

        remove_and_expect_free(&writer);
        remove_and_expect_free(&third);
        close(fds[0]);
        close(fds[1]);
        g_assert_cmpint(open_fds(), ==, before);
}

static void test_handle_number_reused(gconstpointer first_events)
{
        Probe old = {}, new = {};
        int gone[2], fds[2];

        make_pipe(gone);
        make_pipe(fds);
        old.fd = new.fd = gone[0];
        probe_add(&old, READABLE);
        g_assert_cmpint(dup2(fds[0], gone[0]), ==, gone[0]); /* closes the old file */
        probe_add(&new, GPOINTER_TO_INT(first_events));

        remove_and_expect_free(&old);
        probe_update(&new, READABLE);
        put(fds[1]);
        turn(1);
        g_assert_cmpint(new.calls, ==, 1);
        g_assert_cmpint(old.calls, ==, 0);

        remove_and_expect_free(&new);
        close(gone[0]);
        close(gone[1]);
        close(fds[0]);
        close(fds[1]);
}

/* A file that a duplicate keeps open stays in epoll when its number is closed; nothing can take it out. */
static void test_handle_closed_with_duplicate(void)
{
        Probe closed = {}, live = {.action = read_one};
        int before = open_fds(), fds[2], live_fds[2], duplicate;

        make_pipe(live_fds);
        live.fd = live_fds[0];
        probe_add(&live, READABLE);

        make_pipe(fds);
        duplicate = dup(fds[0]);
        closed.fd = fds[0];
        probe_add(&closed, READABLE);
        close(fds[0]);
        remove_and_expect_free(&closed);

        put(fds[1]);
        g_assert_cmpint(polls_within(100), <=, 1);
        g_assert_cmpint(closed.calls, ==, 0);

        put(live_fds[1]);
        wait_for(&live.calls, 1);

        remove_and_expect_free(&live);
        close(duplicate);
        close(fds[1]);
        close(live_fds[0]);
        close(live_fds[1]);
        g_assert_cmpint(open_fds(), ==, before);
}

static void test_handle_regular_file(void)
{
        g_autofree char *path = NULL;
        Probe probe = {};

        probe.fd = g_file_open_tmp("test-loop-XXXXXX", &path, NULL);
        g_assert_cmpint(probe.fd, >=, 0);
        g_unlink(path);

        probe_add(&probe, READABLE | WRITABLE);
        turn(3);
        g_assert_cmpint(probe.calls, ==, 3);
        g_assert_cmpint(probe.events, ==, READABLE | WRITABLE);

        probe_update(&probe, 0);
        turn(3);
        g_assert_cmpint(probe.calls, ==, 3);
        remove_and_expect_free(&probe);
        close(probe.fd);
}

/* What holds for handles and timeouts alike; the argument tells which. */

static void probes_init(Probe *probes, int n, gconstpointer timeout)
{
        for (int i = 0; i < n; i++) {
                probes[i] = (Probe){.timeout = timeout != NULL, .fd = timeout ? -1 : ready_fd()};
                probes[i].other = &probes[n - 1 - i];
        }
}

static void probes_close(Probe *probes, int n)
{
        for (int i = 0; i < n; i++)
                if (probes[i].fd >= 0)
                        close(probes[i].fd);
}

static void test_update(gconstpointer timeout)
{
        Probe probe;

        probes_init(&probe, 1, timeout);
        probe_add(&probe, never(&probe));
        turn(3);
        g_assert_cmpint(probe.calls, ==, 0);

        probe_update(&probe, always(&probe));
        turn(3);
        g_assert_cmpint(probe.calls, ==, 3);

        probe_update(&probe, never(&probe));
        turn(3);
        g_assert_cmpint(probe.calls, ==, 3);

        remove_and_expect_free(&probe);
        probe_update(&probe, always(&probe)); /* of what is gone: ignored */
        turn(3);
        g_assert_cmpint(probe.calls, ==, 3);
        probes_close(&probe, 1);
}

static void test_remove(gconstpointer timeout)
{
        Probe probes[2], unknown = {.timeout = timeout != NULL, .id = INT_MAX};

        probes_init(probes, 2, timeout);
        g_assert_cmpint(probe_remove(&unknown), ==, -1);
        unknown.id = -1;
        g_assert_cmpint(probe_remove(&unknown), ==, -1);
        probe_update(&unknown, always(&unknown));

        probe_add(&probes[0], always(&probes[0]));
        turn(1);
        remove_and_expect_free(&probes[0]);
        g_assert_cmpint(probes[0].calls, ==, 1);

        probe_add(&probes[1], always(&probes[1]));
        g_assert_cmpint(probes[1].id, !=, probes[0].id);
        remove_and_expect_free(&probes[1]);
        g_assert_cmpint(probes[1].calls, ==, 0);
        probes_close(probes, 2);
}

static void test_no_free_callback(gconstpointer timeout)
{
        Probe probe;

        probes_init(&probe, 1, timeout);
        probe.id = timeout ? virEventAddTimeout(0, on_timeout, &probe, NULL)
                           : virEventAddHandle(probe.fd, READABLE, on_handle, &probe, NULL);
        turn(1);
        g_assert_cmpint(probe_remove(&probe), ==, 0);
        turn(3);
        g_assert_cmpint(probe.calls, ==, 1);
        probes_close(&probe, 1);
}

static void remove_other(Probe *probe)
{
        g_assert_cmpint(probe_remove(probe->other), ==, 0);
        g_assert_cmpint(probe_remove(probe->other), ==, -1);
        g_assert_cmpint(probe->other->frees, ==, 0);
        probe->action = NULL;
}

static void test_remove_in_own_callback(gconstpointer timeout)
{
        Probe probe;

        probes_init(&probe, 1, timeout);
        probe.action = remove_other; /* which is itself */
        probe_add(&probe, always(&probe));
        turn(5);
        g_assert_cmpint(probe.calls, ==, 1);
        g_assert_cmpint(probe.frees, ==, 1);
        probes_close(&probe, 1);
}

/* Both are ready; whichever is called first sees by @action to it that the other is not. */
static void turn_one_of_two(Probe probes[2], gconstpointer timeout, void (*action)(Probe *))
{
        probes_init(probes, 2, timeout);
        for (int i = 0; i < 2; i++) {
                probes[i].action = action;
                probe_add(&probes[i], always(&probes[i]));
        }

        turn(4);
        g_assert_true((probes[0].calls == 0) != (probes[1].calls == 0));
}

static void test_remove_other_in_callback(gconstpointer timeout)
{
        Probe probes[2];

        turn_one_of_two(probes, timeout, remove_other);
        g_assert_cmpint(probes[0].frees + probes[1].frees, ==, 1);
        remove_and_expect_free(probes[0].calls ? &probes[0] : &probes[1]);
        probes_close(probes, 2);
}

static void silence_other(Probe *probe)
{
        probe_update(probe->other, never(probe->other));
}

static void test_update_other_in_callback(gconstpointer timeout)
{
        Probe probes[2];

        turn_one_of_two(probes, timeout, silence_other);
        remove_and_expect_free(&probes[0]);
        remove_and_expect_free(&probes[1]);
        probes_close(probes, 2);
}

static void narrow_other(Probe *probe)
{
        probe_update(probe->other, ERROR);
}

/* As above, but the other is still interested in something, which is not what it was found ready for. */
static void test_handle_narrow_other_in_callback(void)
{
        Probe probes[2];

        turn_one_of_two(probes, NULL, narrow_other);
        remove_and_expect_free(&probes[0]);
        remove_and_expect_free(&probes[1]);
        probes_close(probes, 2);
}

/* As above, with hang-ups, which come unasked: but not any more when nothing is asked. */
static void test_handle_silence_hung_up_in_callback(void)
{
        Probe probes[2];
        int fds[2];

        for (int i = 0; i < 2; i++) {
                make_pipe(fds);
                close(fds[1]);
                probes[i] = (Probe){.fd = fds[0], .action = silence_other, .other = &probes[!i]};
                probe_add(&probes[i], READABLE);
        }

        turn(4);
        g_assert_true((probes[0].calls == 0) != (probes[1].calls == 0));
        remove_and_expect_free(&probes[0]);
        remove_and_expect_free(&probes[1]);
        probes_close(probes, 2);
}

static void test_update_in_own_callback(gconstpointer timeout)
{
        Probe probe;

        probes_init(&probe, 1, timeout);
        probe.action = silence_other; /* which is itself: stands against arming the timeout again */
        probe_add(&probe, always(&probe));
        turn(5);
        g_assert_cmpint(probe.calls, ==, 1);
        remove_and_expect_free(&probe);
        probes_close(&probe, 1);
}

static void test_timeout_period(void)
{
        Probe probe = {.timeout = TRUE}, disabled = {.timeout = TRUE};
        gint64 start = g_get_monotonic_time();

        probe_add(&probe, 20);
        probe_add(&disabled, -1);
        wait_for(&probe.calls, 3);
        g_assert_cmpint(g_get_monotonic_time() - start, >=, 60 * 1000);

        probe_update(&probe, -1);
        g_assert_cmpint(polls_within(100), <=, 1);
        g_assert_cmpint(probe.calls, ==, 3);

        start = g_get_monotonic_time();
        probe_update(&probe, 30);
        wait_for(&probe.calls, 4);
        g_assert_cmpint(g_get_monotonic_time() - start, >=, 30 * 1000);
        g_assert_cmpint(disabled.calls, ==, 0);

        remove_and_expect_free(&probe);
        remove_and_expect_free(&disabled);
}

static void slow_down(Probe *probe)
{
        probe_update(probe, 3600 * 1000);
}

static void test_timeout_slower_in_callback(void)
{
        Probe probe = {.timeout = TRUE, .action = slow_down};

        probe_add(&probe, 0);
        turn(5);
        g_assert_cmpint(probe.calls, ==, 1);
        g_assert_cmpint(polls_within(50), <=, 1);
        remove_and_expect_free(&probe);
}

static void silence_itself(Probe *probe)
{
        probe_update(probe, -1);
}

static void catch_up(Probe *probe)
{
        int before = probe->other->calls;

        event_loop_catch_up();
        g_assert_cmpint(probe->other->calls, ==, before + 1);
}

/* Each is run once, though the main loop has found it due as well. */
static void test_timeout_catch_up(void)
{
        Probe due = {.timeout = TRUE, .action = silence_itself}, later = {.timeout = TRUE};
        Probe handle = {.action = catch_up, .fd = ready_fd(), .other = &due};

        probe_add(&due, 0);
        probe_add(&later, 3600 * 1000);
        event_loop_catch_up();
        event_loop_catch_up();
        turn(3);
        g_assert_cmpint(due.calls, ==, 1);

        probe_update(&due, 0);
        probe_add(&handle, READABLE);
        turn(1);
        g_assert_cmpint(handle.calls, ==, 1);
        g_assert_cmpint(due.calls, ==, 2);

        remove_and_expect_free(&handle);
        remove_and_expect_free(&due);
        remove_and_expect_free(&later);
        g_assert_cmpint(later.calls, ==, 0);
        close(handle.fd);
}

int main(int argc, char **argv)
{
        probes_begin(&argc, &argv);

        g_test_add_func("/loop/handle/add", test_handle_add);
        g_test_add_func("/loop/handle/events", test_handle_events);
        g_test_add_func("/loop/handle/hangup-without-events", test_handle_hangup_without_events);
        g_test_add_func("/loop/handle/same-fd-twice", test_handle_same_fd_twice);
        g_test_add_data_func("/loop/handle/number-reused", GINT_TO_POINTER(READABLE),
                             test_handle_number_reused);
        g_test_add_data_func("/loop/handle/number-reused-later", NULL, test_handle_number_reused);
        g_test_add_func("/loop/handle/closed-with-duplicate", test_handle_closed_with_duplicate);
        g_test_add_func("/loop/handle/regular-file", test_handle_regular_file);
        g_test_add_func("/loop/handle/narrow-other-in-callback", test_handle_narrow_other_in_callback);
        g_test_add_func("/loop/handle/silence-hung-up-in-callback", test_handle_silence_hung_up_in_callback);
        g_test_add_func("/loop/timeout/period", test_timeout_period);
        g_test_add_func("/loop/timeout/slower-in-callback", test_timeout_slower_in_callback);
        g_test_add_func("/loop/timeout/catch-up", test_timeout_catch_up);
        add_both("update", test_update);
        add_both("remove", test_remove);
        add_both("no-free-callback", test_no_free_callback);
        add_both("remove-in-own-callback", test_remove_in_own_callback);
        add_both("remove-other-in-callback", test_remove_other_in_callback);
        add_both("update-other-in-callback", test_update_other_in_callback);
        add_both("update-in-own-callback", test_update_in_own_callback);

        return g_test_run();
}
