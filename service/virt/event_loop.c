/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's event API on the default GMainContext.
 *
 * libvirt changes the events of a connection's handle twice around every RPC, on the thread that makes the
 * RPC. So all handles live in one epoll set, and that set is the only descriptor GLib polls: adding, changing
 * and removing are an epoll_ctl() under a lock, cost the same with 10,000 handles as with one, take effect in
 * a poll that is already running, and never wake the main thread. A GSource per handle would cost a wake-up
 * and a pass over all sources for each change.
 *
 * libvirt calls in with locks of its own held, and its callbacks take those locks. Therefore the lock here is
 * never held over a callback, and free callbacks wait in a queue for the main loop.
 *
 * A timeout is a GSource. There are few (keep-alive and the delivery of events, for each connection), and
 * their ready times can be set from any thread. */

#include "virt/event_loop.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib.h>
#include <libvirt/libvirt.h>
#include <limits.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Events taken from epoll at a time, so that a flood leaves room for the other sources; what is left is
 * reported again in the next iteration. */
#define BATCH_MAX 64

/* What a handle and a timeout share. Referenced by its table and by a running callback. */
typedef struct Entry {
        int id;
        unsigned refs;
        void *opaque;
        virFreeCallback free;
} Entry;

typedef struct Handle {
        Entry entry; /* first, a Handle is an Entry */
        virEventHandleCallback callback;
        int fd;          /* libvirt's, which is passed to the callback */
        int poll_fd;     /* the same, or a substitute that is ours */
        uint32_t events; /* as epoll bits; 0: not polled at all, not even for EPOLLHUP */
} Handle;

typedef struct Timeout {
        Entry entry; /* first, a Timeout is an Entry */
        virEventTimeoutCallback callback;
        int frequency; /* ms; negative: disabled */
        gint64 due;    /* monotonic time; negative: never. The source may be ready before, and then finds out
                        */
        GSource *source;
} Timeout;

/* One per process, as libvirt's functions carry no user data. */
static struct {
        pthread_mutex_t lock; /* of the tables and what is in them */
        int epoll_fd;
        GSource *source;
        GHashTable *handles;  /* id to Handle */
        GHashTable *polled;   /* descriptor to the Handle that epoll has under that number */
        GHashTable *timeouts; /* id to Timeout */
        int last_handle, last_timeout;
        GQueue dead; /* Entries to free */
} loop = {.lock = PTHREAD_MUTEX_INITIALIZER, .epoll_fd = -1, .dead = G_QUEUE_INIT};

/* See timeouts_hold(). */
static __thread gboolean holding;

/* See event_loop_refuse(). */
static __thread int *refused;

static void *table_lookup(GHashTable *table, int key)
{
        return g_hash_table_lookup(table, GINT_TO_POINTER(key));
}

static void *table_steal(GHashTable *table, int key)
{
        void *value = NULL;

        g_hash_table_steal_extended(table, GINT_TO_POINTER(key), NULL, &value);
        return value;
}

/* A new id after *@last, or -1 when all have been used: none is used again, so that a late event cannot meet
 * what is new. */
static int next_id(int *last)
{
        return *last < INT_MAX ? ++*last : -1;
}

static uint32_t events_to_epoll(int events)
{
        return (events & VIR_EVENT_HANDLE_READABLE ? EPOLLIN : 0) |
               (events & VIR_EVENT_HANDLE_WRITABLE ? EPOLLOUT : 0) |
               (events & VIR_EVENT_HANDLE_ERROR ? EPOLLERR : 0) |
               (events & VIR_EVENT_HANDLE_HANGUP ? EPOLLHUP : 0);
}

static int events_from_epoll(uint32_t events)
{
        return (events & EPOLLIN ? VIR_EVENT_HANDLE_READABLE : 0) |
               (events & EPOLLOUT ? VIR_EVENT_HANDLE_WRITABLE : 0) |
               (events & EPOLLERR ? VIR_EVENT_HANDLE_ERROR : 0) |
               (events & EPOLLHUP ? VIR_EVENT_HANDLE_HANGUP : 0);
}

/* Drops a reference, with the lock held; the last has the main loop call the free callback. */
static void entry_unref(Entry *entry)
{
        ASSERT(entry->refs > 0);
        if (--entry->refs > 0)
                return;

        g_queue_push_tail(&loop.dead, entry);
        g_source_set_ready_time(loop.source, 0);
}

/* The same, without the lock. */
static void entry_release(Entry *entry)
{
        HOLD(&loop.lock);

        entry_unref(entry);
}

