/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Between the bus's socket and sd-bus: stand-ins for descriptors. */

#include "bus/descriptors.h"

#include "base/assert.h"
#include "base/closer.h"
#include "base/thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a message begins with, up to the length of its fields. */
#define HEADER 16

/* When only so many numbers, or this part of them, are left, reading waits until the descriptors of refused
 * messages are closed, which takes a moment, so that the next message finds room. */
#define SCARCE      512
#define SCARCE_PART 2
#define SCARCE_MS   10

/* sd-bus accepts so much for a path, which is one of the fields. No sensible call has more fields than this
 * and descriptors as well. */
#define FIELDS_MAX (1 << 16)

/* Those of one message. */
typedef struct Arrival {
        int n;
        int *sent;      /* by the caller; -1 ends it */
        int *stand_ins; /* numbers of descriptors that sd-bus has and closes */
        int hangup;     /* the pipe's reading end */
        dev_t dev;      /* of the pipe, */
        ino_t ino;      /* so that a number that came to mean another file is noticed */
} Arrival;

/* Where in a message the socket's bytes are. sd-bus never reads over the end of one. */
typedef struct Frame {
        unsigned char header[HEADER];
        guint64 have, size; /* bytes read, and all; @size is 0 until it is known, as @fields is */
        guint64 fields;     /* bytes of the header's fields */
} Frame;

static struct {
        sd_bus *bus;
        int fd; /* of its socket, -1 for none; atomic: the threads of libvirt read from others */
        Frame frame;
        Arrival *newest;       /* of the message that is read, or was last, while its fate is not known */
        uint64_t queued;       /* sd-bus's messages when that one came */
        GHashTable *stand_ins; /* number to Arrival */
        GHashTable *arrivals;  /* the set of them */
        int highest;  /* number of what came with the message that is read, and of its stand-ins; or 0 */
        int brought;  /* with that message */
        int epoll;    /* over their pipes; */
        guint source; /* of the main loop while there are any */
        guint64 dropped;
} watched = {.fd = -1, .epoll = -1};

static gboolean is_stand_in(const Arrival *arrival, int fd)
{
        struct stat now;

        return fstat(fd, &now) == 0 && now.st_dev == arrival->dev && now.st_ino == arrival->ino;
}

static void arrival_free(Arrival *arrival)
{
        if (watched.newest == arrival)
                watched.newest = NULL;

        /* The number may belong to a later message already. */
        for (int i = 0; i < arrival->n; i++)
                if (g_hash_table_lookup(watched.stand_ins, GINT_TO_POINTER(arrival->stand_ins[i])) == arrival)
                        g_hash_table_remove(watched.stand_ins, GINT_TO_POINTER(arrival->stand_ins[i]));

        g_hash_table_remove(watched.arrivals, arrival);
        if (g_hash_table_size(watched.arrivals) == 0)
                g_clear_handle_id(&watched.source, g_source_remove);
        close(arrival->hangup);
        closer_take(arrival->sent);
        g_free(arrival->stand_ins);
        g_free(arrival);
}

/* Fills @fds with @n duplicates of @fd, or with none. */
static gboolean duplicate(int fd, int *fds, int n)
{
        for (int i = 0; i < n; i++) {
                /* sd-bus gives those below another number. */
                fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
                if (fds[i] >= 0)
                        continue;

                while (i-- > 0)
                        close(fds[i]);
                return FALSE;
        }

        return TRUE;
}

/* The stand-ins for @n descriptors, their pipe at @hangup; FALSE when there are not enough. */
static gboolean make_stand_ins(int *fds, int n, int *hangup, struct stat *identity)
{
        struct epoll_event event = {};
        int ends[2];
        gboolean made;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return FALSE;

        made = fstat(ends[1], identity) == 0 && duplicate(ends[1], fds, n);
        close(ends[1]);

        if (made && epoll_ctl(watched.epoll, EPOLL_CTL_ADD, ends[0], &event) == 0) {
                *hangup = ends[0];
                return TRUE;
        }

        for (int i = 0; made && i < n; i++)
                close(fds[i]);
        close(ends[0]);
        return FALSE;
}

/* Lets go of what sd-bus has closed. */
static void collect(void)
{
        struct epoll_event events[64];
        int n;

        while ((n = epoll_wait(watched.epoll, events, G_N_ELEMENTS(events), 0)) > 0)
                for (int i = 0; i < n; i++)
                        arrival_free(events[i].data.ptr);
}

static gboolean on_hangup(gint fd, GIOCondition condition, gpointer user_data)
{
        collect();
        return G_SOURCE_CONTINUE;
}

static void note_numbers(const int *fds, int n)
{
        for (int i = 0; i < n; i++)
                watched.highest = MAX(watched.highest, fds[i]);
}

