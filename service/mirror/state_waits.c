/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting for a state.
 *
 * A wait is checked when it begins and whenever the mirror changes; both happen on the main thread, so
 * nothing comes between. While the connection is lost the state is not known, and no wait ends by it. */

#include "mirror/state_waits.h"

#include "base/error.h"
#include "base/thread.h"
#include "members.h"
#include "virt/enums.h"

#include <string.h>

/* The state of a domain that is not there. */
#define GONE "gone"

/* More states than there are need not be named. */
#define STATES_MAX 16

/* Waiting has no end of its own, so that it may take no more than this part of all calls in flight: the
 * others are for those that libvirt answers. */
#define WAITS_PART 4

typedef struct Wait {
        StateWaits *waits;
        Call *call;
        char **states;
        unsigned settle;       /* ms; 0: at once */
        unsigned timer;        /* the end of all waiting */
        unsigned settle_timer; /* while the domain is where it should be, and has to stay there */
} Wait;

struct StateWaits {
        const Mirror *mirror;
        void (*finish)(Call *call, void *data);
        void *data;
        GHashTable *by_leaf; /* GPtrArray of Wait */
        Quota total;         /* those of this connection */
        gboolean blind;
};

StateWaits *state_waits_new(const Mirror *mirror, void (*finish)(Call *call, void *data), void *data)
{
        StateWaits *waits = g_new0(StateWaits, 1);

        ASSERT_MAIN();
        waits->mirror = mirror;
        waits->blind = TRUE;
        waits->finish = finish;
        waits->data = data;
        waits->by_leaf =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
        return waits;
}

void state_waits_free(StateWaits *waits)
{
        ASSERT_MAIN();
        if (!waits)
                return;

        g_hash_table_unref(waits->by_leaf);
        g_free(waits);
}

/* Frees the wait and returns its call. */
static Call *wait_end(Wait *wait)
{
        StateWaits *waits = wait->waits;
        Call *call = wait->call;
        const char *leaf = call->object.leaf;
        GPtrArray *others = g_hash_table_lookup(waits->by_leaf, leaf);

        g_ptr_array_remove_fast(others, wait);
        if (others->len == 0)
                g_hash_table_remove(waits->by_leaf, leaf);
        /* The call has its peer until it ends, and its peer what was charged, whatever became of the peer's
         * name and user meanwhile. */
        quota_discharge(&call->peer->quota, QUOTA_WAITS, 1);
        quota_discharge(&waits->total, QUOTA_WAITS, 1);

        g_clear_handle_id(&wait->timer, g_source_remove);
        g_clear_handle_id(&wait->settle_timer, g_source_remove);
        g_strfreev(wait->states);
        g_free(wait);
        return call;
}

static void wait_finish(Wait *wait, GVariant *result)
{
        StateWaits *waits = wait->waits;
        Call *call = wait_end(wait);

        if (result)
                call->result = g_variant_ref_sink(result);
        waits->finish(call, waits->data);
}

static gboolean on_timeout(gpointer user_data)
{
        Wait *wait = user_data;

        wait->timer = 0;
        g_set_error(&wait->call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_TIMEOUT,
                    "the domain came to none of the states in time");
        wait_finish(wait, NULL);
        return G_SOURCE_REMOVE;
}

/* The state of the domain; NULL while it is not known. */
static const char *current_state(const Wait *wait)
{
        const Item *item = mirror_find(wait->waits->mirror, &kind_domain, wait->call->object.leaf);

        if (wait->waits->blind)
                return NULL;

        return item ? item_string(item, DOMAIN1_STATE) : GONE;
}

static gboolean on_settled(gpointer user_data)
{
        Wait *wait = user_data;

        wait->settle_timer = 0;
        wait_finish(wait, g_variant_new_string(current_state(wait)));
        return G_SOURCE_REMOVE;
}

/* May end the wait. */
static void wait_check(Wait *wait)
{
        const char *state = current_state(wait);

        if (!state || !g_strv_contains((const char *const *)wait->states, state)) {
                g_clear_handle_id(&wait->settle_timer, g_source_remove);
                if (state && strcmp(state, GONE) == 0) {
                        g_set_error(&wait->call->error, GUESTBUS_ERROR, GUESTBUS_ERROR_UNKNOWN_OBJECT,
                                    "there is no such domain (any more); \"" GONE "\" waits for that");
                        wait_finish(wait, NULL);
                }
                return;
        }

        if (wait->settle == 0)
                wait_finish(wait, g_variant_new_string(state));
        else if (wait->settle_timer == 0)
                wait->settle_timer = g_timeout_add(wait->settle, on_settled, wait);
}

/* The only option that there is. */
static gboolean read_options(GVariant *options, unsigned *settle, GError **error)
{
        GVariantIter iter;
        const char *key;
        GVariant *value;

        g_variant_iter_init(&iter, options);
        while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
                g_autoptr(GVariant) owned = value;

                if (strcmp(key, "settle") != 0 || !g_variant_is_of_type(owned, G_VARIANT_TYPE_UINT32)) {
                        g_set_error(
                                error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                                "option \"%s\" of type \"%s\" is not known; there is settle, of type \"u\"",
                                key, g_variant_get_type_string(owned));
                        return FALSE;
                }

                *settle = g_variant_get_uint32(owned);
        }

        return TRUE;
}