static GQueue take_dead(void)
{
        HOLD(&loop.lock);
        GQueue dead = loop.dead;

        g_queue_init(&loop.dead);
        g_source_set_ready_time(loop.source, -1);
        return dead;
}

/* Calls the free callbacks that are due; on the main thread, without the lock. */
static void free_dead(void)
{
        GQueue dead = take_dead();
        Entry *entry;

        while ((entry = g_queue_pop_head(&dead))) {
                if (entry->free)
                        entry->free(entry->opaque);
                g_free(entry);
        }
}

static int handle_control(Handle *handle, int operation)
{
        struct epoll_event event = {.events = handle->events, .data.u64 = (uint64_t)handle->entry.id};

        return epoll_ctl(loop.epoll_fd, operation, handle->poll_fd, &event) < 0 ? -errno : 0;
}

/* Whether epoll has @handle. Not so when its descriptor was closed behind our back and another handle got the
 * number: that entry is the other's and must not be touched. */
static gboolean handle_polled(Handle *handle)
{
        return table_lookup(loop.polled, handle->poll_fd) == handle;
}

static void handle_unpoll(Handle *handle)
{
        if (!handle_polled(handle))
                return;

        /* Fails where the descriptor was closed before; its entry is then gone already. */
        (void)handle_control(handle, EPOLL_CTL_DEL);
        table_steal(loop.polled, handle->poll_fd);
}

/* epoll takes a descriptor once, and a regular file never. The second handle of a descriptor is polled on a
 * duplicate; a regular file, which poll() calls always readable and writable, on an eventfd that is both. */
static int handle_substitute(Handle *handle, int error)
{
        int fd;

        if (handle->poll_fd != handle->fd)
                return error;

        fd = error == -EPERM ? eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK) : fcntl(handle->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;

        handle->poll_fd = fd;
        return handle_control(handle, EPOLL_CTL_ADD);
}