static void arrival_add(Arrival *arrival)
{
        struct epoll_event event = {.data.ptr = arrival};

        epoll_ctl(watched.epoll, EPOLL_CTL_MOD, arrival->hangup, &event);
        for (int i = 0; i < arrival->n; i++)
                g_hash_table_insert(watched.stand_ins, GINT_TO_POINTER(arrival->stand_ins[i]), arrival);
        g_hash_table_add(watched.arrivals, arrival);
        watched.newest = arrival;
        if (!watched.source)
                watched.source = g_unix_fd_add(watched.epoll, G_IO_IN, on_hangup, NULL);
}

/* Puts stand-ins into the place of @n descriptors at @fds. */
static void replace(int *fds, int n)
{
        g_autofree int *stand_ins = g_new(int, MAX(n, 1));
        struct stat identity;
        Arrival *arrival;
        int hangup;

        note_numbers(fds, n);
        watched.brought += n;
        if (n <= 0 || !make_stand_ins(stand_ins, n, &hangup, &identity))
                return;

        note_numbers(stand_ins, n);
        arrival = g_new(Arrival, 1);
        *arrival = (Arrival){.n = n, .hangup = hangup, .dev = identity.st_dev, .ino = identity.st_ino};
        arrival->sent = g_new(int, n + 1);
        memcpy(arrival->sent, fds, (size_t)n * sizeof(int));
        arrival->sent[n] = -1;
        memcpy(fds, stand_ins, (size_t)n * sizeof(int));
        arrival->stand_ins = g_steal_pointer(&stand_ins);
        arrival_add(arrival);
}

/* Powers of two: any user can have this logged. */
static void note_dropped(int n)
{
        watched.dropped++;
        if ((watched.dropped & (watched.dropped - 1)) == 0)
                g_warning(
                        "libsystemd drops a message with %d descriptors, which are closed; %" G_GUINT64_FORMAT
                        " such messages so far",
                        n, watched.dropped);
}

static void discard(const int *fds, int n)
{
        int *sent = g_new(int, n + 1);

        memcpy(sent, fds, (size_t)n * sizeof(int));
        sent[n] = -1;
        note_dropped(n);
        closer_take(sent);
}

/* Has sd-bus get none of the descriptors that were sent; for a message that it is going to drop for its path,
 * no stand-ins either: it would lose the list of them. If not for its path it drops that for their number. */
static void take_out(struct msghdr *message)
{
        gboolean drops = watched.frame.fields > FIELDS_MAX;

        for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
                int *fds = (int *)(void *)CMSG_DATA(each);
                int n = (int)((each->cmsg_len - CMSG_LEN(0)) / sizeof(int));

                if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
                        continue;

                if (drops)
                        discard(fds, n);
                else
                        replace(fds, n);
        }

        if (drops)
                message->msg_controllen = 0;
}

static guint64 header_uint32(const Frame *frame, size_t offset)
{
        guint32 value;

        memcpy(&value, frame->header + offset, sizeof value);
        return frame->header[0] == 'B' ? GUINT32_FROM_BE(value) : GUINT32_FROM_LE(value);
}

static gboolean frame_is_complete(const Frame *frame)
{
        return frame->size > 0 && frame->have == frame->size;
}

/* @n more bytes were read. FALSE when they do not look like those of messages, read one at a time. */
static gboolean frame_add(Frame *frame, const unsigned char *bytes, size_t n)
{
        if (frame_is_complete(frame))
                *frame = (Frame){};

        if (frame->have < HEADER)
                memcpy(frame->header + frame->have, bytes, MIN(n, HEADER - frame->have));
        frame->have += n;

        if (frame->header[0] != 'l' && frame->header[0] != 'B')
                return FALSE;

        if (frame->size == 0 && frame->have >= HEADER) {
                frame->fields = header_uint32(frame, 12);
                frame->size = HEADER + ((frame->fields + 7) & ~(guint64)7) + header_uint32(frame, 4);
        }

        return frame->size == 0 || frame->have <= frame->size;
}

static uint64_t queued(void)
{
        uint64_t n = 0;

        return sd_bus_get_n_queued_read(watched.bus, &n) < 0 ? 0 : n;
}

/* sd-bus has lost them. One that it closed after all has another meaning now, or none. */
static void drop(Arrival *arrival)
{
        note_dropped(arrival->n);
        for (int i = 0; i < arrival->n; i++)
                if (is_stand_in(arrival, arrival->stand_ins[i]))
                        close(arrival->stand_ins[i]);
        arrival_free(arrival);
}

static void settle_newest(void)
{
        Arrival *arrival = watched.newest;
        unsigned char type = watched.frame.header[1];

        if (!arrival || !frame_is_complete(&watched.frame))
                return;

        watched.newest = NULL;
        /* The receiver of a reply may have taken it, and may still have it. */
        if ((type == SD_BUS_MESSAGE_METHOD_CALL || type == SD_BUS_MESSAGE_SIGNAL) &&
            queued() <= watched.queued)
                drop(arrival);
}

