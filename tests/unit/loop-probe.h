/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <libvirt/libvirt.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virt/event_loop.h"

/* What the loop's tests share: a probe is a handle or a timeout that counts its callbacks and free callbacks
 * and checks what must hold in each. Calls of poll() are counted too: an idle loop makes one and a spinning
 * one thousands. Only libvirt's public functions are called. */

#define READABLE         VIR_EVENT_HANDLE_READABLE
#define WRITABLE         VIR_EVENT_HANDLE_WRITABLE
#define ERROR            VIR_EVENT_HANDLE_ERROR
#define HANGUP           VIR_EVENT_HANDLE_HANGUP

#define DEADLINE_SECONDS 60

typedef struct Probe {
        gboolean timeout; /* else a handle */
        int fd;
        int id;
        int calls;
        int frees;
        int events; /* of the last call */
        void (*action)(struct Probe *probe);
        struct Probe *other;
} Probe;

static GThread *main_thread;
static gboolean removing; /* the main thread is inside a remove call */
static int polls;         /* how often the main thread has polled, and now how many descriptors */
static guint polled_fds;

static inline int count_poll(GPollFD *fds, guint n_fds, int timeout)
{
        polled_fds = n_fds;
        g_atomic_int_inc(&polls);
        return g_poll(fds, n_fds, timeout);
}

static inline void on_free(void *opaque)
{
        Probe *probe = opaque;

        g_assert_true(g_thread_self() == main_thread);
        g_assert_false(removing);
        g_assert_cmpint(virEventRemoveHandle(INT_MAX), ==, -1); /* hangs if the lock is held here */
        g_assert_cmpint(g_atomic_int_add(&probe->frees, 1), ==, 0);
}

static inline void called(Probe *probe, int id, int events)
{
        int known = g_atomic_int_get(&probe->id); /* 0 while the thread that adds has not returned yet */

        g_assert_true(g_thread_self() == main_thread);
        g_assert_cmpint(g_atomic_int_get(&probe->frees), ==, 0);
        g_assert_true(known == 0 || known == id);

        probe->events = events;
        if (probe->action)
                probe->action(probe);
        g_atomic_int_inc(&probe->calls);
}

static inline void on_handle(int id, int fd, int events, void *opaque)
{
        Probe *probe = opaque;

        g_assert_cmpint(fd, ==, probe->fd);
        called(probe, id, events);
}

static inline void on_timeout(int id, void *opaque)
{
        called(opaque, id, 0);
}

/* @value: the events of a handle, the milliseconds of a timeout. */
static inline void probe_add(Probe *probe, int value)
{
        int id = probe->timeout ? virEventAddTimeout(value, on_timeout, probe, on_free)
                                : virEventAddHandle(probe->fd, value, on_handle, probe, on_free);

        g_assert_cmpint(id, >, 0);
        g_atomic_int_set(&probe->id, id);
}

static inline void probe_update(Probe *probe, int value)
{
        if (probe->timeout)
                virEventUpdateTimeout(probe->id, value);
        else
                virEventUpdateHandle(probe->id, value);
}

static inline int probe_remove(Probe *probe)
{
        gboolean is_main = g_thread_self() == main_thread;
        int r;

        if (is_main)
                removing = TRUE;

        r = probe->timeout ? virEventRemoveTimeout(probe->id) : virEventRemoveHandle(probe->id);

        if (is_main)
                removing = FALSE;

        return r;
}

/* What makes a probe ready at all times, and what makes it never ready. */
static inline int always(const Probe *probe)
{
        return probe->timeout ? 0 : READABLE;
}

static inline int never(const Probe *probe)
{
        return probe->timeout ? -1 : 0;
}

static inline void turn(int times)
{
        while (times-- > 0)
                g_main_context_iteration(NULL, FALSE);
}

static inline gboolean set_flag(gpointer flag)
{
        *(gboolean *)flag = TRUE;
        return G_SOURCE_REMOVE;
}

/* Blocks in poll() as the service does, so that a wake-up that is missing is a failure. */
static inline void wait_for(const int *counter, int least)
{
        gboolean late = FALSE;
        guint deadline = g_timeout_add_seconds(DEADLINE_SECONDS, set_flag, &late);

        while (g_atomic_int_get(counter) < least && !late)
                g_main_context_iteration(NULL, TRUE);

        g_assert_false(late);
        g_source_remove(deadline);
}

static inline int polls_within(unsigned milliseconds)
{
        gboolean over = FALSE;

        turn(3); /* what is due already does not count */
        g_timeout_add(milliseconds, set_flag, &over);
        turn(1);
        g_atomic_int_set(&polls, 0);
        while (!over)
                g_main_context_iteration(NULL, TRUE);

        return g_atomic_int_get(&polls);
}

static inline void remove_and_expect_free(Probe *probe)
{
        g_assert_cmpint(probe_remove(probe), ==, 0);
        g_assert_cmpint(probe->frees, ==, 0);
        g_assert_cmpint(probe_remove(probe), ==, -1);
        turn(5);
        g_assert_cmpint(probe->frees, ==, 1);
}

static inline int ready_fd(void)
{
        int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

        g_assert_cmpint(fd, >=, 0);
        return fd;
}

static inline void make_pair(int fds[2])
{
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
}

static inline void make_pipe(int fds[2])
{
        g_assert_cmpint(pipe2(fds, O_CLOEXEC | O_NONBLOCK), ==, 0);
}

static inline void put(int fd)
{
        g_assert_cmpint(write(fd, "x", 1), ==, 1);
}

static inline void read_one(Probe *probe)
{
        char byte;

        g_assert_cmpint(read(probe->fd, &byte, 1), ==, 1);
}

static inline int open_fds(void)
{
        g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
        int n = 0;

        while (g_dir_read_name(dir))
                n++;

        return n;
}

static inline void probes_begin(int *argc, char ***argv)
{
        g_test_init(argc, argv, NULL);
        main_thread = g_thread_self();
        g_main_context_set_poll_func(NULL, count_poll);
        event_loop_register();
}

/* A test for handles (@func gets NULL) and for timeouts (it does not). */
static inline void add_both(const char *title, GTestDataFunc func)
{
        g_autofree char *handle = g_strdup_printf("/loop/handle/%s", title);
        g_autofree char *timeout = g_strdup_printf("/loop/timeout/%s", title);

        g_test_add_data_func(handle, NULL, func);
        g_test_add_data_func(timeout, GINT_TO_POINTER(TRUE), func);
}
