/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The wire format of a header, and one end of a socket pair whose other end is ours. */

#include "wire.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static sd_bus *bus;
static int peer = -1;

static void align(GByteArray *out, guint to)
{
        while (out->len % to)
                g_byte_array_append(out, (const guint8 *)"", 1);
}

static void put_u32(GByteArray *out, gboolean big, guint32 value)
{
        guint32 wire = big ? GUINT32_TO_BE(value) : GUINT32_TO_LE(value);

        align(out, 4);
        g_byte_array_append(out, (const guint8 *)&wire, sizeof wire);
}

static void begin_field(GByteArray *out, guint8 code, char type)
{
        guint8 start[] = {code, 1, (guint8)type, 0};

        align(out, 8);
        g_byte_array_append(out, start, sizeof start);
}

static void put_text(GByteArray *out, gboolean big, guint8 code, char type, const char *value)
{
        guint8 length = value ? (guint8)strlen(value) : 0;

        if (!value)
                return;

        begin_field(out, code, type);
        if (type == 'g')
                g_byte_array_append(out, &length, 1);
        else
                put_u32(out, big, (guint32)strlen(value));
        g_byte_array_append(out, (const guint8 *)value, (guint)strlen(value) + 1);
}

static void put_number(GByteArray *out, gboolean big, guint8 code, guint32 value)
{
        if (value == 0)
                return;

        begin_field(out, code, 'u');
        put_u32(out, big, value);
}

GByteArray *wire_message(const WireHeader *header, const void *body, size_t length)
{
        gboolean big = header->big;
        guint8 start[] = {big ? 'B' : 'l', header->type, header->flags, 1};
        GByteArray *out = g_byte_array_new();
        guint32 fields;

        g_byte_array_append(out, start, sizeof start);
        put_u32(out, big, (guint32)length);
        put_u32(out, big, header->serial);
        put_u32(out, big, 0);
        put_text(out, big, 1, 'o', header->path);
        put_text(out, big, 2, 's', header->interface);
        put_text(out, big, 3, 's', header->member);
        put_text(out, big, 4, 's', header->error);
        put_number(out, big, 5, header->reply_serial);
        put_text(out, big, 6, 's', header->destination);
        put_text(out, big, 7, 's', header->sender);
        put_text(out, big, 8, 'g', header->signature);
        put_number(out, big, 9, header->fds);

        fields = big ? GUINT32_TO_BE(out->len - 16) : GUINT32_TO_LE(out->len - 16);
        memcpy(out->data + 12, &fields, sizeof fields);
        align(out, 8);
        g_byte_array_append(out, body, (guint)length);
        return out;
}

const char wire_handshake[] = "DATA\r\nOK 00112233445566778899aabbccddeeff\r\nAGREE_UNIX_FD\r\n";

sd_bus *wire_start(int end, int other)
{
        sd_bus *started = NULL;

        g_assert_cmpint(write(other, wire_handshake, strlen(wire_handshake)), ==, strlen(wire_handshake));
        g_assert_cmpint(sd_bus_new(&started), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(started, end, end), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(started, TRUE), >=, 0);
        g_assert_cmpint(sd_bus_start(started), >=, 0);
        while (sd_bus_is_ready(started) == 0)
                g_assert_cmpint(sd_bus_process(started, NULL), >=, 0);
        return started;
}

sd_bus *wire_bus(void)
{
        int sockets[2], size = 1 << 22;

        if (bus)
                return bus;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), ==, 0);
        setsockopt(sockets[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
        peer = sockets[1];
        bus = wire_start(sockets[0], peer);
        return bus;
}

static void close_bus(void)
{
        sd_bus_close(bus);
        g_clear_pointer(&bus, sd_bus_unref);
        close(peer);
}

sd_bus_message *wire_receive(gboolean big, const char *signature, const void *body, size_t length)
{
        const WireHeader header = {.big = big,
                                   .type = WIRE_SIGNAL,
                                   .serial = 1,
                                   .path = "/a",
                                   .interface = "a.b",
                                   .member = "C",
                                   .signature = signature};
        g_autoptr(GByteArray) bytes = wire_message(&header, body, length);
        sd_bus_message *message = NULL;
        int r = 1;

        wire_bus();
        g_assert_cmpint(write(peer, bytes->data, bytes->len), ==, bytes->len);
        while (!message && r > 0)
                r = sd_bus_process(bus, &message);

        if (!message)
                close_bus();
        return message;
}

sd_bus_message *wire_new(void)
{
        sd_bus_message *message = NULL;

        g_assert_cmpint(sd_bus_message_new_signal(wire_bus(), &message, "/a", "a.b", "C"), >=, 0);
        return message;
}

void wire_finish(sd_bus_message *message)
{
        g_assert_cmpint(sd_bus_message_seal(message, 1, 0), >=, 0);
        g_assert_cmpint(sd_bus_message_rewind(message, TRUE), >=, 0);
}
