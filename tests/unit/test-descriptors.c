/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors between a bus's socket and sd-bus: what is handed out means what was sent, and nothing that was
 * sent stays open. The bus is ready without an answer to Hello: a peer has no names. */

#include "bus/descriptors.h"

#include "codec-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define SERIAL 7

/* More than sd-bus takes. */
#define LONG_PATH 66000

static unsigned handed_out;
static ino_t seen[2];

static ino_t inode(int fd)
{
        struct stat identity;

        return fstat(fd, &identity) == 0 ? identity.st_ino : 0;
}

/* Notes which file an argument means, and what sd-bus has instead. */
static int on_call(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        int fd;

        handed_out++;
        if (sd_bus_message_has_signature(message, "h")) {
                g_assert_cmpint(sd_bus_message_read_basic(message, 'h', &fd), >, 0);
                seen[0] = inode(fd);
                seen[1] = inode(descriptors_sent(fd));
        }

        return 1;
}

static void process(void)
{
        int r;

        do {
                r = sd_bus_process(test_bus, NULL);
                g_assert_cmpint(r, >=, 0);
                descriptors_settle();
        } while (r > 0);
}

static void open_watched(void)
{
        static char words[1 << 10];

        test_bus_open();
        g_assert_cmpint(sd_bus_add_fallback(test_bus, NULL, "/", on_call, NULL), >=, 0);
        while (!sd_bus_is_ready(test_bus))
                process();
        while (read(test_peer, words, sizeof words) > 0)
                ;
        g_assert_cmpint(descriptors_watch(test_bus), ==, 0);
        handed_out = 0;
        seen[0] = seen[1] = 0;
}

static void close_watched(void)
{
        descriptors_unwatch(test_bus);
        test_bus_close();
}

static void add_uint32(GByteArray *bytes, guint32 value, gboolean big)
{
        value = big ? GUINT32_TO_BE(value) : GUINT32_TO_LE(value);
        g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
}

static void add_padding(GByteArray *bytes)
{
        while (bytes->len % 8 != 0)
                g_byte_array_append(bytes, (const guint8 *)"", 1);
}

static void add_text(GByteArray *bytes, guint8 field, char type, const char *text, gboolean big)
{
        const guint8 head[] = {field, 1, (guint8)type, 0};

        add_padding(bytes);
        g_byte_array_append(bytes, head, sizeof head);
        if (type == 'g')
                g_byte_array_append(bytes, (const guint8[]){(guint8)strlen(text)}, 1);
        else
                add_uint32(bytes, (guint32)strlen(text), big);
        g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text) + 1);
}

/* A call with @n_fds descriptors, the first of which is its argument where @named. */
static GByteArray *make_call(const char *path, unsigned n_fds, gboolean named, gboolean big)
{
        const guint8 head[] = {big ? 'B' : 'l', SD_BUS_MESSAGE_METHOD_CALL, 1, 1};
        const guint8 fds[] = {9, 1, 'u', 0};
        GByteArray *bytes = g_byte_array_new();
        guint32 fields;

        g_byte_array_append(bytes, head, sizeof head);
        add_uint32(bytes, named ? 4 : 0, big);
        add_uint32(bytes, SERIAL, big);
        add_uint32(bytes, 0, big);
        add_text(bytes, 1, 'o', path, big);
        add_text(bytes, 2, 's', "a.b", big);
        add_text(bytes, 3, 's', "C", big);
        if (named)
                add_text(bytes, 8, 'g', "h", big);
        if (n_fds > 0) {
                add_padding(bytes);
                g_byte_array_append(bytes, fds, sizeof fds);
                add_uint32(bytes, n_fds, big);
        }
        fields = bytes->len - 16;
        fields = big ? GUINT32_TO_BE(fields) : GUINT32_TO_LE(fields);
        memcpy(bytes->data + 12, &fields, sizeof fields);
        add_padding(bytes);
        if (named)
                add_uint32(bytes, 0, big);
        return bytes;
}

static GByteArray *make_long_call(gboolean big)
{
        g_autofree char *path = g_strnfill(LONG_PATH, 'B');

        path[0] = '/';
        return make_call(path, 16, FALSE, big);
}