/* Gives handle->events to epoll. Returns 0 or a negative errno; then the handle is not polled. */
static int handle_poll(Handle *handle)
{
        gboolean polled = handle_polled(handle);
        int r;

        if (handle->events == 0) {
                handle_unpoll(handle);
                return 0;
        }

        r = handle_control(handle, polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
        if (!polled && (r == -EEXIST || r == -EPERM))
                r = handle_substitute(handle, r);

        if (r == 0)
                g_hash_table_insert(loop.polled, GINT_TO_POINTER(handle->poll_fd), handle);
        else if (polled)
                table_steal(loop.polled, handle->poll_fd);

        return r;
}

static void handle_close(Handle *handle)
{
        handle_unpoll(handle);

        if (handle->poll_fd != handle->fd)
                close(handle->poll_fd);
}

static int handle_add_to_loop(int fd, int events, virEventHandleCallback callback, void *opaque,
                              virFreeCallback ff)
{
        HOLD(&loop.lock);
        Handle *handle = g_new(Handle, 1);
        int id = next_id(&loop.last_handle);

        *handle = (Handle){
                .entry = {.id = id, .refs = 1, .opaque = opaque, .free = ff},
                .callback = callback,
                .fd = fd,
                .poll_fd = fd,
                .events = events_to_epoll(events),
        };

        if (id < 0 || handle_poll(handle) < 0) {
                handle_close(handle);
                g_free(handle); /* without the free callback: opaque stays the caller's */
                return -1;
        }

        g_hash_table_insert(loop.handles, GINT_TO_POINTER(id), handle);
        return id;
}

static int handle_add(int fd, int events, virEventHandleCallback callback, void *opaque, virFreeCallback ff)
{
        if (!refused)
                return handle_add_to_loop(fd, events, callback, opaque, ff);

        *refused = fd;
        return -1;
}

static void handle_update(int id, int events)
{
        HOLD(&loop.lock);
        Handle *handle = table_lookup(loop.handles, id);
        uint32_t wanted = events_to_epoll(events);
        int r;

        if (!handle)
                return;

        /* As libvirt does after each message that it was not asked for. */
        if (handle->events == wanted && handle_polled(handle))
                return;

        handle->events = wanted;
        r = handle_poll(handle);

        /* A descriptor that its owner closed too early is harmless. Anything else silences a connection, and
         * there is no way to report it to libvirt. */
        if (r < 0 && r != -EBADF && r != -ENOENT)
                g_warning("failed to change the events of libvirt's handle %d: %s", id, g_strerror(-r));
}

static int handle_remove(int id)
{
        HOLD(&loop.lock);
        Handle *handle = table_steal(loop.handles, id);

        if (!handle)
                return -1;

        handle_close(handle);
        entry_unref(&handle->entry);
        return 0;
}

/* Replaces the epoll set. An entry belongs to the open file: one whose number was closed while a duplicate or
 * a forked child keeps the file open stays, can no longer be named, and would end every poll at once. */
static void handles_rebuild(void)
{
        GHashTableIter iter;
        void *handle;
        int fd;

        fd = epoll_create1(EPOLL_CLOEXEC);
        if (fd < 0)
                return; /* out of descriptors; the stray entry brings us here again */

        /* The number that GLib polls stays. This cannot fail, both are open. */
        dup3(fd, loop.epoll_fd, O_CLOEXEC);
        close(fd);

        g_hash_table_iter_init(&iter, loop.polled);
        while (g_hash_table_iter_next(&iter, NULL, &handle))
                if (handle_control(handle, EPOLL_CTL_ADD) < 0)
                        g_hash_table_iter_remove(&iter);
}

static Handle *handle_find(const struct epoll_event *event)
{
        return table_lookup(loop.handles, (int)event->data.u64);
}

/* Takes up to BATCH_MAX events. Under the lock, so that an event of a handle that is not polled is known to
 * come from a stray entry, not from a removal on the way. */
static int handles_wait(struct epoll_event *events)
{
        HOLD(&loop.lock);
        gboolean stray = FALSE;
        int n = epoll_wait(loop.epoll_fd, events, BATCH_MAX, 0);

        for (int i = 0; i < n; i++) {
                Handle *handle = handle_find(&events[i]);

                stray = stray || !handle || !handle_polled(handle);
        }

        if (stray)
                handles_rebuild();

        return n;
}

/* The handle of @event, referenced; leaves in @event what to report to it. NULL if a callback before it, or
 * another thread, has removed the handle meanwhile or it is no longer interested. As with poll(), errors and
 * hang-ups are always reported. */
static Handle *handle_claim(struct epoll_event *event)
{
        HOLD(&loop.lock);
        Handle *handle = handle_find(event);

        if (!handle || handle->events == 0)
                return NULL;

        event->events &= handle->events | EPOLLERR | EPOLLHUP;
        if (event->events == 0)
                return NULL;

        handle->entry.refs++;
        return handle;
}

static void handle_dispatch(struct epoll_event *event)
{
        Handle *handle = handle_claim(event);

        if (!handle)
                return;

        handle->callback(handle->entry.id, handle->fd, events_from_epoll(event->events),
                         handle->entry.opaque);
        entry_release(&handle->entry);
}

/* Makes the source ready at the time that the timeout is due. */
static void timeout_arm(Timeout *timeout)
{
        g_source_set_ready_time(timeout->source, timeout->due);
}

/* The same where the source would be ready too late, or for nothing now. libvirt postpones its keep-alive
 * with each message, from whichever thread. Changing the time would wake the main loop, for nothing: it is
 * early enough to find out when the earlier time comes. */
static void timeout_rearm(Timeout *timeout)
{
        gint64 armed = g_source_get_ready_time(timeout->source);

        if (timeout->due < armed || armed <= g_get_monotonic_time())
                timeout_arm(timeout);
}

static void timeout_plan(Timeout *timeout)
{
        int frequency = timeout->frequency;

        timeout->due = frequency > 0 ? g_get_monotonic_time() + frequency * (gint64)1000 : MAX(frequency, -1);
}

/* The timeout, referenced and planned anew, or NULL when another thread has removed, disabled or postponed it
 * since GLib found it due. */
static Timeout *timeout_claim(int id, gint64 now)
{
        HOLD(&loop.lock);
        Timeout *timeout = table_lookup(loop.timeouts, id);
        gboolean due;

        if (!timeout)
                return NULL;

        due = timeout->due >= 0 && timeout->due <= now;
        if (due)
                timeout_plan(timeout); /* before the callback, whose own change then stands */
        if (!holding)
                timeout_arm(timeout);
        if (!due)
                return NULL;

        timeout->entry.refs++;
        return timeout;
}

static void timeout_run(int id, gint64 now)
{
        Timeout *timeout = timeout_claim(id, now);

        if (!timeout)
                return;

        timeout->callback(timeout->entry.id, timeout->entry.opaque);
        entry_release(&timeout->entry);
}

static gboolean timeout_dispatch(GSource *source, GSourceFunc callback, gpointer id)
{
        timeout_run(GPOINTER_TO_INT(id), g_source_get_time(source));
        return G_SOURCE_CONTINUE;
}

static GArray *due_ids(gint64 now)
{
        HOLD(&loop.lock);
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(int));
        GHashTableIter iter;
        gpointer each;

        g_hash_table_iter_init(&iter, loop.timeouts);
        while (g_hash_table_iter_next(&iter, NULL, &each)) {
                const Timeout *timeout = each;

                if (timeout->due >= 0 && timeout->due <= now)
                        g_array_append_val(ids, timeout->entry.id);
        }

        return ids;
}

