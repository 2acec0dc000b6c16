/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "round.h"

Round *round_new(Link *link, Handles *handles)
{
        Round *round = g_new0(Round, 1);

        round->link = link;
        round->handles = handles;
        round->asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        round->facts = g_ptr_array_new_with_free_func(g_free);
        round->failed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        round->answers = answers_new();
        return round;
}

void round_free(Round *round)
{
        if (!round)
                return;

        g_hash_table_unref(round->asked);
        g_ptr_array_unref(round->facts);
        g_hash_table_unref(round->failed);
        g_array_unref(round->answers);
        g_clear_error(&round->error);
        g_free(round);
}

static gboolean round_ask_lists(Round *round, virConnectPtr conn)
{
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                g_autoptr(GError) error = NULL;
                guint before = round->answers->len;

                if (!round->list[i])
                        continue;

                round->listed[i] = ask_all(conn, mirrored_kinds[i], round->answers, &error);
                if (round->listed[i])
                        continue;

                /* Networks and pools may have a daemon of their own, whose outage is not that of domains. */
                g_array_set_size(round->answers, before);
                if (mirrored_kinds[i] == &kind_domain || virConnectIsAlive(conn) == 0) {
                        round->error = g_steal_pointer(&error);
                        return FALSE;
                }
                g_debug("failed to list the kind %s: %s", mirrored_kinds[i]->collection, error->message);
        }

        return TRUE;
}

static gboolean round_ask_domains(Round *round, virConnectPtr conn)
{
        GHashTableIter iter;
        gpointer uuid, aspects;

        g_hash_table_iter_init(&iter, round->asked);
        while (g_hash_table_iter_next(&iter, &uuid, &aspects)) {
                g_autoptr(GError) error = NULL;

                if (ask_domain(conn, round->handles, uuid, GPOINTER_TO_UINT(aspects), round->answers, &error))
                        continue;

                if (virConnectIsAlive(conn) == 0) {
                        round->error = g_steal_pointer(&error);
                        return FALSE;
                }

                g_debug("failed to ask about domain %s: %s", (char *)uuid, error->message);
                g_hash_table_add(round->failed, g_strdup(uuid));
        }

        return TRUE;
}

static gboolean round_ask_facts(Round *round, virConnectPtr conn)
{
        for (guint i = 0; i < round->facts->len; i++)
                if (!ask_facts(conn, g_ptr_array_index(round->facts, i), round->answers, &round->error))
                        return FALSE;

        return TRUE;
}

void round_ask(Round *round)
{
        virConnectPtr conn = link_acquire(round->link, &round->error);

        if (!conn)
                return;

        if (round_ask_lists(round, conn) && round_ask_domains(round, conn))
                round_ask_facts(round, conn);

        virConnectClose(conn);
}
