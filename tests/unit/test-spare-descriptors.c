/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The descriptors that are kept for messages: how many, when they are lent, and which they are. */

#include "bus/spare_descriptors.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of so few a quarter is kept. */
#define MOST     400
#define ORDINARY 300

static int sockets[2];

static rlim_t limit(void)
{
        struct rlimit found;

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &found), ==, 0);
        return found.rlim_cur;
}

static void send_message(gboolean with_descriptor)
{
        char byte = 'x', room[CMSG_SPACE(sizeof(int))] = "";
        struct iovec data = {.iov_base = &byte, .iov_len = 1};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

        if (with_descriptor) {
                struct cmsghdr *header;

                message.msg_control = room;
                message.msg_controllen = sizeof room;
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(header), &sockets[0], sizeof(int));
        }
        g_assert_cmpint(sendmsg(sockets[0], &message, 0), ==, 1);
}

static void drop_message(void)
{
        char byte;

        g_assert_cmpint(read(sockets[1], &byte, 1), ==, 1);
}

/* Opens until @last is open, and returns the first. */
static int open_up_to(int last)
{
        int first = dup(sockets[0]), fd = first;

        while (fd >= 0 && fd < last)
                fd = dup(sockets[0]);
        g_assert_cmpint(fd, ==, last);
        return first;
}

static void close_from(int first, int last)
{
        for (int fd = first; fd <= last; fd++)
                close(fd);
}

static void test_kept(void)
{
        g_assert_cmpuint(limit(), ==, ORDINARY);
        g_assert_false(spare_descriptors_has(ORDINARY - 1));
        g_assert_true(spare_descriptors_has(ORDINARY));
}

/* Too few are free to take a message without a look at it. */
static void test_lent(void)
{
        g_assert_false(spare_descriptors_lend(sockets[1]));
        send_message(FALSE);
        g_assert_false(spare_descriptors_lend(sockets[1]));
        drop_message();
        g_assert_cmpuint(limit(), ==, ORDINARY);

        send_message(TRUE);
        g_assert_true(spare_descriptors_lend(sockets[1]));
        g_assert_cmpuint(limit(), ==, MOST);
        g_assert_false(spare_descriptors_are_all(sockets[1]));
        spare_descriptors_return();
        g_assert_cmpuint(limit(), ==, ORDINARY);

        /* The look has not taken it. */
        g_assert_true(spare_descriptors_lend(sockets[1]));
        spare_descriptors_return();
        drop_message();
}

static void test_all_in_use(void)
{
        int first = open_up_to(ORDINARY - 1), spare;

        g_assert_cmpint(dup(sockets[0]), ==, -1);
        g_assert_true(spare_descriptors_are_all(sockets[1]));
        send_message(TRUE);
        g_assert_true(spare_descriptors_lend(sockets[1]));
        g_assert_true(spare_descriptors_are_all(sockets[1]));
        spare = dup(sockets[0]);
        g_assert_cmpint(spare, ==, ORDINARY);
        spare_descriptors_return();
        drop_message();

        g_assert_true(spare_descriptors_has(spare));
        g_assert_false(spare_descriptors_has(first));
        close_from(first, spare);
        g_assert_false(spare_descriptors_are_all(sockets[1]));
}

int main(int argc, char **argv)
{
        const struct rlimit few = {.rlim_cur = 100, .rlim_max = MOST};

        g_test_init(&argc, &argv, NULL);
        g_assert_false(spare_descriptors_has(ORDINARY));
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
        spare_descriptors_init();
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
        g_test_add_func("/spare-descriptors/kept", test_kept);
        g_test_add_func("/spare-descriptors/lent", test_lent);
        g_test_add_func("/spare-descriptors/all-in-use", test_all_in_use);

        return g_test_run();
}
