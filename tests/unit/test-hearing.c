/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Noticing that libvirt does not tell. */

#include "fake-seconds.h"
#include "mirror/hearing.h"

static GString *called;

static void on_deaf(const Kind *kind, void *data)
{
        g_string_append_printf(called, "%s %u ", kind->collection, now);
}

static Hearing *set_up(void)
{
        now = 0;
        called = g_string_new(NULL);
        return hearing_new(on_deaf, NULL);
}

static void tear_down(Hearing *hearing)
{
        hearing_free(hearing);
        g_assert_false(is_any_timer_left());
        g_string_free(called, TRUE);
}

/* What is missed, and no event within five seconds. */
static void test_deaf(void)
{
        Hearing *hearing = set_up();

        hearing_missed(hearing, &kind_domain);
        let_pass(3);
        hearing_missed(hearing, &kind_domain);
        let_pass(7);
        g_assert_cmpstr(called->str, ==, "domain 5 ");

        /* It goes on. */
        hearing_missed(hearing, &kind_domain);
        let_pass(10);
        g_assert_cmpstr(called->str, ==, "domain 5 domain 15 ");

        /* It is over, which is news once. */
        g_assert_true(hearing_heard(hearing, &kind_domain));
        g_assert_false(hearing_heard(hearing, &kind_domain));
        let_pass(10);
        g_assert_cmpstr(called->str, ==, "domain 5 domain 15 ");
        tear_down(hearing);
}

/* An event that is late. */
static void test_late(void)
{
        Hearing *hearing = set_up();

        hearing_missed(hearing, &kind_network);
        let_pass(4);
        g_assert_false(hearing_heard(hearing, &kind_network));
        let_pass(10);
        g_assert_cmpstr(called->str, ==, "");
        tear_down(hearing);
}

/* libvirt has a queue for each driver. */
static void test_kinds(void)
{
        Hearing *hearing = set_up();

        hearing_missed(hearing, &kind_network);
        hearing_missed(hearing, &kind_storage_pool);
        let_pass(2);
        g_assert_false(hearing_heard(hearing, &kind_domain));
        let_pass(4);
        g_assert_nonnull(strstr(called->str, "network 5 "));
        g_assert_nonnull(strstr(called->str, "storagepool 5 "));
        g_assert_false(hearing_heard(hearing, &kind_network));
        g_assert_true(hearing_heard(hearing, &kind_storage_pool));
        tear_down(hearing);
}

static void test_forget(void)
{
        Hearing *hearing = set_up();

        hearing_missed(hearing, &kind_domain);
        let_pass(4);
        hearing_forget(hearing);
        let_pass(10);
        g_assert_cmpstr(called->str, ==, "");
        g_assert_false(hearing_heard(hearing, &kind_domain));

        hearing_missed(hearing, &kind_domain);
        tear_down(hearing);
        hearing_free(NULL);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/hearing/deaf", test_deaf);
        g_test_add_func("/hearing/late", test_late);
        g_test_add_func("/hearing/kinds", test_kinds);
        g_test_add_func("/hearing/forget", test_forget);
        return g_test_run();
}
