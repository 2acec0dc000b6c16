/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Users in a circle, and in each the callers that have something waiting, in a circle too. The caller whose
 * turn it is is served until its time is over; then it is another user's turn, and the next time it is
 * another caller's of the first. So a user with 200 connections has one user's turns.
 *
 * What is begun is not interrupted: an answer that takes longer than a turn is the whole turn. */

#include "access/turns.h"

#include "base/assert.h"
#include "base/thread.h"

/* For how long one turn of the main loop serves callers: what comes from libvirt and from the bus waits no
 * longer for it. Less than the bus is read in one turn: requests are then taken in faster than they are
 * answered, and the limits of what is in flight bound what waits. */
#define LOOP_US (2 * G_TIME_SPAN_MILLISECOND)

/* For how long of that what comes is answered at once. The bus has one queue for the requests of all: what is
 * behind others in it has no turn, so it is to be emptied before much is answered. */
#define AT_ONCE_US (1 * G_TIME_SPAN_MILLISECOND)

/* A caller's turn: some fifty readings of a property, or a page of events. With a much shorter one, a caller
 * of many small things would get too little beside callers of large ones; with a longer one all would wait
 * longer for each other. */
#define TURN_US (1 * G_TIME_SPAN_MILLISECOND)

typedef struct TurnUser {
        const void *key;
        GQueue lines; /* of TurnLine, none of them empty; the first is served first */
        GList place;
} TurnUser;

typedef struct TurnsSource {
        GSource base;
        Turns *turns;
} TurnsSource;

struct Turns {
        const TurnsOwner *owner;
        GSource *source;
        GQueue users; /* of TurnUser, none of them empty; it is the first one's turn */
        GHashTable *users_by_key;
        unsigned waiting;
        gint64 used;         /* of the first user's turn, in microseconds */
        gint64 spent;        /* of this turn of the loop, in microseconds */
        const Turn *running; /* only compared: it may be freed */
};

static gboolean is_held(const Turns *turns)
{
        return turns->owner->held(turns->owner->data);
}

/* The loop begins a turn. */
static gboolean turns_prepare(GSource *source, gint *timeout)
{
        Turns *turns = ((TurnsSource *)source)->turns;

        turns->spent = 0;
        *timeout = -1;
        return turns->waiting > 0 && !is_held(turns);
}

static gboolean turns_check(GSource *source)
{
        const Turns *turns = ((TurnsSource *)source)->turns;

        return turns->waiting > 0 && !is_held(turns);
}

static void user_leave(Turns *turns, TurnUser *user)
{
        if (turns->users.head == &user->place)
                turns->used = 0;
        g_queue_unlink(&turns->users, &user->place);
        g_hash_table_remove(turns->users_by_key, user->key);
        g_free(user);
}

static void line_leave(Turns *turns, TurnLine *line)
{
        TurnUser *user = line->user;

        g_queue_unlink(&user->lines, &line->place);
        line->user = NULL;
        if (user->lines.length == 0)
                user_leave(turns, user);
}

static void leave(Turns *turns, Turn *turn)
{
        TurnLine *line = turn->line;

        g_queue_unlink(&line->turns, &turn->place);
        turn->line = NULL;
        turns->waiting--;
        if (line->turns.length == 0)
                line_leave(turns, line);
}

static void rotate(GQueue *queue)
{
        g_queue_push_tail_link(queue, g_queue_pop_head_link(queue));
}

/* Runs it, and returns how long that took. */
static gint64 run(Turns *turns, Turn *turn, TurnFunc *func, void *data)
{
        gint64 begun = turns->owner->now(), took;

        turns->running = turn;
        func(data);
        turns->running = NULL;
        took = turns->owner->now() - begun;
        turns->spent += took;
        return took;
}

/* The turn of @line, and with it its user's, is over. It is only compared: its caller may be gone. */
static void pass_on(Turns *turns, const TurnLine *line)
{
        TurnUser *user = turns->users.head->data;

        turns->used = 0;
        if (user->lines.head->data == line)
                rotate(&user->lines);
        rotate(&turns->users);
}

