/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is dirty. */

#include "mirror/dirty.h"

#include "base/thread.h"

#include <libvirt/libvirt.h>

/* Listing a domain among many costs some 10 µs, asking for one alone two round trips of some 100 µs: a list
 * of all is cheaper from this many on, or from this part of all on. */
#define LIST_FROM      16
#define LIST_FROM_PART 32

void dirty_init(Dirty *dirty)
{
        *dirty = (Dirty){.domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
}

void dirty_clear(Dirty *dirty)
{
        g_hash_table_unref(dirty->domains);
}

gboolean dirty_add_domain(Dirty *dirty, const char *uuid, Aspects aspects)
{
        guint wanted = GPOINTER_TO_UINT(g_hash_table_lookup(dirty->domains, uuid)) | aspects;

        ASSERT_MAIN();
        return g_hash_table_replace(dirty->domains, g_strdup(uuid), GUINT_TO_POINTER(wanted));
}

gboolean dirty_add_kind(Dirty *dirty, const Kind *kind)
{
        size_t index = mirrored_index(kind);
        gboolean was = dirty->list[index];

        ASSERT_MAIN();
        dirty->list[index] = TRUE;
        return !was;
}

gboolean dirty_add_domains(Dirty *dirty, GHashTable *uuids)
{
        GHashTableIter iter;
        gpointer uuid;

        ASSERT_MAIN();
        g_hash_table_iter_init(&iter, uuids);
        while (g_hash_table_iter_next(&iter, &uuid, NULL))
                dirty_add_domain(dirty, uuid, ASPECT_LIFE | ASPECT_DEFINITION);

        return g_hash_table_size(uuids) > 0;
}

gboolean dirty_is_empty(const Dirty *dirty)
{
        ASSERT_MAIN();
        for (size_t i = 0; i < G_N_ELEMENTS(dirty->list); i++)
                if (dirty->list[i])
                        return FALSE;

        return !dirty->all && g_hash_table_size(dirty->domains) == 0;
}

gboolean dirty_has(const Dirty *dirty, const Kind *kind, const char *uuid)
{
        ASSERT_MAIN();
        return dirty->all || dirty->list[mirrored_index(kind)] || g_hash_table_contains(dirty->domains, uuid);
}

void dirty_choose_lists(Dirty *dirty, unsigned domains)
{
        ASSERT_MAIN();
        for (size_t i = 0; i < G_N_ELEMENTS(dirty->list); i++)
                dirty->list[i] = dirty->list[i] || dirty->all;
        if (g_hash_table_size(dirty->domains) >= MAX(LIST_FROM, domains / LIST_FROM_PART))
                dirty->list[mirrored_index(&kind_domain)] = TRUE;
}

Aspects dirty_after(const Event *event, gboolean known)
{
        ASSERT_MAIN();
        if (!known)
                return ASPECT_DEFINITION;

        switch (event->lifecycle) {
        case VIR_DOMAIN_EVENT_DEFINED:
        case VIR_DOMAIN_EVENT_UNDEFINED:
                return ASPECT_DEFINITION;
        case VIR_DOMAIN_EVENT_SUSPENDED:
        case VIR_DOMAIN_EVENT_RESUMED:
                return ASPECT_STATE;
        default:
                return event->lifecycle < 0 ? ASPECT_STATE : ASPECT_LIFE;
        }
}
