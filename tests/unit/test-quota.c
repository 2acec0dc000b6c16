/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/quota.h"

static void check(const Quota *quota, guint64 calls, guint64 bytes)
{
        g_assert_cmpuint(quota->charged[QUOTA_CALLS], ==, calls);
        g_assert_cmpuint(quota->charged[QUOTA_BYTES], ==, bytes);
}

static void test_parents(void)
{
        Quota all = {}, user = {.parent = &all}, caller = {.parent = &user};

        quota_charge(&caller, QUOTA_CALLS, 1);
        quota_charge(&caller, QUOTA_BYTES, 70);
        quota_charge(&user, QUOTA_BYTES, 5);
        check(&caller, 1, 70);
        check(&user, 1, 75);
        check(&all, 1, 75);
        quota_discharge(&caller, QUOTA_BYTES, 70);
        quota_discharge(&user, QUOTA_BYTES, 5);
        quota_discharge(&caller, QUOTA_CALLS, 1);
        check(&caller, 0, 0);
        check(&user, 0, 0);
        check(&all, 0, 0);
        quota_close(&all);
}

/* What is charged goes along, and is given back where it is then. */
static void test_move(void)
{
        Quota one = {}, other = {}, caller = {.parent = &one};

        quota_charge(&caller, QUOTA_CALLS, 2);
        quota_charge(&one, QUOTA_CALLS, 1);
        quota_move(&caller, &other);
        check(&one, 1, 0);
        check(&other, 2, 0);
        quota_charge(&caller, QUOTA_CALLS, 1);
        quota_discharge(&caller, QUOTA_CALLS, 3);
        check(&other, 0, 0);
        quota_move(&caller, NULL);
        quota_charge(&caller, QUOTA_CALLS, 1);
        check(&other, 0, 0);
        quota_move(&caller, &one);
        check(&one, 2, 0);
        quota_move(&caller, &one);
        check(&one, 2, 0);
}

/* Runs the test of that name, which ends its process, with these words. */
static void check_ends(const char *test, const char *words)
{
        g_test_trap_subprocess(test, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr(words);
}

static void below_zero(void)
{
        Quota user = {}, caller = {.parent = &user};

        quota_charge(&caller, QUOTA_CALLS, 1);
        quota_discharge(&caller, QUOTA_CALLS, 2);
}

static void parent_below_zero(void)
{
        Quota user = {}, caller = {};

        quota_charge(&caller, QUOTA_CALLS, 1);
        caller.parent = &user;
        quota_discharge(&caller, QUOTA_CALLS, 1);
}

static void above_all(void)
{
        Quota caller = {};

        quota_charge(&caller, QUOTA_BYTES, G_MAXUINT64);
        quota_charge(&caller, QUOTA_BYTES, 1);
}

static void close_early(void)
{
        Quota caller = {};

        quota_charge(&caller, QUOTA_WAITS, 1);
        quota_close(&caller);
}

/* There is no way to a number that is none. */
static void test_never_wrong(void)
{
        check_ends("/quota/subprocess/below-zero", "*2 is to be given back*which has 1*");
        check_ends("/quota/subprocess/parent-below-zero", "*1 is to be given back*which has 0*");
        check_ends("/quota/subprocess/above-all", "*overflows*");
        check_ends("/quota/subprocess/close-early", "*1 is still charged*");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/quota/parents", test_parents);
        g_test_add_func("/quota/move", test_move);
        g_test_add_func("/quota/never-wrong", test_never_wrong);
        g_test_add_func("/quota/subprocess/below-zero", below_zero);
        g_test_add_func("/quota/subprocess/parent-below-zero", parent_below_zero);
        g_test_add_func("/quota/subprocess/above-all", above_all);
        g_test_add_func("/quota/subprocess/close-early", close_early);
        return g_test_run();
}