static void run_first(Turns *turns)
{
        const TurnUser *user = turns->users.head->data;
        const TurnLine *line = user->lines.head->data;
        const void *key = user->key;
        Turn *turn = line->turns.head->data;
        gint64 took;

        /* The line leaves, and its user is gone, with the last that waits in them. */
        leave(turns, turn);
        took = run(turns, turn, turn->run, turn->data);
        if (!g_hash_table_contains(turns->users_by_key, key))
                return;

        turns->used += took;
        if (turns->used >= TURN_US)
                pass_on(turns, line);
}

static gboolean turns_dispatch(GSource *source, GSourceFunc callback, gpointer user_data)
{
        Turns *turns = ((TurnsSource *)source)->turns;

        /* One in any case, however long the loop's turn was until now. But the bus may have told of callers
         * that have left since the loop asked whether any waits. */
        for (gboolean more = TRUE; more && turns->waiting > 0;
             more = turns->spent < LOOP_US && !is_held(turns))
                run_first(turns);

        return G_SOURCE_CONTINUE;
}

static GSourceFuncs turns_funcs = {
        .prepare = turns_prepare,
        .check = turns_check,
        .dispatch = turns_dispatch,
};

Turns *turns_new(const TurnsOwner *owner)
{
        Turns *turns = g_new0(Turns, 1);

        ASSERT_MAIN();
        turns->owner = owner;
        turns->users_by_key = g_hash_table_new(NULL, NULL);
        turns->source = g_source_new(&turns_funcs, sizeof(TurnsSource));
        ((TurnsSource *)turns->source)->turns = turns;
        g_source_set_static_name(turns->source, "turns");
        g_source_attach(turns->source, NULL);
        return turns;
}

void turns_free(Turns *turns)
{
        ASSERT_MAIN();
        if (!turns)
                return;

        ASSERT(turns->waiting == 0);
        g_source_destroy(turns->source);
        g_source_unref(turns->source);
        g_hash_table_unref(turns->users_by_key);
        g_free(turns);
}

static TurnUser *find_user(Turns *turns, const void *key)
{
        TurnUser *user = g_hash_table_lookup(turns->users_by_key, key);

        if (user)
                return user;

        user = g_new0(TurnUser, 1);
        user->key = key;
        user->place.data = user;
        g_hash_table_insert(turns->users_by_key, (void *)key, user);
        g_queue_push_tail_link(&turns->users, &user->place);
        return user;
}

static void wait_in_line(Turns *turns, Turn *turn, TurnLine *line, const void *user)
{
        ASSERT(!turn->line);

        if (!line->user) {
                line->user = find_user(turns, user);
                line->place.data = line;
                g_queue_push_tail_link(&line->user->lines, &line->place);
        }

        turn->line = line;
        turn->place.data = turn;
        g_queue_push_tail_link(&line->turns, &turn->place);
        turns->waiting++;
}

void turns_take(Turns *turns, Turn *turn, TurnLine *line, const void *user, TurnFunc *func, void *data)
{
        ASSERT_MAIN();
        turn->run = func;
        turn->data = data;
        if (!turns || turns->running == turn)
                func(data);
        else if (turns->waiting == 0 && !turns->running && turns->spent < AT_ONCE_US && !is_held(turns))
                run(turns, turn, func, data);
        else
                wait_in_line(turns, turn, line, user);
}

void turns_follow(Turns *turns, Turn *turn, TurnLine *line, const void *user, TurnFunc *func, void *data)
{
        ASSERT_MAIN();
        turn->run = func;
        turn->data = data;
        if (turns && line->turns.length > 0)
                wait_in_line(turns, turn, line, user);
        else
                func(data);
}

gboolean turns_withdraw(Turns *turns, Turn *turn)
{
        ASSERT_MAIN();
        if (!turn->line)
                return FALSE;

        leave(turns, turn);
        return TRUE;
}

unsigned turns_waiting(const Turns *turns)
{
        ASSERT_MAIN();
        return turns ? turns->waiting : 0;
}
