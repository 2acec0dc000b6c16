/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stream of libvirt's that blocks where bytes go in one direction.
 *
 * Where they go in both, as on a console, one thread has to wait for both sides: two that wait on one
 * connection lose wake-ups before libvirt 10.4 (CVE-2024-4418). So that stream does not block. Libvirt's
 * client reads its socket only while it waits for an answer: when something has come, it is asked something
 * small, and what came before the answer is in the stream then. As long as the caller has not taken that, the
 * socket is not looked at, so that no more than libvirtd sends during one question is ever kept here.
 *
 * A pump's thread waits in three places, and pump_stop() wakes it in each: for the descriptor, which has a
 * wake-up of its own; for libvirtd, whose socket is shut down; and for a disk, which nothing can hurry. */

#include "virt/pump.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "virt/autoptr.h"

#include <fcntl.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is read of a caller that types or pastes. */
#define INPUT (1 << 12)

/* What virStreamRecv() returns where the stream does not block, and has nothing. */
#define NOTHING (-2)

/* What libvirt sends at once. */
#define PIECE (1 << 18)

/* What virStreamRecvFlags() returns at a hole. */
#define AT_HOLE (-3)

struct Pump {
        CallerFileUse use;
        gboolean sparse;
        guint64 most;
        char *uri;
        virConnectPtr conn;
        virStreamPtr stream;
        GError *error;

        pthread_mutex_t lock; /* of these, which pump_stop() uses */
        CallerFile *file;
        int socket; /* a duplicate: libvirt closes its own when it likes; -1 for none */
};

/* Before it is shut down, the number must not have come to mean another file. */
static int duplicate(int socket)
{
        return socket >= 0 ? fcntl(socket, F_DUPFD_CLOEXEC, 3) : -1;
}

Pump *pump_new(Link *link, int fd, CallerFileUse use, gboolean sparse, GError **error)
{
        g_autoptr(CallerFile) file = NULL;
        g_autoptr(Pump) pump = NULL;
        int socket;

        ASSERT_WORKER();
        file = caller_file_new(fd, use, sparse, error);
        if (!file)
                return NULL;

        pump = g_new0(Pump, 1);
        pthread_mutex_init(&pump->lock, NULL);
        pump->use = use;
        pump->sparse = sparse;
        pump->uri = g_strdup(link_uri(link));
        pump->file = g_steal_pointer(&file);
        pump->socket = -1;
        pump->conn = link_connect_aside(link, &socket, error);
        if (!pump->conn)
                return NULL;

        pump->socket = duplicate(socket);
        pump->stream = virStreamNew(pump->conn, use == CALLER_FILE_BOTH ? VIR_STREAM_NONBLOCK : 0);
        if (!pump->stream) {
                error_take_libvirt(error);
                return NULL;
        }

        return g_steal_pointer(&pump);
}

virConnectPtr pump_connection(const Pump *pump)
{
        return pump->conn;
}

virStreamPtr pump_stream(const Pump *pump)
{
        return pump->stream;
}

void pump_limit(Pump *pump, guint64 most)
{
        pump->most = most;
}

static gboolean take_error(GError **error)
{
        error_take_libvirt(error);
        return FALSE;
}

static gboolean take_hole(const Pump *pump, GError **error)
{
        long long length;

        return virStreamRecvHole(pump->stream, &length, 0) < 0 ? take_error(error)
                                                               : caller_file_punch(pump->file, length, error);
}

static int receive(const Pump *pump, char *buffer)
{
        return pump->sparse ? virStreamRecvFlags(pump->stream, buffer, PIECE, VIR_STREAM_RECV_STOP_AT_HOLE)
                            : virStreamRecv(pump->stream, buffer, PIECE);
}

/* From libvirt to the descriptor. */
static gboolean move_out(const Pump *pump, GError **error)
{
        g_autofree char *buffer = g_malloc(PIECE);
        int n;

        while ((n = receive(pump, buffer)) != 0)
                if (n == AT_HOLE) {
                        if (!take_hole(pump, error))
                                return FALSE;
                } else if (n < 0) {
                        return take_error(error);
                } else if (!caller_file_write(pump->file, buffer, (gsize)n, error)) {
                        return FALSE;
                }

        return TRUE;
}

static gboolean send_all(const Pump *pump, const char *bytes, gsize size, GError **error)
{
        while (size > 0) {
                int n = virStreamSend(pump->stream, bytes, size);

                if (n < 0)
                        return take_error(error);

                bytes += n;
                size -= (gsize)n;
        }

        return TRUE;
}

/* From the descriptor to libvirt, up to *@left bytes, which become fewer; none at its end. */
static gboolean move_in(const Pump *pump, guint64 *left, GError **error)
{
        g_autofree char *buffer = g_malloc(PIECE);

        while (*left > 0) {
                gssize n = caller_file_read(pump->file, buffer, MIN(*left, PIECE), error);

                if (n <= 0)
                        return n == 0;
                if (!send_all(pump, buffer, (gsize)n, error))
                        return FALSE;

                *left -= (guint64)n;
        }

        return TRUE;
}

static gboolean move_in_hole(const Pump *pump, gint64 length, GError **error)
{
        return virStreamSendHole(pump->stream, length, 0) < 0 ? take_error(error)
                                                              : caller_file_skip(pump->file, length, error);
}

/* The same, hole by hole. */
static gboolean move_in_sparse(const Pump *pump, guint64 left, GError **error)
{
        while (left > 0) {
                gboolean data;
                gint64 length;
                guint64 section, unread;

                if (!caller_file_section(pump->file, &data, &length, error))
                        return FALSE;

                section = unread = MIN((guint64)length, left);
                if (section == 0)
                        break;
                if (data ? !move_in(pump, &unread, error) : !move_in_hole(pump, (gint64)section, error))
                        return FALSE;

                left -= section;
        }

        return TRUE;
}

