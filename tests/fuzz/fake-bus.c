/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bus_new() waits for answers of the daemon, and there is one thread only: they are in the socket before it
 * asks. sd-bus itself reads and writes our end, over a second pair of sockets that has no handshake to do:
 *
 *   service's sd_bus ── sockets[0] ═══ sockets[1] ── forward() ── pipe[1] ═══ pipe[0] ── our sd_bus
 */

#include "fake-bus.h"

#include "bus/codec.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What sd-bus says last before its first message. */
#define BEGIN "BEGIN\r\n"

/* What bus_new() waits for: the answers to Hello and to two calls of AddMatch. */
#define ANSWERED 3

/* The service's end of the bus that is about to be made. */
static int service_end = -1;

/* bus_new() connects to an address; here, to what is connected already. The linker has calls of the first go
 * to the second. */
int __wrap_sd_bus_set_address(sd_bus *bus, const char *address);

int __wrap_sd_bus_set_address(sd_bus *bus, const char *address)
{
        return sd_bus_set_fd(bus, service_end, service_end);
}

static void make_pair(int sockets[2])
{
        int size = 1 << 23;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), ==, 0);
        for (int i = 0; i < 2; i++)
                if (setsockopt(sockets[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
                        setsockopt(sockets[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static void write_all(int fd, const void *bytes, size_t n)
{
        g_assert_cmpint(send(fd, bytes, n, MSG_NOSIGNAL), ==, n);
}

static void answer_ahead(int fd)
{
        static const guint8 name[] = "\4\0\0\0:1.1";

        for (guint32 serial = 1; serial <= ANSWERED; serial++) {
                const WireHeader header = {.type = WIRE_REPLY,
                                           .serial = serial,
                                           .reply_serial = serial,
                                           .sender = FAKE_BUS_DRIVER,
                                           .signature = serial == 1 ? "s" : NULL};
                g_autoptr(GByteArray) bytes = wire_message(&header, name, serial == 1 ? sizeof name : 0);

                write_all(fd, bytes->data, bytes->len);
        }
}

/* What @from has for @to, less the handshake; TRUE when there was something. */
static gboolean forward(int from, int to, gboolean *begun, gboolean *closed)
{
        static char bytes[1 << 16];
        const char *start = bytes;
        ssize_t n = read(from, bytes, sizeof bytes);

        if (n < 0 && errno == EAGAIN)
                return FALSE;
        if (n <= 0) {
                *closed = TRUE;
                return FALSE;
        }

        if (!*begun) {
                start = memmem(bytes, (size_t)n, BEGIN, strlen(BEGIN));
                g_assert_nonnull(start);
                start += strlen(BEGIN);
                *begun = TRUE;
        }

        if (start < bytes + n)
                write_all(to, start, (size_t)(bytes + n - start));
        return TRUE;
}

static gboolean forward_both(FakeBus *fake)
{
        gboolean busy = forward(fake->socket, fake->pipe, &fake->begun[0], &fake->closed);

        if (!fake->closed && forward(fake->pipe, fake->socket, &fake->begun[1], &fake->closed))
                busy = TRUE;
        return busy;
}

/* Who has polkit's name, the only one that is asked about. */
static void answer_owner(FakeBus *fake, sd_bus_message *message)
{
        sd_bus_message *reply = NULL;

        g_assert_cmpint(sd_bus_message_new_method_return(message, &reply), >=, 0);
        g_assert_cmpint(sd_bus_message_append(reply, "s", FAKE_BUS_POLKIT), >=, 0);
        fake_bus_send_from(fake, FAKE_BUS_DRIVER, reply);
}

/* What the daemon answers to, later on. Returns whether @message was of that kind. */
static gboolean answer_as_daemon(FakeBus *fake, sd_bus_message *message)
{
        gboolean asks = sd_bus_message_is_method_call(message, FAKE_BUS_DRIVER, "Hello") ||
                        sd_bus_message_is_method_call(message, FAKE_BUS_DRIVER, "AddMatch") ||
                        sd_bus_message_is_method_call(message, FAKE_BUS_DRIVER, "RemoveMatch");

        if (sd_bus_message_is_method_call(message, FAKE_BUS_DRIVER, "GetNameOwner")) {
                answer_owner(fake, message);
                return TRUE;
        }

        if (asks && fake->answered < ANSWERED)
                fake->answered++;
        else if (asks)
                sd_bus_reply_method_return(message, "");
        return asks;
}

static sd_bus *open_us(FakeBus *fake)
{
        int pipe[2];

        make_pair(pipe);
        fake->pipe = pipe[1];
        return wire_start(pipe[0], pipe[1]);
}

void fake_bus_open(FakeBus *fake, const Limits *limits, const BusOwner *owner, void *data)
{
        g_autoptr(GError) error = NULL;
        int sockets[2];

        *fake = (FakeBus){};
        make_pair(sockets);
        service_end = sockets[0];
        fake->socket = sockets[1];
        write_all(sockets[1], wire_handshake, strlen(wire_handshake));
        answer_ahead(sockets[1]);
        fake->us = open_us(fake);
        fake->bus = bus_new(BUS_SYSTEM, "here", limits, owner, data, &error);
        g_assert_no_error(error);
}

void fake_bus_write(FakeBus *fake, const GByteArray *bytes)
{
        /* What our sd-bus wrote comes first. */
        while (!fake->closed && forward_both(fake))
                continue;

        if (!fake->closed)
                write_all(fake->socket, bytes->data, bytes->len);
}

void fake_bus_send(FakeBus *fake, sd_bus_message *message)
{
        if (!fake->closed)
                g_assert_cmpint(sd_bus_send(fake->us, message, NULL), >=, 0);
        sd_bus_message_unref(message);
}

void fake_bus_send_from(FakeBus *fake, const char *sender, sd_bus_message *message)
{
        g_assert_cmpint(sd_bus_message_set_sender(message, sender), >=, 0);
        fake_bus_send(fake, message);
}

/* Whether something came. */
static gboolean receive(FakeBus *fake, FakeBusFunc *func, void *data)
{
        g_autoptr(sd_bus_message) message = NULL;
        gboolean busy = !fake->closed && forward_both(fake);
        int r = sd_bus_process(fake->us, &message);

        g_assert_cmpint(r, >=, 0);
        if (message && !answer_as_daemon(fake, message))
                func(message, data);
        return busy || r > 0;
}

void fake_bus_settle(FakeBus *fake, FakeBusFunc *func, void *data)
{
        gboolean busy;

        do {
                busy = g_main_context_iteration(NULL, FALSE);
                while (receive(fake, func, data))
                        busy = TRUE;
        } while (busy);
}

void fake_bus_close_bus(FakeBus *fake, FakeBusFunc *func, void *data)
{
        bus_free(g_steal_pointer(&fake->bus), 0);
        while (receive(fake, func, data))
                continue;
}

void fake_bus_free(FakeBus *fake)
{
        sd_bus_close(fake->us);
        g_clear_pointer(&fake->us, sd_bus_unref);
        close(fake->pipe);
        close(fake->socket);
}

void fake_bus_check_body(sd_bus_message *message)
{
        const char *signature = sd_bus_message_get_signature(message, TRUE);
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) body = NULL;

        sd_bus_message_rewind(message, TRUE);
        body = codec_read(message, signature ? signature : "", &fds, &error);
        g_assert_no_error(error);
        g_variant_ref_sink(body);
        sd_bus_message_rewind(message, TRUE);
}
