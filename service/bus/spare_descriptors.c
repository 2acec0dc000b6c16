/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel gives the lowest number that is free, below the soft limit. The spare ones are those between
 * that and the hard limit. */

#include "bus/spare_descriptors.h"

#include "base/thread.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* As many as the kernel lets one message have. */
#define MESSAGE_MAX 253 /* SCM_MAX_FD */

/* What one message can take: those that it brings, each once more as its argument, a stand-in for each, and
 * their pipe. */
#define MESSAGE_COST (3 * MESSAGE_MAX + 2)

/* One message's own, and some for threads that open one meanwhile. */
#define SPARE 256

/* Where there are few, most are for the service itself. */
#define SPARE_PART 4

/* Looking at each message costs a system call. While few descriptors are open, it is saved for as many
 * messages as there is room for, whatever they bring. Counting more than this takes longer than it saves. */
#define COUNT_MAX 1024

/* What counts while nothing is lent. */
static struct rlimit usual;

/* Messages that need not be looked at; and those that are, before it is worth the time to count again. */
static guint64 unwatched, watched;

/* The soft limit of 1,024 that there may be is for programs that use select(); this one does not. */
void spare_descriptors_init(void)
{
        ASSERT_MAIN();
        if (getrlimit(RLIMIT_NOFILE, &usual) < 0)
                return;

        usual.rlim_cur = usual.rlim_max - MIN(usual.rlim_max / SPARE_PART, SPARE);
        setrlimit(RLIMIT_NOFILE, &usual);
}

/* A look without room for any reports them and does not take them. */
static gboolean has_descriptors(int fd)
{
        char byte;
        struct iovec first = {.iov_base = &byte, .iov_len = sizeof byte};
        struct msghdr message = {.msg_iov = &first, .msg_iovlen = 1};

        return recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT) > 0 && (message.msg_flags & MSG_CTRUNC);
}

/* How many are open; more than COUNT_MAX if that is not known, or counting takes long. */
static unsigned count_open(void)
{
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        if (!directory)
                return COUNT_MAX + 1;

        while (n <= COUNT_MAX && readdir(directory))
                n++;
        closedir(directory);
        return n;
}

static gboolean has_to_look(void)
{
        unsigned open;

        if (unwatched == 0 && watched == 0) {
                open = count_open();
                if (open <= COUNT_MAX && open < usual.rlim_cur)
                        unwatched = (usual.rlim_cur - open) / MESSAGE_COST;
                watched = COUNT_MAX;
        }

        if (unwatched == 0)
                return watched-- > 0;

        /* The last of them is followed by another count. */
        if (--unwatched == 0)
                watched = 0;
        return FALSE;
}

gboolean spare_descriptors_lend(int fd)
{
        struct rlimit all;

        ASSERT_MAIN();
        if (!has_to_look() || !has_descriptors(fd) || getrlimit(RLIMIT_NOFILE, &usual) < 0)
                return FALSE;

        all = usual;
        all.rlim_cur = all.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &all) == 0;
}

void spare_descriptors_return(void)
{
        ASSERT_MAIN();
        setrlimit(RLIMIT_NOFILE, &usual);
}

gboolean spare_descriptors_are_all(int fd)
{
        int next = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        ASSERT_MAIN();
        if (next < 0)
                return TRUE;

        close(next);
        return (rlim_t)next >= usual.rlim_cur;
}

gboolean spare_descriptors_has(int fd)
{
        ASSERT_MAIN();
        return usual.rlim_cur > 0 && (rlim_t)fd >= usual.rlim_cur;
}