/* Writes bytes, the first with @n duplicates of @fd. */
static void send_bytes(const guint8 *bytes, size_t size, int fd, unsigned n)
{
        union {
                char space[CMSG_SPACE(16 * sizeof(int))];
                struct cmsghdr header;
        } control = {};
        struct iovec data = {.iov_base = (void *)bytes, .iov_len = size};
        struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

        if (n > 0) {
                message.msg_control = control.space;
                message.msg_controllen = CMSG_SPACE(n * sizeof(int));
                control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                for (unsigned i = 0; i < n; i++)
                        memcpy(CMSG_DATA(&control.header) + i * sizeof fd, &fd, sizeof fd);
        }

        g_assert_cmpint(sendmsg(test_peer, &message, MSG_NOSIGNAL), ==, size);
}

/* Sends @call, which it frees, with @n descriptors of a pipe whose other end is returned. */
static int send_call(GByteArray *call, unsigned n)
{
        int ends[2];

        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        send_bytes(call->data, call->len, ends[1], n);
        close(ends[1]);
        g_byte_array_unref(call);
        return ends[0];
}

/* Waits until nobody has the other end of that pipe any more, and closes this one. */
static void wait_closed(int fd)
{
        struct pollfd end = {.fd = fd};

        while (poll(&end, 1, 1) == 0)
                g_main_context_iteration(NULL, FALSE);
        g_assert_true(end.revents & POLLHUP);
        close(fd);
}

static void check_open(int fd)
{
        struct pollfd end = {.fd = fd};

        g_assert_cmpint(poll(&end, 1, 0), ==, 0);
}