/* Has libvirt's client read what has come. The answer, be it an error, is of no interest. */
static void have_read(const Pump *pump)
{
        unsigned long version;

        virConnectGetLibVersion(pump->conn, &version);
        virResetLastError();
}

/* What has come of libvirt and is not written yet. */
typedef struct Output {
        char *bytes;
        gsize at, left;
} Output;

/* Takes what has come, if that before it was written. FALSE at the end of the stream, with an error or not:
 * one that does not block does not say that its connection is gone. */
static gboolean take_output(const Pump *pump, Output *output, GError **error)
{
        int n;

        if (output->left > 0)
                return TRUE;

        n = virStreamRecv(pump->stream, output->bytes, PIECE);
        if (n == 0)
                return FALSE;
        if (n == NOTHING && virConnectIsAlive(pump->conn) == 0) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT, "connection to %s was lost",
                            pump->uri);
                return FALSE;
        }
        if (n < 0 && n != NOTHING)
                return take_error(error);

        output->at = 0;
        output->left = (gsize)MAX(n, 0);
        return TRUE;
}

static gboolean write_output(const Pump *pump, Output *output, GError **error)
{
        gssize n = caller_file_write_some(pump->file, output->bytes + output->at, output->left, error);

        if (n < 0)
                return FALSE;

        output->at += (gsize)n;
        output->left -= (gsize)n;
        return TRUE;
}

/* FALSE at its end, with an error or not. */
static gboolean take_input(const Pump *pump, GError **error)
{
        char bytes[INPUT];
        gssize n = caller_file_read(pump->file, bytes, sizeof bytes, error);

        return n > 0 && send_all(pump, bytes, (gsize)n, error);
}

/* Does what can be done on either side. FALSE when one of them has ended, with an error or not. */
static gboolean exchange(const Pump *pump, Output *output, GError **error)
{
        gboolean has_come;
        short found;

        if (!take_output(pump, output, error) ||
            !caller_file_wait(pump->file, output->left > 0 ? POLLIN | POLLOUT : POLLIN,
                              output->left > 0 ? -1 : pump->socket, &found, &has_come, error) ||
            (found & POLLOUT && !write_output(pump, output, error)) ||
            (found & ~POLLOUT && !take_input(pump, error)))
                return FALSE;

        if (has_come)
                have_read(pump);
        return TRUE;
}

/* Both directions, until either side ends, with an error or not. */
static void converse(const Pump *pump, GError **error)
{
        g_autofree char *bytes = g_malloc(PIECE);
        Output output = {.bytes = bytes};

        while (exchange(pump, &output, error))
                continue;
}

static gboolean move(const Pump *pump, GError **error)
{
        guint64 left = pump->most > 0 ? pump->most : G_MAXUINT64;

        if (pump->use == CALLER_FILE_WRITE)
                return move_out(pump, error);

        return pump->sparse ? move_in_sparse(pump, left, error) : move_in(pump, &left, error);
}

/* Libvirt's message of a connection that ended is that of its socket. */
static void tell_loss(Pump *pump)
{
        if (pump->error->code != GUESTBUS_ERROR_DESCRIPTOR && virConnectIsAlive(pump->conn) == 0)
                g_prefix_error(&pump->error, "connection to %s was lost: ", pump->uri);
}

static CallerFile *take_file(Pump *pump)
{
        HOLD(&pump->lock);

        if (pump->socket >= 0)
                close(g_steal_fd(&pump->socket));
        return g_steal_pointer(&pump->file);
}

/* Parts from libvirt and the descriptor. */
static void pump_close(Pump *pump)
{
        if (!pump->file)
                return;

        ASSERT_WORKER();
        if (pump->stream)
                virStreamFree(g_steal_pointer(&pump->stream));
        if (pump->conn)
                virConnectClose(g_steal_pointer(&pump->conn));
        caller_file_free(take_file(pump));
}

/* To finish the stream would wait until the domain has read what was typed, which it may never do. After an
 * answer libvirtd has what was sent, and passes on what the domain takes. To abort the stream has libvirt's
 * client forget it, and takes no time where there is no connection. */
static void hang_up(const Pump *pump)
{
        have_read(pump);
        shutdown(pump->socket, SHUT_RDWR);
        virStreamAbort(pump->stream);
}

void pump_run(Pump *pump)
{
        ASSERT_WORKER();
        if (pump_is_interactive(pump)) {
                converse(pump, &pump->error);
                hang_up(pump);
        } else if (!move(pump, &pump->error)) {
                tell_loss(pump);
                virStreamAbort(pump->stream);
        } else if (virStreamFinish(pump->stream) < 0) {
                take_error(&pump->error);
                tell_loss(pump);
        }

        pump_close(pump);
}

void pump_stop(Pump *pump)
{
        HOLD(&pump->lock);

        if (pump->file)
                caller_file_wake(pump->file);
        if (pump->socket >= 0)
                shutdown(pump->socket, SHUT_RDWR);
}

gboolean pump_is_interactive(const Pump *pump)
{
        return pump->use == CALLER_FILE_BOTH;
}

const GError *pump_error(const Pump *pump)
{
        return pump->error;
}

void pump_free(Pump *pump)
{
        if (!pump)
                return;

        pump_close(pump);
        pthread_mutex_destroy(&pump->lock);
        g_clear_error(&pump->error);
        g_free(pump->uri);
        g_free(pump);
}
