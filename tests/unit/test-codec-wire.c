/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages of any bytes, as a peer without scruples writes them. A bus checks most of this before it passes a
 * message on, but not every service is behind one. */

#include "codec-bus.h"

#include <errno.h>
#include <fcntl.h>

#define DEADLINE_US (60 * G_USEC_PER_SEC)

static void put(GByteArray *out, const void *data, gsize length)
{
        g_byte_array_append(out, data, (guint)length);
}

static void put_u32(GByteArray *out, gboolean big, guint32 value)
{
        guint32 wire = big ? GUINT32_TO_BE(value) : GUINT32_TO_LE(value);

        while (out->len % 4)
                put(out, "", 1);

        put(out, &wire, sizeof(wire));
}

/* A header field that holds a string; @type is s, o or g. */
static void put_field(GByteArray *out, gboolean big, guint8 code, char type, const char *value)
{
        guint8 start[] = {code, 1, (guint8)type, 0};
        guint8 length = (guint8)strlen(value);

        while (out->len % 8)
                put(out, "", 1);

        put(out, start, sizeof(start));

        if (type == 'g')
                put(out, &length, 1);
        else
                put_u32(out, big, length);

        put(out, value, length + 1U);
}

static GByteArray *wire_message(gboolean big, const char *signature, const void *body, gsize length,
                                guint n_fds)
{
        guint8 start[] = {big ? 'B' : 'l', 4, 1, 1};
        guint8 fds_field[] = {9, 1, 'u', 0};
        GByteArray *out = g_byte_array_new();
        guint32 fields;

        put(out, start, sizeof(start));
        put_u32(out, big, (guint32)length);
        put_u32(out, big, 1);
        put_u32(out, big, 0);

        put_field(out, big, 1, 'o', "/a");
        put_field(out, big, 2, 's', "a.b");
        put_field(out, big, 3, 's', "C");
        put_field(out, big, 8, 'g', signature);

        if (n_fds > 0) {
                while (out->len % 8)
                        put(out, "", 1);
                put(out, fds_field, sizeof(fds_field));
                put_u32(out, big, n_fds);
        }

        fields = out->len - 16;
        fields = big ? GUINT32_TO_BE(fields) : GUINT32_TO_LE(fields);
        memcpy(out->data + 12, &fields, sizeof(fields));

        while (out->len % 8)
                put(out, "", 1);

        put(out, body, length);

        return out;
}

static void peer_send(GByteArray *bytes, int fd)
{
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct iovec iov = {bytes->data, bytes->len};
        struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

        if (fd >= 0) {
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
                header.msg_control = &control;
                header.msg_controllen = sizeof(control);
        }

        g_assert_cmpint(sendmsg(test_peer, &header, 0), ==, bytes->len);
}

/* The message with @body as it comes from a peer that writes what it likes. @fd is sent along, or -1. */
static sd_bus_message *receive(gboolean big, const char *signature, const void *body, gsize length, int fd)
{
        g_autoptr(GByteArray) bytes = wire_message(big, signature, body, length, fd >= 0 ? 1 : 0);
        gint64 deadline = g_get_monotonic_time() + DEADLINE_US;
        sd_bus_message *message = NULL;

        peer_send(bytes, fd);

        while (!message) {
                gint64 left = deadline - g_get_monotonic_time();
                int r;

                g_assert_cmpint(left, >, 0);

                r = sd_bus_process(test_bus, &message);
                g_assert_cmpint(r, >=, 0);

                if (r == 0)
                        g_assert_cmpint(sd_bus_wait(test_bus, (uint64_t)left), >=, 0);
        }

        g_assert_cmpstr(sd_bus_message_get_signature(message, TRUE), ==, signature);

        return message;
}

static void check_malformed(const char *signature, const void *body, gsize length)
{
        g_autoptr(sd_bus_message) message = receive(FALSE, signature, body, length, -1);

        check_read_fails(message, signature);
}
#define check_malformed_literal(signature, body) check_malformed(signature, body, sizeof(body) - 1)

/* A variant in a variant, @n of them, as only a hand can write it. */
static GByteArray *wire_variants(guint n)
{
        GByteArray *body = g_byte_array_new();

        for (guint i = 1; i < n; i++)
                put(body, "\1v", 3);

        put(body, "\1y\0\1", 4);

        return body;
}

static void test_depth_read(void)
{
        g_autoptr(GByteArray) allowed = wire_variants(64);
        g_autoptr(sd_bus_message) message = receive(FALSE, "v", allowed->data, allowed->len, -1);
        g_autoptr(GVariant) value = NULL;
        GUnixFDList *fds = NULL;

        value = codec_read(message, "v", &fds, NULL);
        g_assert_nonnull(value);

        for (guint n = 65; n < 1000; n += 67) {
                g_autoptr(GByteArray) body = wire_variants(n);

                check_malformed("v", body->data, body->len);
        }
}

