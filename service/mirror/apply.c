/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What libvirt answered: in which order it is taken, and what comes of it besides. */

#include "mirror/apply.h"

#include "bus/path.h"

#include <string.h>

static GVariant *value_of(const Answer *answer, const Item *item, unsigned slot)
{
        return answer->values[slot] ? answer->values[slot] : item ? item->values[slot] : NULL;
}

/* libvirt tells that a transient domain has stopped before it forgets it, and nothing when it does; nor does
 * it tell that a start has failed. */
gboolean apply_is_passing(const Mirror *mirror, const Answer *answer)
{
        GVariant *active, *persistent, *reason;
        const Item *item;

        if (!answer->present || answer->kind != &kind_domain)
                return FALSE;

        item = mirror_find_uuid(mirror, answer->kind, answer->uuid);
        active = value_of(answer, item, DOMAIN1_ACTIVE);
        persistent = value_of(answer, item, DOMAIN1_PERSISTENT);
        reason = value_of(answer, item, DOMAIN1_STATE_REASON);
        return active && g_variant_get_boolean(active)
                       ? reason && strcmp(g_variant_get_string(reason, NULL), "starting-up") == 0
                       : persistent && !g_variant_get_boolean(persistent);
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

void apply_scheduler(Mirror *mirror, const Answer *answer, GHashTable *facts_due)
{
        if (answer->scheduler && !g_hash_table_contains(facts_due, answer->uuid))
                mirror_set_scheduler(mirror, answer->uuid, answer->scheduler);
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
