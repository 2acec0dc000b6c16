/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A note lives until a round of asking that began after it has told. */

#include "lately.h"

#include <libvirt/libvirt.h>

/* Where libvirt tells of ever new objects and answers no question, this many are known; some 200 bytes each.
 * Then all are forgotten, and what a comparison finds is told as if nobody had. */
#define NOTES_MAX 65536

typedef struct Note {
        guint64 round;
        const char *state;
        int definition;
} Note;

struct Lately {
        GHashTable *notes; /* by UUID */
};

Lately *lately_new(void)
{
        Lately *lately = g_new0(Lately, 1);

        lately->notes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        return lately;
}

void lately_free(Lately *lately)
{
        if (!lately)
                return;

        g_hash_table_unref(lately->notes);
        g_free(lately);
}

void lately_note(Lately *lately, const char *uuid, guint64 round, const char *state, int lifecycle)
{
        Note *note = g_hash_table_lookup(lately->notes, uuid);

        if (!note) {
                if (g_hash_table_size(lately->notes) >= NOTES_MAX)
                        g_hash_table_remove_all(lately->notes);
                note = g_new0(Note, 1);
                note->definition = -1;
                g_hash_table_insert(lately->notes, g_strdup(uuid), note);
        }

        note->round = round;
        if (lifecycle == VIR_DOMAIN_EVENT_DEFINED || lifecycle == VIR_DOMAIN_EVENT_UNDEFINED)
                note->definition = lifecycle;
        if (state)
                note->state = state;
}

void lately_forget(Lately *lately, guint64 round)
{
        GHashTableIter iter;
        gpointer note;

        g_hash_table_iter_init(&iter, lately->notes);
        while (g_hash_table_iter_next(&iter, NULL, &note))
                if (round > ((Note *)note)->round)
                        g_hash_table_iter_remove(&iter);
}

const char *lately_state(const Lately *lately, const char *uuid)
{
        const Note *note = g_hash_table_lookup(lately->notes, uuid);

        return note ? note->state : NULL;
}

int lately_definition(const Lately *lately, const char *uuid)
{
        const Note *note = g_hash_table_lookup(lately->notes, uuid);

        return note ? note->definition : -1;
}

gboolean lately_knows(const Lately *lately, const char *uuid)
{
        return g_hash_table_contains(lately->notes, uuid);
}