static void test_malformed(void)
{
        check_malformed_literal("s", "\5\0\0\0hell");
        check_malformed_literal("s", "\5\0\0\0helloX");
        check_malformed_literal("s", "\5\0\0\0he\0lo\0");
        check_malformed_literal("s", "\2\0\0\0\xc3(\0");
        check_malformed_literal("s", "\xff\xff\xff\xff\0");
        check_malformed_literal("o", "\1\0\0\0a\0");
        check_malformed_literal("o", "\3\0\0\0/a/\0");
        check_malformed_literal("g", "\1(\0");
        check_malformed_literal("yu", "\1\1\0\0\1\0\0\0");
        check_malformed_literal("u", "\1\0\0");
        check_malformed_literal("au", "\6\0\0\0\1\0\0\0\1\0\0\0");
        check_malformed_literal("au", "\x10\0\0\0\1\0\0\0");
        check_malformed_literal("as", "\xff\xff\xff\xff\1\0\0\0a\0");
        check_malformed_literal("as", "\4\0\0\0\1\0\0\0a\0");
        check_malformed_literal("v", "\2yy\0\1\1");
        check_malformed_literal("v", "\0\0");
        check_malformed_literal("v", "\3{sv\0");
        check_malformed_literal("v", "\2()\0");
        check_malformed_literal("v", "\1m\0");
        check_malformed_literal("h", "\0\0\0\0");
        check_malformed_literal("h", "\xff\xff\xff\xff");
}

/* sd-bus hands out arrays of numbers in this machine's byte order only. */
static void test_byte_order(void)
{
        static const char little[] = "\2\0\0\0\1\2\0\0"
                                     "\2\0\0\0\xfe\xff\0\0"
                                     "\4\0\0\0\xfc\xff\xff\xff"
                                     "\x10\0\0\0\0\0\0\0"
                                     "\0\0\0\0\0\0\x21\x40\0\0\0\0\0\0\x23\x40"
                                     "\1\0\0\0";
        static const char big[] = "\0\0\0\2\1\2\0\0"
                                  "\0\0\0\2\xff\xfe\0\0"
                                  "\0\0\0\4\xff\xff\xff\xfc"
                                  "\0\0\0\x10\0\0\0\0"
                                  "\x40\x21\0\0\0\0\0\0\x40\x23\0\0\0\0\0\0"
                                  "\0\0\0\1";
        g_autoptr(GVariant) expected = NULL;

        expected =
                g_variant_ref_sink(g_variant_new_parsed("([byte 1, 2], [int16 -2], [-4], [8.5, 9.5], true)"));

        for (int i = 0; i < 2; i++) {
                g_autoptr(sd_bus_message) message = NULL;
                g_autoptr(GVariant) value = NULL;
                g_autoptr(GError) error = NULL;
                GUnixFDList *fds = NULL;

                message = receive(i == 1, "ayanaiadb", i ? big : little, sizeof(big) - 1, -1);
                value = codec_read(message, "ayanaiadb", &fds, &error);
                g_assert_no_error(error);
                g_assert_true(g_variant_equal(value, expected));
        }
}

/* One descriptor, named three times. */
static void test_shared_handle(void)
{
        static const char body[] = "\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        g_autoptr(sd_bus_message) message = receive(FALSE, "ah", body, sizeof(body) - 1, fd);
        g_autoptr(GVariant) value = NULL, expected = NULL;
        g_autoptr(GUnixFDList) fds = NULL;

        value = codec_read(message, "ah", &fds, NULL);
        expected = g_variant_ref_sink(g_variant_new_parsed("([handle 0, 0, 0],)"));
        g_assert_true(g_variant_equal(value, expected));
        g_assert_cmpint(g_unix_fd_list_get_length(fds), ==, 1);

        close(fd);
}

/* A descriptor was read before what is wrong. */
static void test_handle_then_malformed(void)
{
        static const char body[] = "\0\0\0\0\1\0\0\0a";
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        g_autoptr(sd_bus_message) message = receive(FALSE, "hs", body, sizeof(body) - 1, fd);

        check_read_fails(message, "hs");
        close(fd);
}

#define SAMPLE_SIGNATURE "sa{sv}(yao)at"

/* ('ab', {'k': <'xyz'>}, (byte 7, ['/p']), [one number]), padding and all. */
static const char sample[] = "\2\0\0\0ab\0\0"
                             "\x14\0\0\0\0\0\0\0"
                             "\1\0\0\0k\0\1s\0\0\0\0\3\0\0\0xyz\0"
                             "\0\0\0\0"
                             "\7\0\0\0\7\0\0\0\2\0\0\0/p\0\0"
                             "\x08\0\0\0\0\0\0\0\1\2\3\4\5\6\7\x08";

