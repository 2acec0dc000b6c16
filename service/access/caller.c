/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Accounting by caller, so that nobody's calls can fill the service's memory or keep others out. */

#include "access/caller.h"

#include "base/error.h"
#include "base/thread.h"

struct Callers {
        const Limits *limits;
        GHashTable *by_name; /* of Caller, those with calls in flight */
        Account total;
};

struct Caller {
        Callers *callers;
        char *name;
        Account account; /* a part of its user's */
        Share *share;    /* NULL for none, or not yet */
};

static void caller_free(void *data)
{
        Caller *caller = data;

        account_move(&caller->account, NULL);
        share_unref(caller->share);
        g_free(caller->name);
        g_free(caller);
}

Callers *callers_new(const Limits *limits)
{
        Callers *callers = g_new0(Callers, 1);

        ASSERT_MAIN();
        callers->limits = limits;
        callers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, caller_free);
        return callers;
}

void callers_free(Callers *callers)
{
        ASSERT_MAIN();
        if (!callers)
                return;

        g_hash_table_unref(callers->by_name);
        g_free(callers);
}

static gboolean within_limits(const Callers *callers, const Caller *caller, const Share *share, size_t bytes,
                              GError **error)
{
        const Limits *limits = callers->limits;
        const guint64 *all = callers->total.charged;
        unsigned user_bytes = share_bytes(limits);
        unsigned user_calls = share_part(limits->calls_total);
        const char *problem = NULL;
        unsigned limit = 0;

        if (bytes > limits->request_bytes)
                problem = "bytes of arguments in one call", limit = limits->request_bytes;
        else if (caller && caller->account.charged[QUOTA_CALLS] >= limits->calls_per_sender)
                problem = "calls in flight from one caller", limit = limits->calls_per_sender;
        else if (share && share_charged(share, QUOTA_CALLS) >= user_calls)
                problem = "calls in flight from one user", limit = user_calls;
        else if (share && share_charged(share, QUOTA_BYTES) + bytes > user_bytes)
                problem = "bytes of arguments in flight from one user", limit = user_bytes;
        else if (all[QUOTA_CALLS] >= limits->calls_total)
                problem = "calls in flight", limit = limits->calls_total;
        else if (all[QUOTA_BYTES] + bytes > limits->pending_bytes)
                problem = "bytes of arguments in flight", limit = limits->pending_bytes;

        if (problem)
                g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                            "at most %u %s are accepted", limit, problem);

        return !problem;
}

/* Whose name it is may be known only after its first call, such as one that takes no right. */
static void join_share(Caller *caller, Share *share)
{
        if (caller->share || !share)
                return;

        caller->share = share_ref(share);
        account_move(&caller->account, share_account(share));
}

Caller *caller_enter(Callers *callers, const char *name, Share *share, size_t bytes, GError **error)
{
        Caller *caller = g_hash_table_lookup(callers->by_name, name);

        ASSERT_MAIN();
        if (!within_limits(callers, caller, share, bytes, error))
                return NULL;

        if (!caller) {
                caller = g_new0(Caller, 1);
                caller->callers = callers;
                caller->name = g_strdup(name);
                g_hash_table_insert(callers->by_name, caller->name, caller);
        }

        join_share(caller, share);
        account_charge(&caller->account, QUOTA_CALLS, 1);
        account_charge(&caller->account, QUOTA_BYTES, bytes);
        account_charge(&callers->total, QUOTA_CALLS, 1);
        account_charge(&callers->total, QUOTA_BYTES, bytes);
        return caller;
}

void caller_leave(Caller *caller, size_t bytes)
{
        Callers *callers = caller->callers;

        ASSERT_MAIN();
        account_discharge(&caller->account, QUOTA_CALLS, 1);
        account_discharge(&caller->account, QUOTA_BYTES, bytes);
        account_discharge(&callers->total, QUOTA_CALLS, 1);
        account_discharge(&callers->total, QUOTA_BYTES, bytes);
        if (caller->account.charged[QUOTA_CALLS] == 0)
                g_hash_table_remove(callers->by_name, caller->name);
}

const char *caller_name(const Caller *caller)
{
        ASSERT_MAIN();
        return caller->name;
}

Account *caller_account(Caller *caller)
{
        ASSERT_MAIN();
        return &caller->account;
}

Share *caller_share(const Caller *caller)
{
        ASSERT_MAIN();
        return caller->share;
}

gboolean callers_has(const Callers *callers, const char *name)
{
        ASSERT_MAIN();
        return g_hash_table_contains(callers->by_name, name);
}

unsigned callers_total(const Callers *callers)
{
        ASSERT_MAIN();
        return (unsigned)callers->total.charged[QUOTA_CALLS];
}

void callers_collect(const Callers *callers, GHashTable *names)
{
        GHashTableIter iter;
        gpointer name;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, callers->by_name);
        while (g_hash_table_iter_next(&iter, &name, NULL))
                g_hash_table_add(names, g_strdup(name));
}
