/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus queues what the bus does not read, up to 393,216 messages of any size. It says how many wait, but
 * not how large they are. They are written in the order in which they were sent, so the sizes of those that
 * wait are the last ones that were noted here.
 *
 * A bus stops reading when it hangs. A dbus-daemon also stops reading from a client while the receivers of
 * its messages have left some 127 MiB unread (max_incoming_bytes), until these read or leave. */

#include "bus/send_queue.h"

#include "base/assert.h"
#include "base/thread.h"

/* What a message takes besides its contents. */
#define MESSAGE_BYTES 1024

/* From this part of the limit on no more is asked for; the rest is for answers to what was asked before, and
 * for events. */
#define BEHIND_PART 4

struct SendQueue {
        const Limits *limits;
        GQueue sizes; /* of what was noted and waits, the oldest first, as GSIZE_TO_POINTER() */
        size_t bytes; /* their sum */
        guint64 queued;
        gint64 stands_since; /* monotonic; -1 while nothing waits */
};

SendQueue *send_queue_new(const Limits *limits)
{
        SendQueue *output = g_new0(SendQueue, 1);

        ASSERT_MAIN();
        output->limits = limits;
        output->stands_since = -1;
        return output;
}

void send_queue_free(SendQueue *output)
{
        ASSERT_MAIN();
        if (!output)
                return;

        g_queue_clear(&output->sizes);
        g_free(output);
}

static void forget_written(SendQueue *output)
{
        while (output->sizes.length > output->queued) {
                size_t size = GPOINTER_TO_SIZE(g_queue_pop_head(&output->sizes));

                ASSERT(output->bytes >= size);
                output->bytes -= size;
        }
}

void send_queue_sent(SendQueue *output, size_t size, guint64 queued)
{
        ASSERT_MAIN();
        output->queued = queued;
        if (queued > 0) {
                g_queue_push_tail(&output->sizes, GSIZE_TO_POINTER(size));
                output->bytes += size;
        }
        forget_written(output);
}

void send_queue_look(SendQueue *output, guint64 queued, gboolean moved, gint64 now)
{
        ASSERT_MAIN();
        output->queued = queued;
        forget_written(output);
        if (queued == 0)
                output->stands_since = -1;
        else if (moved || output->stands_since < 0)
                output->stands_since = now;
}

size_t send_queue_waiting(const SendQueue *output)
{
        ASSERT_MAIN();
        return output->bytes + (size_t)output->queued * MESSAGE_BYTES;
}

gboolean send_queue_is_behind(const SendQueue *output)
{
        ASSERT_MAIN();
        return output->limits->output_bytes > 0 &&
               send_queue_waiting(output) > output->limits->output_bytes / BEHIND_PART;
}

gboolean send_queue_has_room(const SendQueue *output, size_t size)
{
        ASSERT_MAIN();
        return output->limits->output_bytes == 0 ||
               send_queue_waiting(output) + size <= output->limits->output_bytes;
}

gint64 send_queue_deadline(const SendQueue *output)
{
        ASSERT_MAIN();
        if (output->stands_since < 0 || output->limits->bus_timeout == 0)
                return -1;

        return output->stands_since + output->limits->bus_timeout * (gint64)G_TIME_SPAN_SECOND;
}
