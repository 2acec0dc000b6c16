/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A bus that nobody has to serve, for the codec's tests: one end of a socket pair, whose other end has said
 * what a peer says while a connection is made. */

#include "bus/autoptr.h"
#include "bus/codec.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static sd_bus *test_bus;
static int test_peer = -1;

static inline void test_bus_open(void)
{
        static const char replies[] = "DATA\r\nOK 00112233445566778899aabbccddeeff\r\nAGREE_UNIX_FD\r\n";
        int sockets[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), ==, 0);
        g_assert_cmpint(sd_bus_new(&test_bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(test_bus, sockets[0], sockets[0]), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(test_bus, TRUE), >=, 0);
        g_assert_cmpint(sd_bus_start(test_bus), >=, 0);

        test_peer = sockets[1];
        g_assert_cmpint(write(test_peer, replies, strlen(replies)), ==, strlen(replies));
}

static inline void test_bus_close(void)
{
        sd_bus_close(test_bus);
        g_clear_pointer(&test_bus, sd_bus_unref);
        close(test_peer);
}

static inline sd_bus_message *message_new(void)
{
        sd_bus_message *message = NULL;

        g_assert_cmpint(sd_bus_message_new_method_call(test_bus, &message, "a.b", "/", "a.b", "C"), >=, 0);

        return message;
}

static inline void message_finish(sd_bus_message *message)
{
        g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
        g_assert_cmpint(sd_bus_message_rewind(message, TRUE), >=, 0);
}

static inline void check_read_fails(sd_bus_message *message, const char *signature)
{
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_null(codec_read(message, signature, &fds, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
        g_assert_null(fds);
}
