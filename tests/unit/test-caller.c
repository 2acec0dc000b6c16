/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "access/caller.h"
#include "base/error.h"

static const Limits limits = {
        .calls_per_sender = 2, .calls_total = 3, .request_bytes = 100, .pending_bytes = 150};

static void test_per_caller(void)
{
        Callers *callers = callers_new(&limits);
        g_autoptr(GError) error = NULL;
        Caller *first = caller_enter(callers, ":1.1", NULL, 0, NULL);
        Caller *second = caller_enter(callers, ":1.1", NULL, 0, NULL);

        g_assert_true(first && first == second);
        g_assert_null(caller_enter(callers, ":1.1", NULL, 0, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);

        /* One call less makes room for one more. */
        caller_leave(first, 0);
        g_assert_nonnull(caller_enter(callers, ":1.1", NULL, 0, NULL));
        callers_free(callers);
}

static void test_total(void)
{
        Callers *callers = callers_new(&limits);
        g_autoptr(GError) error = NULL;

        g_assert_nonnull(caller_enter(callers, ":1.1", NULL, 0, NULL));
        g_assert_nonnull(caller_enter(callers, ":1.2", NULL, 0, NULL));
        g_assert_nonnull(caller_enter(callers, ":1.3", NULL, 0, NULL));
        g_assert_null(caller_enter(callers, ":1.4", NULL, 0, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_cmpuint(callers_total(callers), ==, 3);
        callers_free(callers);
}

static void test_bytes(void)
{
        Callers *callers = callers_new(&limits);
        g_autoptr(GError) one = NULL, all = NULL;
        Caller *caller = caller_enter(callers, ":1.1", NULL, 100, NULL);

        g_assert_nonnull(caller);
        g_assert_null(caller_enter(callers, ":1.2", NULL, 101, &one));
        g_assert_error(one, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_null(caller_enter(callers, ":1.2", NULL, 51, &all));
        g_assert_error(all, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);

        caller_leave(caller, 100);
        g_assert_nonnull(caller_enter(callers, ":1.2", NULL, 51, NULL));
        callers_free(callers);
}

/* A user's part of four times as much as all others here. */
static const Limits shared_limits = {
        .calls_per_sender = 100, .calls_total = 12, .request_bytes = 10, .pending_bytes = 400};

static void test_one_user(void)
{
        Callers *callers = callers_new(&shared_limits);
        Shares *shares = shares_new(NULL);
        Share *one = shares_get(shares, 1000), *other = shares_get(shares, 1001);
        g_autoptr(GError) calls = NULL;
        Caller *first = caller_enter(callers, ":1.1", one, 0, NULL);

        /* Over all connections of the user. */
        g_assert_nonnull(caller_enter(callers, ":1.2", one, 0, NULL));
        g_assert_nonnull(caller_enter(callers, ":1.3", one, 0, NULL));
        g_assert_null(caller_enter(callers, ":1.4", one, 0, &calls));
        g_assert_error(calls, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_nonnull(strstr(calls->message, "user"));

        /* Others have theirs, and who is trusted has no such bounds. */
        g_assert_nonnull(caller_enter(callers, ":1.5", other, 0, NULL));
        for (unsigned i = 0; i < 4; i++)
                g_assert_nonnull(caller_enter(callers, ":1.0", NULL, 0, NULL));

        caller_leave(first, 0);
        g_assert_nonnull(caller_enter(callers, ":1.4", one, 0, NULL));
        callers_free(callers);
        g_assert_cmpuint(share_charged(one, QUOTA_CALLS), ==, 0);
        share_unref(one);
        share_unref(other);
        shares_free(shares);
}

static void test_bytes_of_one_user(void)
{
        Callers *callers = callers_new(&shared_limits);
        Shares *shares = shares_new(NULL);
        Share *share = shares_get(shares, 1000);
        g_autoptr(GError) error = NULL;

        account_charge(share_account(share), QUOTA_BYTES, 91);
        g_assert_null(caller_enter(callers, ":1.1", share, 10, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_nonnull(caller_enter(callers, ":1.1", share, 9, NULL));
        callers_free(callers);
        account_discharge(share_account(share), QUOTA_BYTES, 91);
        share_unref(share);
        shares_free(shares);
}

/* Even where that is more than the part. */
static void test_one_user_may_make_one_call(void)
{
        const Limits narrow = {
                .calls_per_sender = 1, .calls_total = 1, .request_bytes = 100, .pending_bytes = 100};
        Callers *callers = callers_new(&narrow);
        Shares *shares = shares_new(NULL);
        Share *share = shares_get(shares, 1000);

        g_assert_nonnull(caller_enter(callers, ":1.1", share, 100, NULL));
        callers_free(callers);
        share_unref(share);
        shares_free(shares);
}

/* What was accepted before counts for its user as well. */
static void test_known_late(void)
{
        Callers *callers = callers_new(&shared_limits);
        Shares *shares = shares_new(NULL);
        Share *share = shares_get(shares, 1000);
        Caller *caller = caller_enter(callers, ":1.1", NULL, 5, NULL);

        g_assert_null(caller_share(caller));
        g_assert_true(caller_enter(callers, ":1.1", share, 7, NULL) == caller);
        g_assert_true(caller_share(caller) == share);
        g_assert_cmpuint(share_charged(share, QUOTA_CALLS), ==, 2);
        g_assert_cmpuint(share_charged(share, QUOTA_BYTES), ==, 12);
        caller_leave(caller, 5);
        caller_leave(caller, 7);
        g_assert_cmpuint(share_charged(share, QUOTA_CALLS), ==, 0);
        g_assert_cmpuint(share_charged(share, QUOTA_BYTES), ==, 0);
        callers_free(callers);
        share_unref(share);
        shares_free(shares);
}

static void test_forgotten(void)
{
        Callers *callers = callers_new(&limits);
        Caller *caller = caller_enter(callers, ":1.1", NULL, 7, NULL);

        g_assert_cmpstr(caller_name(caller), ==, ":1.1");
        g_assert_true(callers_has(callers, ":1.1"));
        caller_leave(caller, 7);
        g_assert_false(callers_has(callers, ":1.1"));
        g_assert_cmpuint(callers_total(callers), ==, 0);
        callers_free(callers);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/caller/per-caller", test_per_caller);
        g_test_add_func("/caller/total", test_total);
        g_test_add_func("/caller/bytes", test_bytes);
        g_test_add_func("/caller/one-user", test_one_user);
        g_test_add_func("/caller/bytes-of-one-user", test_bytes_of_one_user);
        g_test_add_func("/caller/one-user-may-make-one-call", test_one_user_may_make_one_call);
        g_test_add_func("/caller/known-late", test_known_late);
        g_test_add_func("/caller/forgotten", test_forgotten);
        return g_test_run();
}
