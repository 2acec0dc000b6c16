/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A request waits as its message: nothing of it is read before its caller has the right. But it takes memory
 * meanwhile, and a caller without any right must not fill it. sd-bus does not tell the size of a message, so
 * its arguments are counted, which takes no memory and a fraction of the time of reading them. */

#include "access/lane.h"

#include "base/assert.h"
#include "base/thread.h"
#include "bus/codec.h"
#include "bus/path.h"

#include <errno.h>
#include <string.h>

typedef struct UnreadMessage {
        sd_bus_message *message;
        size_t bytes;
} UnreadMessage;

static void drop_first(Lane *lane)
{
        UnreadMessage *first = g_queue_pop_head(&lane->unread);

        peer_discharge(lane->peer, QUOTA_KEPT, first->bytes);
        sd_bus_message_unref(first->message);
        g_free(first);
}

/* The table has it no more: its peer has left, or nothing of it is there. */
static void on_removed(void *data)
{
        Lane *lane = data;

        while (lane->unread.length > 0)
                drop_first(lane);
        if (lane->open_calls == 0)
                g_free(lane);
}

static void release(Lane *lane)
{
        if (lane->open_calls > 0 || lane->unread.length > 0)
                return;

        if (lane->peer->gone)
                g_free(lane);
        else
                g_hash_table_remove(lane->peer->lanes, lane->path);
}

static Lane *lane_get(Peer *peer, const char *path)
{
        Lane *lane = peer->lanes ? g_hash_table_lookup(peer->lanes, path) : NULL;
        size_t size = strlen(path) + 1;

        ASSERT(!peer->gone);
        if (lane)
                return lane;

        if (!peer->lanes)
                peer->lanes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, on_removed);
        lane = g_malloc0(sizeof *lane + size);
        memcpy(lane->path, path, size);
        lane->peer = peer;
        lane->place.data = lane;
        g_hash_table_insert(peer->lanes, lane->path, lane);
        return lane;
}

gboolean lane_has_unread(const Peer *peer, const char *path)
{
        const Lane *lane;

        ASSERT_MAIN();
        if (peer->quota.charged[QUOTA_KEPT] == 0)
                return FALSE;

        lane = g_hash_table_lookup(peer->lanes, path);
        return lane && lane->unread.length > 0;
}

/* What was seen of a message's arguments. */
typedef struct Count {
        size_t bytes, most;
        unsigned values;
} Count;

/* So many values are read of no request. */
static gboolean is_too_much(const Count *count)
{
        return count->bytes > count->most || count->values > CODEC_VALUES_MAX;
}

static int count_elements(sd_bus_message *message, Count *count);

/* Numbers lie there in one piece. Not those of the other byte order, which sd-bus does not give at once. */
static int count_array(sd_bus_message *message, char type, Count *count)
{
        const void *elements;
        size_t size = 0;
        int r = sd_bus_message_read_array(message, type, &elements, &size);

        count->bytes += size;
        return r;
}

/* Goes past one argument. Returns a negative errno for what is none. */
static int count_element(sd_bus_message *message, char type, const char *contents, Count *count)
{
        union {
                guint64 number;
                const char *string;
        } value;
        int r;

        count->values++;
        if (type == 'a' && strlen(contents) == 1 && strchr("ynqiuxtd", *contents)) {
                r = count_array(message, *contents, count);
                if (r != -EOPNOTSUPP)
                        return r;
        }

        if (contents) {
                r = sd_bus_message_enter_container(message, type, contents);
                if (r >= 0)
                        r = count_elements(message, count);
                return r < 0 || is_too_much(count) ? r : sd_bus_message_exit_container(message);
        }

        r = sd_bus_message_read_basic(message, type, &value);
        count->bytes += sizeof value;
        if (r >= 0 && strchr("sog", type))
                count->bytes += strlen(value.string);
        return r;
}

static int count_elements(sd_bus_message *message, Count *count)
{
        const char *contents;
        char type;
        int r = 0;

        while (r >= 0 && !is_too_much(count)) {
                r = sd_bus_message_peek_type(message, &type, &contents);
                if (r <= 0)
                        return r;

                r = count_element(message, type, contents, count);
        }

        return r;
}

/* About what the arguments take; no more is looked at once it is more than @most, or of too many values. Of
 * what cannot be read the length is not known. */
static size_t count_bytes(sd_bus_message *message, size_t most)
{
        Count count = {.most = most};
        int r;

        /* Something may have been read to find out which right the request takes. */
        r = sd_bus_message_rewind(message, TRUE);
        if (r >= 0)
                r = count_elements(message, &count);
        sd_bus_message_rewind(message, TRUE);
        return r < 0 || is_too_much(&count) ? most + 1 : count.bytes;
}

Lane *lane_keep(Peer *peer, sd_bus_message *message, GError **error)
{
        const char *path = sd_bus_message_get_path(message);
        size_t bytes = count_bytes(message, peer->peers->limits->request_bytes) + path_cost(path);
        UnreadMessage *unread;
        Lane *lane;

        ASSERT_MAIN();
        if (!peer_charge(peer, QUOTA_KEPT, bytes, error))
                return NULL;

        unread = g_new0(UnreadMessage, 1);
        unread->message = sd_bus_message_ref(message);
        unread->bytes = bytes;
        lane = lane_get(peer, path);
        g_queue_push_tail(&lane->unread, unread);
        return lane;
}

gboolean lane_retry(Lane *lane, LaneFunc *func, void *data)
{
        UnreadMessage *first;

        ASSERT_MAIN();
        while ((first = g_queue_peek_head(&lane->unread))) {
                if (!func(lane->peer, first->message, data))
                        return FALSE;

                drop_first(lane);
        }

        release(lane);
        return TRUE;
}

GList *lanes_unread(const Peer *peer)
{
        GList *lanes = NULL;
        GHashTableIter iter;
        gpointer lane;

        ASSERT_MAIN();
        if (peer->quota.charged[QUOTA_KEPT] == 0)
                return NULL;

        g_hash_table_iter_init(&iter, peer->lanes);
        while (g_hash_table_iter_next(&iter, NULL, &lane))
                if (((Lane *)lane)->unread.length > 0)
                        lanes = g_list_prepend(lanes, lane);
        return lanes;
}

static gboolean refuse(Peer *peer, sd_bus_message *message, void *data)
{
        sd_bus_reply_method_errorf(message, SD_BUS_ERROR_FAILED, "%s", (const char *)data);
        return TRUE;
}

void lanes_refuse(const Peer *peer, const char *why)
{
        g_autoptr(GList) lanes = lanes_unread(peer);

        for (GList *each = lanes; each; each = each->next)
                lane_retry(each->data, refuse, (void *)why);
}

Lane *lane_enter(Peer *peer, const char *path)
{
        Lane *lane = lane_get(peer, path);

        ASSERT_MAIN();
        lane->open_calls++;
        return lane;
}

void lane_leave(Lane *lane)
{
        ASSERT_MAIN();
        lane->open_calls--;
        release(lane);
}