#define SAMPLE_LENGTH (sizeof(sample) - 1)

static void test_truncated(void)
{
        g_autoptr(sd_bus_message) message = receive(FALSE, SAMPLE_SIGNATURE, sample, SAMPLE_LENGTH, -1);
        g_autoptr(GVariant) value = NULL, expected = NULL;
        GUnixFDList *fds = NULL;

        value = codec_read(message, SAMPLE_SIGNATURE, &fds, NULL);
        expected = g_variant_ref_sink(g_variant_new_parsed(
                "('ab', {'k': <'xyz'>}, (byte 7, [objectpath '/p']), [uint64 0x0807060504030201])"));
        g_assert_true(g_variant_equal(value, expected));

        for (gsize length = 0; length < SAMPLE_LENGTH; length++)
                check_malformed(SAMPLE_SIGNATURE, sample, length);
}

/* Whatever is read is a value that can be sent again. TRUE when there was one. */
static gboolean check_changed(const char *body)
{
        g_autoptr(sd_bus_message) message = receive(FALSE, SAMPLE_SIGNATURE, body, SAMPLE_LENGTH, -1);
        g_autoptr(sd_bus_message) again = message_new();
        g_autoptr(GVariant) value = NULL;
        g_autoptr(GError) error = NULL;
        GUnixFDList *fds = NULL;

        value = codec_read(message, SAMPLE_SIGNATURE, &fds, &error);
        g_assert_null(fds);

        if (!value) {
                g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
                return FALSE;
        }

        g_assert_no_error(error);
        g_assert_true(g_variant_is_normal_form(value));
        g_assert_cmpint(codec_append_children(again, value, NULL), ==, 0);

        return TRUE;
}

/* Every byte of a good body in turn, with each of its bits changed. */
static void test_changed(void)
{
        guint read = 0, refused = 0;

        for (gsize bit = 0; bit < SAMPLE_LENGTH * 8; bit++) {
                char body[sizeof(sample)];

                memcpy(body, sample, sizeof(sample));
                body[bit / 8] = (char)(body[bit / 8] ^ 1 << bit % 8);

                if (check_changed(body))
                        read++;
                else
                        refused++;
        }

        g_assert_cmpuint(read, >, 64);    /* the number at the end may be any */
        g_assert_cmpuint(refused, >, 64); /* lengths and padding may not */
}

/* A small message that would take a hundred times its size in memory. */
static void test_many_values(void)
{
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(sd_bus_message_open_container(message, 'a', "(s)"), >=, 0);
        for (unsigned i = 0; i < CODEC_VALUES_MAX / 2; i++)
                g_assert_cmpint(sd_bus_message_append(message, "(s)", ""), >=, 0);
        g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        message_finish(message);

        g_assert_null(codec_read(message, "a(s)", &fds, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);
}

/* Strings take what they are long. */
static void test_many_strings(void)
{
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) value = NULL;

        g_assert_cmpint(sd_bus_message_open_container(message, 'a', "s"), >=, 0);
        for (unsigned i = 0; i < 2 * CODEC_VALUES_MAX; i++)
                g_assert_cmpint(sd_bus_message_append(message, "s", i % 2 ? "x" : ""), >=, 0);
        g_assert_cmpint(sd_bus_message_close_container(message), >=, 0);
        message_finish(message);

        g_assert_null(codec_read_few(message, "as", CODEC_VALUES_MAX / 16, &fds, NULL));
        sd_bus_message_rewind(message, TRUE);
        value = codec_read(message, "as", &fds, NULL);
        g_assert_nonnull(value);
        g_assert_true(g_variant_is_normal_form(value));
        g_assert_cmpuint(g_variant_get_size(value), <, 2 * CODEC_VALUES_MAX * (2 + 4) + 64);
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/codec-wire/depth", test_depth_read);
        g_test_add_func("/codec-wire/malformed", test_malformed);
        g_test_add_func("/codec-wire/byte-order", test_byte_order);
        g_test_add_func("/codec-wire/shared-handle", test_shared_handle);
        g_test_add_func("/codec-wire/handle-then-malformed", test_handle_then_malformed);
        g_test_add_func("/codec-wire/truncated", test_truncated);
        g_test_add_func("/codec-wire/changed", test_changed);
        g_test_add_func("/codec-wire/many-strings", test_many_strings);
        g_test_add_func("/codec-wire/many-values", test_many_values);

        test_bus_open();
        result = g_test_run();
        test_bus_close();

        return result;
}