/* Numbers that are in use, to compare. */
static unsigned count_open(void)
{
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void test_sent(gconstpointer big)
{
        unsigned before;
        int end;

        open_watched();
        before = count_open();
        end = send_call(make_call("/a", 2, TRUE, big != NULL), 2);
        process();
        g_assert_cmpuint(handed_out, ==, 1);
        g_assert_cmpuint(seen[1], ==, inode(end));
        g_assert_cmpuint(seen[0], !=, inode(end));
        wait_closed(end);
        g_assert_cmpuint(count_open(), ==, before);
        close_watched();
}

/* As long as somebody has the message, and not longer. */
static sd_bus_message *kept;

static int keep(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        kept = sd_bus_message_ref(message);
        return 1;
}

/* A call with @n descriptors, which are its arguments where they are @named, is kept; returns as send_call().
 */
static int keep_call(unsigned n, gboolean named)
{
        int end;

        open_watched();
        g_assert_cmpint(sd_bus_add_object(test_bus, NULL, "/kept", keep, NULL), >=, 0);
        end = send_call(make_call("/kept", n, named, FALSE), n);
        process();
        g_assert_nonnull(kept);
        return end;
}

static void test_kept(void)
{
        int end = keep_call(1, TRUE), fd;

        while (g_main_context_iteration(NULL, FALSE))
                ;
        check_open(end);
        g_assert_cmpint(sd_bus_message_read_basic(kept, 'h', &fd), >, 0);
        g_assert_cmpuint(inode(descriptors_sent(fd)), ==, inode(end));
        g_clear_pointer(&kept, sd_bus_message_unref);
        g_assert_cmpint(descriptors_sent(fd), ==, fd);
        wait_closed(end);
        close_watched();
}

/* Nobody looks for them, so that they are closed while the message is still there. */
static void test_unnamed(void)
{
        int end = keep_call(16, FALSE);

        wait_closed(end);
        g_clear_pointer(&kept, sd_bus_message_unref);
        close_watched();
}

/* For its number of descriptors, which no bus passes on: sd-bus keeps neither them nor the list of them, and
 * the sanitizer finds that. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
        return "leak:libsystemd.so";
}

static GByteArray *make_wrong_call(gboolean big)
{
        return make_call("/a", 3, FALSE, big);
}

/* Two calls of @make's, with 16 descriptors each, are dropped, and one behind them is not. */
static void check_dropped(GByteArray *(*make)(gboolean big), gboolean big)
{
        guint64 dropped = descriptors_dropped();
        unsigned before;
        int ends[3];

        open_watched();
        before = count_open();
        ends[0] = send_call(make(big), 16);
        process();
        ends[1] = send_call(make(big), 16);
        ends[2] = send_call(make_call("/a", 1, TRUE, big), 1);
        process();
        g_assert_cmpuint(handed_out, ==, 1);
        g_assert_cmpuint(seen[1], ==, inode(ends[2]));
        for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
                wait_closed(ends[i]);
        g_assert_cmpuint(descriptors_dropped(), ==, dropped + 2);
        g_assert_cmpuint(count_open(), ==, before);
        close_watched();
}

static void test_dropped(gconstpointer big)
{
        check_dropped(make_wrong_call, big != NULL);
}

/* For its path, which a bus passes on: nothing is lost at all. */
static void test_long_path(gconstpointer big)
{
        check_dropped(make_long_call, big != NULL);
}

/* Of a message that is not all there nothing is known yet. */
static void test_in_pieces(void)
{
        g_autoptr(GByteArray) dropped = make_wrong_call(FALSE), good = make_call("/a", 1, TRUE, FALSE);
        guint64 before = descriptors_dropped();
        int ends[2];

        open_watched();
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        for (guint i = 0; i < dropped->len; i += 5) {
                send_bytes(dropped->data + i, MIN(5, dropped->len - i), ends[1], i == 0 ? 4 : 0);
                process();
                g_assert_cmpuint(descriptors_dropped() - before, ==, i + 5 >= dropped->len);
        }
        for (guint i = 0; i < good->len; i++) {
                send_bytes(good->data + i, 1, ends[1], i == 0 ? 1 : 0);
                process();
        }
        g_assert_cmpuint(handed_out, ==, 1);
        g_assert_cmpuint(seen[1], ==, inode(ends[0]));
        g_assert_cmpuint(descriptors_dropped() - before, ==, 1);
        close(ends[1]);
        wait_closed(ends[0]);
        close_watched();
}

/* A call of our own that is waited for leaves what comes meanwhile in sd-bus's queue. */
static void test_queued(void)
{
        g_autoptr(sd_bus_message) call = NULL;
        guint64 before = descriptors_dropped();
        int ends[3];

        open_watched();
        call = message_new();
        ends[0] = send_call(make_call("/a", 2, TRUE, FALSE), 2);
        ends[1] = send_call(make_wrong_call(FALSE), 2);
        ends[2] = send_call(make_call("/b", 1, TRUE, FALSE), 1);
        g_assert_cmpint(sd_bus_call(test_bus, call, 20000, NULL, NULL), ==, -ETIMEDOUT);
        descriptors_settle();
        g_assert_cmpuint(descriptors_dropped() - before, ==, 1);
        wait_closed(ends[1]);
        check_open(ends[0]);
        check_open(ends[2]);

        process();
        g_assert_cmpuint(handed_out, ==, 2);
        g_assert_cmpuint(seen[1], ==, inode(ends[2]));
        wait_closed(ends[0]);
        wait_closed(ends[2]);
        g_assert_cmpuint(descriptors_dropped() - before, ==, 1);
        close_watched();
}

/* Where there are no numbers for stand-ins, sd-bus has what was sent. */
static void test_too_few(void)
{
        struct rlimit limit, low;
        int end;

        open_watched();
        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        end = send_call(make_call("/a", 4, TRUE, FALSE), 4);
        low = (struct rlimit){.rlim_cur = (rlim_t)end + 6, .rlim_max = limit.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &low), ==, 0);
        process();
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        g_assert_cmpuint(handed_out, ==, 1);
        g_assert_cmpuint(seen[0], ==, inode(end));
        g_assert_cmpuint(seen[1], ==, inode(end));
        wait_closed(end);
        close_watched();
}

/* The bus is closed while messages are there. */
static void test_end(void)
{
        int end = keep_call(5, TRUE);

        descriptors_unwatch(test_bus);
        wait_closed(end);
        g_clear_pointer(&kept, sd_bus_message_unref);
        test_bus_close();
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_main_context_default(); /* has a descriptor of its own */
        /* What was dropped is a warning. */
        g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
        g_test_add_data_func("/descriptors/sent", NULL, test_sent);
        g_test_add_data_func("/descriptors/sent-big-endian", "B", test_sent);
        g_test_add_func("/descriptors/kept", test_kept);
        g_test_add_func("/descriptors/unnamed", test_unnamed);
        g_test_add_data_func("/descriptors/dropped", NULL, test_dropped);
        g_test_add_data_func("/descriptors/dropped-big-endian", "B", test_dropped);
        g_test_add_data_func("/descriptors/long-path", NULL, test_long_path);
        g_test_add_data_func("/descriptors/long-path-big-endian", "B", test_long_path);
        g_test_add_func("/descriptors/in-pieces", test_in_pieces);
        g_test_add_func("/descriptors/queued", test_queued);
        g_test_add_func("/descriptors/too-few", test_too_few);
        g_test_add_func("/descriptors/end", test_end);
        return g_test_run();
}
