/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A request waits as its message: nothing of it is read before its caller has the right. But it takes memory
 * meanwhile, and a caller without any right must not fill it. sd-bus does not tell the size of a message, so
 * its arguments are counted, which takes no memory and a fraction of the time of reading them. */

#include "access/backlog.h"

#include "base/error.h"
#include "base/thread.h"
#include "bus/codec.h"
#include "bus/path.h"

#include <errno.h>
#include <string.h>

typedef struct Kept {
        Peer *peer;
        sd_bus_message *message;
        size_t bytes;
} Kept;

/* Gives back what it took. */
static void kept_free(void *data)
{
        Kept *kept = data;

        quota_discharge(&kept->peer->quota, QUOTA_KEPT, 1);
        quota_discharge(&kept->peer->quota, QUOTA_KEPT_BYTES, kept->bytes);
        sd_bus_message_unref(kept->message);
        g_free(kept);
}

static void lane_free(void *data)
{
        g_queue_free_full(data, kept_free);
}

/* Of Kept; NULL for nothing. */
static GQueue *lane_at(const Peer *peer, const char *path)
{
        return peer->backlog ? g_hash_table_lookup(peer->backlog, path) : NULL;
}

static GQueue *lane_get(Peer *peer, const char *path)
{
        GQueue *lane = lane_at(peer, path);

        if (lane)
                return lane;

        if (!peer->backlog)
                peer->backlog = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, lane_free);
        lane = g_queue_new();
        g_hash_table_insert(peer->backlog, g_strdup(path), lane);
        return lane;
}

gboolean backlog_has(const Peer *peer, const char *path)
{
        ASSERT_MAIN();
        return lane_at(peer, path) != NULL;
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

static gboolean has_room(const Peer *peer, size_t arguments, size_t bytes, GError **error)
{
        const Limits *limits = peer->peers->limits;
        User *user = peer->user;
        const guint64 *own = peer->quota.charged, *all = peer->peers->users.total.charged;
        /* Until the user is known, the peer is taken for all that its user has. */
        guint64 user_calls = user ? user_charged(user, QUOTA_KEPT) : own[QUOTA_KEPT];
        guint64 bytes_of_user = user ? user_charged(user, QUOTA_KEPT_BYTES) : own[QUOTA_KEPT_BYTES];

        if (arguments > limits->request_bytes) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "at most %u bytes of arguments in one call are accepted", limits->request_bytes);
                return FALSE;
        }

        if (own[QUOTA_KEPT] < limits->calls_per_sender && user_calls < user_part(limits->calls_total) &&
            all[QUOTA_KEPT] < limits->calls_total && bytes_of_user + bytes <= user_bytes(limits) &&
            all[QUOTA_KEPT_BYTES] + bytes <= limits->pending_bytes)
                return TRUE;

        g_set_error_literal(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "too many requests wait for polkit already");
        return FALSE;
}

gboolean backlog_add(Peer *peer, sd_bus_message *message, GError **error)
{
        const char *path = sd_bus_message_get_path(message);
        size_t arguments = count_bytes(message, peer->peers->limits->request_bytes);
        size_t bytes = arguments + path_cost(path);
        Kept *kept;

        ASSERT_MAIN();
        if (!has_room(peer, arguments, bytes, error))
                return FALSE;

        kept = g_new0(Kept, 1);
        kept->peer = peer;
        kept->message = sd_bus_message_ref(message);
        kept->bytes = bytes;
        g_queue_push_tail(lane_get(peer, path), kept);
        quota_charge(&peer->quota, QUOTA_KEPT, 1);
        quota_charge(&peer->quota, QUOTA_KEPT_BYTES, bytes);
        return TRUE;
}

void backlog_retry(Peer *peer, const char *path, BacklogFunc *func, void *data)
{
        GQueue *lane = lane_at(peer, path);
        Kept *kept;

        ASSERT_MAIN();
        if (!lane)
                return;

        while ((kept = g_queue_peek_head(lane))) {
                if (!func(peer, kept->message, data))
                        return;

                g_queue_pop_head(lane);
                kept_free(kept);
        }

        g_hash_table_remove(peer->backlog, path);
}

GPtrArray *backlog_paths(const Peer *peer)
{
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iter;
        gpointer path;

        ASSERT_MAIN();
        if (!peer->backlog)
                return paths;

        g_hash_table_iter_init(&iter, peer->backlog);
        while (g_hash_table_iter_next(&iter, &path, NULL))
                g_ptr_array_add(paths, g_strdup(path));
        return paths;
}

void backlog_refuse(Peer *peer, const char *why)
{
        GHashTableIter iter;
        gpointer lane;

        ASSERT_MAIN();
        if (!peer->backlog)
                return;

        g_hash_table_iter_init(&iter, peer->backlog);
        while (g_hash_table_iter_next(&iter, NULL, &lane))
                for (GList *each = ((GQueue *)lane)->head; each; each = each->next)
                        sd_bus_reply_method_errorf(((Kept *)each->data)->message, SD_BUS_ERROR_FAILED, "%s",
                                                   why);
        g_hash_table_remove_all(peer->backlog);
}
