/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is known of objects lately, and for how long. */

#include "lately.h"

#include <libvirt/libvirt.h>

static Lately *lately;

static void assert_known(const char *uuid, const char *state, int definition)
{
        g_assert_true(lately_knows(lately, uuid));
        g_assert_cmpstr(lately_state(lately, uuid), ==, state);
        g_assert_cmpint(lately_definition(lately, uuid), ==, definition);
}

static void assert_unknown(const char *uuid)
{
        g_assert_false(lately_knows(lately, uuid));
        g_assert_null(lately_state(lately, uuid));
        g_assert_cmpint(lately_definition(lately, uuid), ==, -1);
}

/* The last word counts, of the state and of the definition, each. */
static void test_last(void)
{
        lately = lately_new();
        assert_unknown("a");
        lately_note(lately, "a", 1, NULL, -1);
        assert_known("a", NULL, -1);
        lately_note(lately, "a", 1, NULL, VIR_DOMAIN_EVENT_DEFINED);
        lately_note(lately, "a", 1, "running", VIR_DOMAIN_EVENT_STARTED);
        assert_known("a", "running", VIR_DOMAIN_EVENT_DEFINED);
        lately_note(lately, "a", 1, NULL, VIR_DOMAIN_EVENT_UNDEFINED);
        assert_known("a", "running", VIR_DOMAIN_EVENT_UNDEFINED);
        assert_unknown("b");
        lately_free(lately);
        lately_free(NULL);
}

static void test_forgets(void)
{
        lately = lately_new();
        lately_note(lately, "a", 1, "running", -1);
        lately_note(lately, "b", 1, "running", -1);
        lately_note(lately, "b", 2, NULL, -1);
        lately_forget(lately, 1);
        assert_known("a", "running", -1);
        lately_forget(lately, 2);
        assert_unknown("a");
        assert_known("b", "running", -1);
        lately_forget(lately, 3);
        assert_unknown("b");
        lately_free(lately);
}

/* Nothing is forgotten for as long as libvirt answers nothing; but there is an end to it. */
static void test_bounded(void)
{
        unsigned known = 0;

        lately = lately_new();
        for (unsigned i = 0; i < 100000; i++) {
                g_autofree char *uuid = g_strdup_printf("%u", i);

                lately_note(lately, uuid, 1, NULL, -1);
                assert_known(uuid, NULL, -1);
        }
        for (unsigned i = 0; i < 100000; i++) {
                g_autofree char *uuid = g_strdup_printf("%u", i);

                known += lately_knows(lately, uuid) ? 1 : 0;
        }
        g_assert_cmpuint(known, <=, 65536);
        lately_free(lately);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lately/last", test_last);
        g_test_add_func("/lately/forgets", test_forgets);
        g_test_add_func("/lately/bounded", test_bounded);
        return g_test_run();
}
