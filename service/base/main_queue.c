/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mailbox of the main thread.
 *
 * Workers and libvirt's threads report everything through one source, so the main thread learns of it in the
 * order in which it happened: of a call's result before the loss of its connection. A post wakes the loop
 * only when the mailbox was empty, which under load saves most of the wake-ups that a source per message
 * would cost. */

#include "base/main_queue.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/thread.h"

#include <glib.h>

typedef struct Letter {
        MainQueueFunc *func;
        void *data;
} Letter;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GArray *letters;  /* under lock; NULL before init and after shutdown */
static GSource *mailbox; /* the same */

static GArray *empty_box(void)
{
        HOLD(&lock);
        GArray *batch = letters;

        ASSERT(batch);
        letters = g_array_new(FALSE, FALSE, sizeof(Letter));
        return batch;
}

static guint read_letters(void)
{
        g_autoptr(GArray) batch = empty_box();

        for (guint i = 0; i < batch->len; i++) {
                const Letter *letter = &g_array_index(batch, Letter, i);

                letter->func(letter->data);
        }

        return batch->len;
}

static gboolean mailbox_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
        g_source_set_ready_time(source, -1);
        read_letters();
        return G_SOURCE_CONTINUE;
}

static GSourceFuncs mailbox_funcs = {.dispatch = mailbox_dispatch};

void main_queue_init(void)
{
        HOLD(&lock);

        ASSERT_MAIN();
        ASSERT(!letters);
        letters = g_array_new(FALSE, FALSE, sizeof(Letter));
        mailbox = g_source_new(&mailbox_funcs, sizeof(GSource));
        g_source_set_static_name(mailbox, "mailbox");
        g_source_attach(mailbox, NULL);
}

/* Returns a reference to the mailbox where it was empty. */
static GSource *put(Letter letter)
{
        HOLD(&lock);

        if (!letters)
                return NULL;

        g_array_append_val(letters, letter);
        return letters->len == 1 ? g_source_ref(mailbox) : NULL;
}

void main_queue_post(MainQueueFunc *func, void *data)
{
        g_autoptr(GSource) wake = put((Letter){func, data});

        /* Without the lock, which the main thread takes as soon as it is awake. Should it have emptied the
         * box meanwhile, it looks once in vain; should it have thrown the box away, the reference keeps it.
         */
        if (wake)
                g_source_set_ready_time(wake, 0);
}

void main_queue_flush(void)
{
        ASSERT_MAIN();
        while (read_letters() > 0)
                ;
}

void main_queue_shutdown(void)
{
        g_autoptr(GSource) thrown = NULL;
        HOLD(&lock);

        ASSERT_MAIN();
        g_clear_pointer(&letters, g_array_unref);
        thrown = g_steal_pointer(&mailbox);
        g_source_destroy(thrown);
}
