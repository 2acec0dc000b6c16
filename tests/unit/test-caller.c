/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "caller.h"
#include "error.h"

static const Limits limits = {
        .calls_per_sender = 2, .calls_total = 3, .request_bytes = 100, .pending_bytes = 150};

static void test_per_caller(void)
{
        Callers *callers = callers_new(&limits);
        g_autoptr(GError) error = NULL;
        Caller *first = caller_enter(callers, ":1.1", 0, NULL);
        Caller *second = caller_enter(callers, ":1.1", 0, NULL);

        g_assert_true(first && first == second);
        g_assert_null(caller_enter(callers, ":1.1", 0, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);

        /* One call less makes room for one more. */
        caller_leave(first, 0);
        g_assert_nonnull(caller_enter(callers, ":1.1", 0, NULL));
        callers_free(callers);
}

static void test_total(void)
{
        Callers *callers = callers_new(&limits);
        g_autoptr(GError) error = NULL;

        g_assert_nonnull(caller_enter(callers, ":1.1", 0, NULL));
        g_assert_nonnull(caller_enter(callers, ":1.2", 0, NULL));
        g_assert_nonnull(caller_enter(callers, ":1.3", 0, NULL));
        g_assert_null(caller_enter(callers, ":1.4", 0, &error));
        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_cmpuint(callers_total(callers), ==, 3);
        callers_free(callers);
}

static void test_bytes(void)
{
        Callers *callers = callers_new(&limits);
        g_autoptr(GError) one = NULL, all = NULL;
        Caller *caller = caller_enter(callers, ":1.1", 100, NULL);

        g_assert_nonnull(caller);
        g_assert_null(caller_enter(callers, ":1.2", 101, &one));
        g_assert_error(one, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);
        g_assert_null(caller_enter(callers, ":1.2", 51, &all));
        g_assert_error(all, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED);

        caller_leave(caller, 100);
        g_assert_nonnull(caller_enter(callers, ":1.2", 51, NULL));
        callers_free(callers);
}

static void test_forgotten(void)
{
        Callers *callers = callers_new(&limits);
        Caller *caller = caller_enter(callers, ":1.1", 7, NULL);

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
        g_test_add_func("/caller/forgotten", test_forgotten);
        return g_test_run();
}
