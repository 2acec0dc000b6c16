/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Noticing that libvirt does not tell. */

#include "mirror/hearing.h"

#include "base/thread.h"
#include "mirror/mirror.h"

/* An event that is only late comes within this many seconds of the change that was found without it: the
 * announcer has waited for half a second before. */
#define LATE_S 5

/* One kind. */
typedef struct Ear {
        Hearing *hearing;
        const Kind *kind;
        unsigned timer; /* while something was missed and nothing heard since */
        gboolean deaf;
} Ear;

struct Hearing {
        Ear ears[N_MIRRORED];
        HearingFunc *func;
        void *data;
};

Hearing *hearing_new(HearingFunc *deaf, void *data)
{
        Hearing *hearing = g_new0(Hearing, 1);

        ASSERT_MAIN();
        for (size_t i = 0; i < N_MIRRORED; i++)
                hearing->ears[i] = (Ear){.hearing = hearing, .kind = mirrored_kinds[i]};
        hearing->func = deaf;
        hearing->data = data;
        return hearing;
}

void hearing_free(Hearing *hearing)
{
        ASSERT_MAIN();
        if (!hearing)
                return;

        hearing_forget(hearing);
        g_free(hearing);
}

static gboolean on_late(gpointer user_data)
{
        Ear *ear = user_data;

        ear->timer = 0;
        ear->deaf = TRUE;
        ear->hearing->func(ear->kind, ear->hearing->data);
        return G_SOURCE_REMOVE;
}

void hearing_missed(Hearing *hearing, const Kind *kind)
{
        Ear *ear = &hearing->ears[mirrored_index(kind)];

        ASSERT_MAIN();
        if (!ear->timer)
                ear->timer = g_timeout_add_seconds(LATE_S, on_late, ear);
}

static gboolean is_any_deaf(const Hearing *hearing)
{
        for (size_t i = 0; i < N_MIRRORED; i++)
                if (hearing->ears[i].deaf)
                        return TRUE;

        return FALSE;
}

gboolean hearing_heard(Hearing *hearing, const Kind *kind)
{
        Ear *ear = &hearing->ears[mirrored_index(kind)];
        gboolean was_deaf = ear->deaf;

        ASSERT_MAIN();
        g_clear_handle_id(&ear->timer, g_source_remove);
        ear->deaf = FALSE;
        return was_deaf && !is_any_deaf(hearing);
}

void hearing_forget(Hearing *hearing)
{
        ASSERT_MAIN();
        for (size_t i = 0; i < N_MIRRORED; i++) {
                g_clear_handle_id(&hearing->ears[i].timer, g_source_remove);
                hearing->ears[i].deaf = FALSE;
        }
}
