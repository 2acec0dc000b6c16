/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an answer means for those that listen. */

#include "members.h"
#include "mirror/step.h"
#include "virt/event_table.h"

#include <string.h>

#define UUID  "00000000-1111-2222-3333-444444444444"
#define OTHER "00000000-1111-2222-3333-555555555555"

static Mirror *mirror;
static PendingTable *table;

static GVariant *text(const char *value)
{
        return g_variant_ref_sink(g_variant_new_string(value));
}

/* Of a domain that is defined, under that name, in that state. */
static void set_values(GVariant **values, const char *name, const char *state)
{
        values[DOMAIN1_NAME] = text(name);
        values[DOMAIN1_STATE] = text(state);
        values[DOMAIN1_STATE_REASON] = text("unknown");
        values[DOMAIN1_ACTIVE] = g_variant_ref_sink(g_variant_new_boolean(strcmp(state, "shutoff") != 0));
        values[DOMAIN1_PERSISTENT] = g_variant_ref_sink(g_variant_new_boolean(TRUE));
        values[DOMAIN1_ID] = g_variant_ref_sink(g_variant_new_uint32(strcmp(state, "shutoff") != 0 ? 7 : 0));
}

static void show(const char *uuid, const char *name, const char *state)
{
        GVariant *values[N_DOMAIN1] = {};
        guint32 changed;

        set_values(values, name, state);
        mirror_update(mirror, &kind_domain, uuid, values, &changed);
}

static Step make(Answer *answer, const char *name, const char *state)
{
        *answer = (Answer){.kind = &kind_domain, .present = name != NULL};
        g_strlcpy(answer->uuid, UUID, sizeof answer->uuid);
        if (name)
                set_values(answer->values, name, state);

        return (Step){.kind = &kind_domain,
                      .uuid = UUID,
                      .item = mirror_find_uuid(mirror, &kind_domain, UUID),
                      .pending = pending_find(table, &kind_domain, UUID),
                      .answer = answer};
}

static void free_answer(Answer *answer)
{
        for (unsigned i = 0; i < N_DOMAIN1; i++)
                g_clear_pointer(&answer->values[i], g_variant_unref);
}

static const struct {
        const char *what;
        const char *shown, *state; /* the object as it was told; NULL: it was not */
        const char *other;         /* the name of another one that is shown; or NULL */
        const char *held;          /* the name by which libvirt told of it; or NULL */
        gboolean listed;
        const char *name, *now; /* the answer; NULL: it is gone */
        unsigned events;
        gboolean rival, nothing;
} rows[] = {
        {"as it was", "a", "running", NULL, NULL, TRUE, "a", "running", 0, FALSE, FALSE},
        {"has stopped", "a", "running", NULL, NULL, TRUE, "a", "shutoff", 1, FALSE, FALSE},
        {"was renamed", "a", "running", NULL, NULL, TRUE, "b", "running", 1, FALSE, FALSE},
        {"is gone", "a", "running", NULL, NULL, TRUE, NULL, NULL, 2, FALSE, FALSE},
        {"was there before", NULL, NULL, NULL, NULL, FALSE, "a", "running", 0, FALSE, FALSE},
        {"has come", NULL, NULL, NULL, NULL, TRUE, "a", "shutoff", 1, FALSE, FALSE},
        {"has come and runs", NULL, NULL, NULL, NULL, TRUE, "a", "running", 2, FALSE, FALSE},
        {"never was", NULL, NULL, NULL, NULL, TRUE, NULL, NULL, 0, FALSE, TRUE},

        /* Another one has its name. */
        {"takes a name", "a", "running", "b", NULL, TRUE, "b", "running", 1, TRUE, FALSE},
        {"keeps its name", "a", "running", "a", NULL, TRUE, "a", "running", 0, FALSE, FALSE},
        {"comes with a name", NULL, NULL, "a", NULL, TRUE, "a", "shutoff", 1, TRUE, FALSE},
        {"was there with a name", NULL, NULL, "a", NULL, FALSE, "a", "shutoff", 0, TRUE, FALSE},

        /* It was told, not shown, and is gone again: it is announced by the name that it was told with. */
        {"came and went", NULL, NULL, "a", "a", TRUE, NULL, NULL, 1, TRUE, FALSE},
        {"came and went alone", NULL, NULL, NULL, "a", TRUE, NULL, NULL, 1, FALSE, FALSE},
};

static void test_rows(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                Answer answer;
                Step step;

                g_test_message("%s", rows[i].what);
                mirror = mirror_new("/org/libvirt/Test");
                table = pending_table_new();
                if (rows[i].shown)
                        show(UUID, rows[i].shown, rows[i].state);
                if (rows[i].other)
                        show(OTHER, rows[i].other, "shutoff");
                if (rows[i].held) {
                        const Event event = {.kind = &kind_domain,
                                             .path = "/",
                                             .uuid = UUID,
                                             .name = rows[i].held,
                                             .word = "lifecycle",
                                             .lifecycle = VIR_DOMAIN_EVENT_DEFINED};

                        pending_hold(pending_get(table, &kind_domain, UUID), &event);
                }

                step = make(&answer, rows[i].name, rows[i].now);
                step_plan(&step, mirror, rows[i].listed);
                g_assert_cmpuint(step.n_events, ==, rows[i].events);
                g_assert_cmpint(step.rival != NULL, ==, rows[i].rival);
                g_assert_cmpint(step_is_nothing(&step), ==, rows[i].nothing);

                free_answer(&answer);
                pending_table_free(table);
                mirror_free(mirror);
        }
}

/* The event that tells what came of a doubt tells the state, too. */
static void test_doubt(void)
{
        const guint64 doubt = 12;
        Pending *pending;
        Answer answer;
        Step step;

        mirror = mirror_new("/org/libvirt/Test");
        table = pending_table_new();
        show(UUID, "a", "running");
        pending = pending_get(table, &kind_domain, UUID);
        step = make(&answer, "a", "paused");
        step_plan(&step, mirror, TRUE);
        g_assert_cmpuint(step.n_events, ==, 1);

        pending->doubts = g_array_new(FALSE, FALSE, sizeof(guint64));
        g_array_append_val(pending->doubts, doubt);
        step_plan(&step, mirror, TRUE);
        g_assert_cmpuint(step.n_events, ==, 0);

        g_clear_pointer(&pending->doubts, g_array_unref);
        free_answer(&answer);
        pending_table_free(table);
        mirror_free(mirror);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/step/rows", test_rows);
        g_test_add_func("/step/doubt", test_doubt);
        return g_test_run();
}
