/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "mirror/pass.h"

Pass *pass_new(Link *link, DomainCache *domain_cache)
{
        Pass *pass = g_new0(Pass, 1);

        pass->link = link;
        pass->domain_cache = domain_cache;
        pass->asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        pass->facts = g_ptr_array_new_with_free_func(g_free);
        pass->failed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        pass->answers = answers_new();
        return pass;
}

void pass_free(Pass *pass)
{
        if (!pass)
                return;

        g_hash_table_unref(pass->asked);
        g_ptr_array_unref(pass->facts);
        g_hash_table_unref(pass->failed);
        g_array_unref(pass->answers);
        g_clear_error(&pass->error);
        g_free(pass);
}

static gboolean round_ask_lists(Pass *pass, virConnectPtr conn)
{
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                g_autoptr(GError) error = NULL;
                guint before = pass->answers->len;

                if (!pass->list[i])
                        continue;

                pass->listed[i] = query_all(conn, mirrored_kinds[i], pass->answers, &error);
                if (pass->listed[i])
                        continue;

                /* Networks and pools may have a daemon of their own, whose outage is not that of domains. */
                g_array_set_size(pass->answers, before);
                if (mirrored_kinds[i] == &kind_domain || virConnectIsAlive(conn) == 0) {
                        pass->error = g_steal_pointer(&error);
                        return FALSE;
                }
                g_debug("failed to list the kind %s: %s", mirrored_kinds[i]->collection, error->message);
        }

        return TRUE;
}

static gboolean round_ask_domains(Pass *pass, virConnectPtr conn)
{
        GHashTableIter iter;
        gpointer uuid, aspects;

        g_hash_table_iter_init(&iter, pass->asked);
        while (g_hash_table_iter_next(&iter, &uuid, &aspects)) {
                g_autoptr(GError) error = NULL;

                if (query_domain(conn, pass->domain_cache, uuid, GPOINTER_TO_UINT(aspects), pass->answers,
                                 &error))
                        continue;

                if (virConnectIsAlive(conn) == 0) {
                        pass->error = g_steal_pointer(&error);
                        return FALSE;
                }

                g_debug("failed to ask about domain %s: %s", (char *)uuid, error->message);
                g_hash_table_add(pass->failed, g_strdup(uuid));
        }

        return TRUE;
}

static gboolean round_ask_facts(Pass *pass, virConnectPtr conn)
{
        for (guint i = 0; i < pass->facts->len; i++)
                if (!query_facts(conn, g_ptr_array_index(pass->facts, i), pass->answers, &pass->error))
                        return FALSE;

        return TRUE;
}

void pass_ask(Pass *pass)
{
        virConnectPtr conn = link_acquire(pass->link, &pass->error);

        if (!conn)
                return;

        if (round_ask_lists(pass, conn) && round_ask_domains(pass, conn))
                round_ask_facts(pass, conn);

        virConnectClose(conn);
}