/* What is no state would be waited for until the time is over, or for ever. */
static gboolean check_states(char **states, GError **error)
{
        unsigned n = g_strv_length(states);

        if (n < 1 || n > STATES_MAX) {
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                            "%u states are named, but it must be 1 to %u", n, STATES_MAX);
                return FALSE;
        }

        for (char **state = states; *state; state++) {
                g_autofree char *known = NULL;

                if (strcmp(*state, GONE) == 0 || enum_is_word("domain-state", *state))
                        continue;

                known = enum_words("domain-state");
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                            "\"%s\" is no state of a domain; there are %s and " GONE, *state, known);
                return FALSE;
        }

        return TRUE;
}

static gboolean has_room(const StateWaits *waits, const Call *call, GError **error)
{
        unsigned all = MAX(call->limits->calls_total / WAITS_PART, 1);
        User *user = call->peer->user;

        if (state_waits_size(waits) < all && (!user || user_charged(user, QUOTA_WAITS) < user_part(all)))
                return TRUE;

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                    "at most %u calls can wait for states, and at most %u of one user", all, user_part(all));
        return FALSE;
}

static Wait *wait_new(StateWaits *waits, Call *call)
{
        const char *leaf = call->object.leaf;
        Wait *wait = g_new0(Wait, 1);
        GPtrArray *others = g_hash_table_lookup(waits->by_leaf, leaf);

        if (!others) {
                others = g_ptr_array_new();
                g_hash_table_insert(waits->by_leaf, g_strdup(leaf), others);
        }

        g_ptr_array_add(others, wait);
        wait->waits = waits;
        wait->call = call;
        quota_charge(&call->peer->quota, QUOTA_WAITS, 1);
        quota_charge(&waits->total, QUOTA_WAITS, 1);
        return wait;
}

void state_waits_add(StateWaits *waits, Call *call)
{
        g_auto(GStrv) states = NULL;
        g_autoptr(GVariant) options = NULL;
        guint32 timeout, settle = 0;
        Wait *wait;

        ASSERT_MAIN();
        g_variant_get(call->args, "(^asu@a{sv})", &states, &timeout, &options);
        if (!has_room(waits, call, &call->error) || !check_states(states, &call->error) ||
            !read_options(options, &settle, &call->error)) {
                waits->finish(call, waits->data);
                return;
        }

        wait = wait_new(waits, call);
        wait->states = g_steal_pointer(&states);
        wait->settle = settle;
        if (timeout > 0)
                wait->timer = g_timeout_add(timeout, on_timeout, wait);
        wait_check(wait);
}

/* The waits for a domain as they are now: each may end meanwhile. */
static GPtrArray *waits_of(const StateWaits *waits, const char *leaf)
{
        GPtrArray *some = g_hash_table_lookup(waits->by_leaf, leaf);

        return some ? g_ptr_array_copy(some, NULL, NULL) : NULL;
}

void state_waits_check(StateWaits *waits, const char *leaf)
{
        g_autoptr(GPtrArray) some = waits_of(waits, leaf);

        ASSERT_MAIN();
        for (guint i = 0; some && i < some->len; i++)
                wait_check(g_ptr_array_index(some, i));
}

void state_waits_set_blind(StateWaits *waits, gboolean blind)
{
        g_autoptr(GPtrArray) leaves = g_ptr_array_new_with_free_func(g_free);
        GHashTableIter iter;
        gpointer leaf;

        ASSERT_MAIN();
        waits->blind = blind;
        g_hash_table_iter_init(&iter, waits->by_leaf);
        while (g_hash_table_iter_next(&iter, &leaf, NULL))
                g_ptr_array_add(leaves, g_strdup(leaf));
        for (guint i = 0; i < leaves->len; i++)
                state_waits_check(waits, g_ptr_array_index(leaves, i));
}

void state_waits_disturb(StateWaits *waits, const char *leaf)
{
        g_autoptr(GPtrArray) some = waits_of(waits, leaf);

        ASSERT_MAIN();
        for (guint i = 0; some && i < some->len; i++) {
                Wait *wait = g_ptr_array_index(some, i);

                if (wait->settle_timer == 0)
                        continue;

                g_source_remove(wait->settle_timer);
                wait->settle_timer = g_timeout_add(wait->settle, on_settled, wait);
        }
}

void state_waits_withdraw(StateWaits *waits, const Call *call)
{
        const GPtrArray *some = g_hash_table_lookup(waits->by_leaf, call->object.leaf);

        ASSERT_MAIN();
        for (guint i = 0; some && i < some->len; i++) {
                Wait *wait = g_ptr_array_index(some, i);

                if (wait->call == call) {
                        wait_end(wait);
                        return;
                }
        }
}

void state_waits_drop(StateWaits *waits, void (*drop)(Call *call, void *data), void *data)
{
        GHashTableIter iter;
        gpointer some;

        ASSERT_MAIN();
        while (g_hash_table_size(waits->by_leaf) > 0) {
                g_hash_table_iter_init(&iter, waits->by_leaf);
                g_hash_table_iter_next(&iter, NULL, &some);
                drop(wait_end(g_ptr_array_index((GPtrArray *)some, 0)), data);
        }
}

unsigned state_waits_size(const StateWaits *waits)
{
        ASSERT_MAIN();
        return (unsigned)waits->total.charged[QUOTA_WAITS];
}
