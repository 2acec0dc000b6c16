/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What libvirt answered: in which order it is taken, and what comes of it besides. */

#include "apply.h"

#include "path.h"

#include <string.h>

/* libvirt tells that a transient domain has stopped before it forgets it, and nothing when it does; nor does
 * it tell that a start has failed. */
static gboolean is_passing(const Item *item)
{
        if (!item || item->kind != &kind_domain)
                return FALSE;

        return item_boolean(item, DOMAIN1_ACTIVE)
                       ? strcmp(item_string(item, DOMAIN1_STATE_REASON), "starting-up") == 0
                       : !item_boolean(item, DOMAIN1_PERSISTENT);
}

static unsigned rank(const Mirror *mirror, const Answer *answer)
{
        if (!answer->present)
                return 0;

        return mirror_find_uuid(mirror, answer->kind, answer->uuid) ? 1 : 2;
}

GArray *apply_order(const Mirror *mirror, const GArray *answers)
{
        GArray *order = g_array_sized_new(FALSE, FALSE, sizeof(guint), answers->len);
        g_autofree guint8 *ranks = g_new(guint8, answers->len + 1);

        for (guint i = 0; i < answers->len; i++)
                ranks[i] = (guint8)rank(mirror, &g_array_index(answers, Answer, i));
        for (guint8 each = 0; each <= 2; each++)
                for (guint i = 0; i < answers->len; i++)
                        if (ranks[i] == each)
                                g_array_append_val(order, i);

        return order;
}

GHashTable *apply_leaves(const Kind *kind, const GArray *answers)
{
        GHashTable *leaves = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (guint i = 0; i < answers->len; i++) {
                const Answer *answer = &g_array_index(answers, Answer, i);

                if (answer->kind == kind)
                        g_hash_table_add(leaves, path_uuid_leaf(answer->uuid));
        }

        return leaves;
}

void apply_rest(Mirror *mirror, Answer *answer, GHashTable *facts_due, GHashTable *passing)
{
        if (answer->scheduler && !g_hash_table_contains(facts_due, answer->uuid))
                mirror_set_scheduler(mirror, answer->uuid, answer->scheduler);
        if (answer->present && is_passing(mirror_find_uuid(mirror, answer->kind, answer->uuid)))
                g_hash_table_add(passing, g_strdup(answer->uuid));
}

void apply_missing_facts(const Mirror *mirror, GHashTable *facts_due)
{
        GHashTableIter iter;
        gpointer item;

        mirror_iterate(mirror, &kind_domain, &iter);
        while (g_hash_table_iter_next(&iter, NULL, &item)) {
                const Item *domain = item;

                if (!domain->scheduler)
                        g_hash_table_add(facts_due, g_strdup(item_string(domain, DOMAIN1_UUID)));
        }
}
