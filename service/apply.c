/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What libvirt answered, put into the mirror; what of it was asked too early is due again. */

#include "apply.h"

#include "path.h"

#include <string.h>

/* libvirt tells that a transient domain has stopped before it forgets it, and nothing when it does. */
static gboolean is_passing(const Item *item)
{
        return item && item->kind == &kind_domain && !item_boolean(item, DOMAIN1_ACTIVE) &&
               !item_boolean(item, DOMAIN1_PERSISTENT);
}

void apply_answer(Mirror *mirror, Answer *answer, GHashTable *facts_due, GHashTable *passing)
{
        gboolean known = mirror_find_uuid(mirror, answer->kind, answer->uuid) != NULL;
        /* An older answer than what is due would not be believed for long. */
        gboolean outdated = answer->scheduler && g_hash_table_contains(facts_due, answer->uuid);

        if (!answer->present) {
                mirror_remove(mirror, answer->kind, answer->uuid);
                return;
        }

        /* Facts are of a domain that is known; it may have gone since. */
        if (answer->scheduler && !known)
                return;

        if (!known && answer->kind == &kind_domain)
                g_hash_table_add(facts_due, g_strdup(answer->uuid));

        mirror_update(mirror, answer->kind, answer->uuid, answer->values);
        memset(answer->values, 0, sizeof answer->values);
        if (answer->scheduler && !outdated)
                mirror_set_scheduler(mirror, answer->uuid, answer->scheduler);
        if (is_passing(mirror_find_uuid(mirror, answer->kind, answer->uuid)))
                g_hash_table_add(passing, g_strdup(answer->uuid));
}

void apply_absence(Mirror *mirror, const Kind *kind, const GArray *answers)
{
        g_autoptr(GHashTable) leaves = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        for (guint i = 0; i < answers->len; i++) {
                const Answer *answer = &g_array_index(answers, Answer, i);

                if (answer->kind == kind)
                        g_hash_table_add(leaves, path_uuid_leaf(answer->uuid));
        }

        mirror_keep(mirror, kind, leaves);
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