static void rearm_all(void)
{
        HOLD(&loop.lock);
        GHashTableIter iter;
        gpointer timeout;

        g_hash_table_iter_init(&iter, loop.timeouts);
        while (g_hash_table_iter_next(&iter, NULL, &timeout))
                timeout_rearm(timeout);
}

/* Main thread. From the first to the second, timeouts that this thread changes leave their sources unchanged;
 * the second runs those that are due and updates the sources. Changing a source's time wakes the main loop,
 * even when the main loop itself changes it; and libvirt delivers each event with a timeout of 0. */
static void timeouts_hold(void)
{
        holding = TRUE;
}

static void timeouts_release(void)
{
        gint64 now = g_get_monotonic_time();
        g_autoptr(GArray) ids = due_ids(now);

        for (guint i = 0; i < ids->len; i++)
                timeout_run(g_array_index(ids, int, i), now);

        holding = FALSE;
        rearm_all();
}

static int timeout_add(int frequency, virEventTimeoutCallback callback, void *opaque, virFreeCallback ff)
{
        static GSourceFuncs funcs = {.dispatch = timeout_dispatch};
        HOLD(&loop.lock);
        Timeout *timeout;
        int id = next_id(&loop.last_timeout);

        if (id < 0)
                return -1;

        timeout = g_new(Timeout, 1);
        *timeout = (Timeout){
                .entry = {.id = id, .refs = 1, .opaque = opaque, .free = ff},
                .callback = callback,
                .frequency = frequency,
                .source = g_source_new(&funcs, sizeof(GSource)),
        };
        g_hash_table_insert(loop.timeouts, GINT_TO_POINTER(id), timeout);

        g_source_set_static_name(timeout->source, "libvirt timeout");
        g_source_set_callback(timeout->source, NULL, GINT_TO_POINTER(id), NULL);
        timeout_plan(timeout);
        timeout_arm(timeout);
        g_source_attach(timeout->source, NULL);
        return id;
}

static void timeout_update(int id, int frequency)
{
        HOLD(&loop.lock);
        Timeout *timeout = table_lookup(loop.timeouts, id);

        if (!timeout)
                return;

        timeout->frequency = frequency;
        timeout_plan(timeout);
        if (!holding)
                timeout_rearm(timeout);
}

static int timeout_remove(int id)
{
        HOLD(&loop.lock);
        Timeout *timeout = table_steal(loop.timeouts, id);

        if (!timeout)
                return -1;

        g_source_destroy(timeout->source);
        g_source_unref(timeout->source);
        entry_unref(&timeout->entry);
        return 0;
}

static gboolean loop_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
        struct epoll_event events[BATCH_MAX];
        int n;

        free_dead();

        n = handles_wait(events);
        timeouts_hold();
        for (int i = 0; i < n; i++)
                handle_dispatch(&events[i]);
        timeouts_release();

        return G_SOURCE_CONTINUE;
}

void event_loop_refuse(int *fd)
{
        refused = fd;
}

void event_loop_catch_up(void)
{
        ASSERT_MAIN();
        timeouts_hold();
        timeouts_release();
}

void event_loop_register(void)
{
        static GSourceFuncs funcs = {.dispatch = loop_dispatch};

        ASSERT_MAIN();
        ASSERT(!loop.source);

        loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop.epoll_fd < 0)
                g_error("failed to create the epoll set of libvirt's handles: %s", g_strerror(errno));

        loop.handles = g_hash_table_new(NULL, NULL);
        loop.polled = g_hash_table_new(NULL, NULL);
        loop.timeouts = g_hash_table_new(NULL, NULL);

        loop.source = g_source_new(&funcs, sizeof(GSource));
        g_source_set_static_name(loop.source, "libvirt handles");
        g_source_add_unix_fd(loop.source, loop.epoll_fd, G_IO_IN);
        /* No loop runs inside a dispatch. With this set, GLib need not take the descriptor out of the poll
         * set for each of them and put it back, which wakes the loop twice. */
        g_source_set_can_recurse(loop.source, TRUE);
        g_source_attach(loop.source, NULL);

        virEventRegisterImpl(handle_add, handle_update, handle_remove, timeout_add, timeout_update,
                             timeout_remove);
}