/* Whether a number is among the last that the process may have. */
static gboolean is_scarce(int fd)
{
        struct rlimit limit;

        return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
               (rlim_t)fd >= limit.rlim_max - MIN(limit.rlim_max / SCARCE_PART, SCARCE);
}

/* Many messages are read in one turn of the main loop: what came with those that are done with makes room. */
void descriptors_settle(void)
{
        ASSERT_MAIN();
        settle_newest();
        if (watched.source)
                collect();
        if (watched.highest > 0 && is_scarce(watched.highest))
                closer_wait(SCARCE_MS);
        if (frame_is_complete(&watched.frame))
                watched.highest = watched.brought = 0;
}

/* sd-bus hands out a message, so it did not drop it. If no code will look for descriptors in it, they need
 * not wait for its end. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        const char *signature = sd_bus_message_get_signature(message, TRUE);
        Arrival *arrival = watched.newest;

        if (!arrival || !frame_is_complete(&watched.frame))
                return 0;

        watched.newest = NULL;
        if (watched.queued == 0 && signature && !strchr(signature, SD_BUS_TYPE_UNIX_FD))
                arrival_free(arrival);

        return 0;
}

static ssize_t library_recvmsg(int fd, struct msghdr *message, int flags)
{
        static ssize_t (*next)(int, struct msghdr *, int);

        if (g_once_init_enter(&next)) {
                void *found = dlsym(RTLD_NEXT, "recvmsg");

                ASSERT(found);
                g_once_init_leave(&next, found);
        }

        return next(fd, message, flags);
}

static ssize_t receive(struct msghdr *message, int flags)
{
        int fd = watched.fd;
        uint64_t before = queued();
        ssize_t n;

        ASSERT_MAIN();
        settle_newest();
        n = library_recvmsg(fd, message, flags);
        if (n <= 0)
                return n;

        if (message->msg_iovlen != 1 || !frame_add(&watched.frame, message->msg_iov->iov_base, (size_t)n)) {
                g_warning("libsystemd reads messages in another way than expected; "
                          "descriptors of those that it drops are not closed");
                watched.newest = NULL;
                g_atomic_int_set(&watched.fd, -1);
                return n;
        }

        watched.queued = before;
        if (!(message->msg_flags & MSG_CTRUNC))
                take_out(message);

        return n;
}

/* In place of the C library's, also for the libraries: on any thread, until it is the bus that is read.
 * Before sd-bus is ready it reads words, not messages. */
__attribute__((visibility("default"))) ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
        if (fd < 0 || fd != g_atomic_int_get(&watched.fd) || (flags & MSG_PEEK) ||
            sd_bus_is_ready(watched.bus) <= 0)
                return library_recvmsg(fd, message, flags);

        return receive(message, flags);
}

int descriptors_watch(sd_bus *bus)
{
        int fd = sd_bus_get_fd(bus);
        int r;

        ASSERT_MAIN();
        if (fd < 0)
                return fd;

        r = sd_bus_add_filter(bus, NULL, on_message, NULL);
        if (r < 0)
                return r;

        watched.epoll = epoll_create1(EPOLL_CLOEXEC);
        if (watched.epoll < 0)
                return -errno;

        watched.bus = bus;
        watched.frame = (Frame){};
        watched.stand_ins = g_hash_table_new(NULL, NULL);
        watched.arrivals = g_hash_table_new(NULL, NULL);
        g_atomic_int_set(&watched.fd, fd);
        return 0;
}

void descriptors_unwatch(sd_bus *bus)
{
        GHashTableIter iter;
        gpointer arrival;

        ASSERT_MAIN();
        if (!bus || watched.bus != bus)
                return;

        g_atomic_int_set(&watched.fd, -1);
        while (g_hash_table_iter_init(&iter, watched.arrivals), g_hash_table_iter_next(&iter, &arrival, NULL))
                arrival_free(arrival);
        g_clear_pointer(&watched.stand_ins, g_hash_table_unref);
        g_clear_pointer(&watched.arrivals, g_hash_table_unref);
        close(g_steal_fd(&watched.epoll));
        watched.bus = NULL;
}

int descriptors_sent(int fd)
{
        const Arrival *arrival =
                watched.stand_ins ? g_hash_table_lookup(watched.stand_ins, GINT_TO_POINTER(fd)) : NULL;

        ASSERT_MAIN();
        if (!arrival || !is_stand_in(arrival, fd))
                return fd;

        for (int i = 0; i < arrival->n; i++)
                if (arrival->stand_ins[i] == fd)
                        return arrival->sent[i];

        return fd;
}

int descriptors_highest(void)
{
        ASSERT_MAIN();
        return watched.highest + watched.brought;
}

guint64 descriptors_fields(void)
{
        ASSERT_MAIN();
        return g_atomic_int_get(&watched.fd) >= 0 && frame_is_complete(&watched.frame) && queued() == 0
                       ? watched.frame.fields
                       : 0;
}

guint64 descriptors_dropped(void)
{
        ASSERT_MAIN();
        return watched.dropped;
}
