/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Turns on the main thread. What is done there for a caller, such as an answer from memory or a
 * large reply of what libvirt said, takes turns with what is done for others: so long as the loop's other
 * sources need not wait for it, and no caller has to wait for more than a turn of each other user. Main
 * thread, all of it. */

typedef struct Turns Turns;

typedef void TurnFunc(void *data);

/* What waits for one caller, to be embedded, zeroed, in what stands for that. It stays for as long as
 * something waits in it. Nothing of it is for its owner. */
typedef struct TurnLine {
        struct TurnUser *user; /* NULL while nothing waits */
        GQueue turns;          /* of Turn */
        GList place;
} TurnLine;

/* A place in a line, to be embedded, zeroed, in what waits. Nothing of it is for its owner. */
typedef struct Turn {
        TurnFunc *run;
        void *data;
        GList place;
        TurnLine *line; /* NULL while it does not wait */
} Turn;

/* Where something else has to come first: while @held says so, no turn is given. */
typedef struct TurnsOwner {
        gint64 (*now)(void); /* monotonic, in microseconds */
        gboolean (*held)(void *data);
        void *data;
} TurnsOwner;

/* Gives turns from a source on the default GMainContext, at the priority of the bus's. @owner must outlive
 * it. */
Turns *turns_new(const TurnsOwner *owner);

/* When nothing waits. NULL is fine. */
void turns_free(Turns *turns);

/* Calls @run with @data, which may free @turn: at once where nothing waits and this turn of the loop has time
 * left, else when it is the turn of @line, a caller's, one of those of @user (any pointer, the same for the
 * same user). What waits in one line is run in the order of these calls. What @turn itself asks for while it
 * is run is done at once. With @turns NULL everything is. */
void turns_take(Turns *turns, Turn *turn, TurnLine *line, const void *user, TurnFunc *run, void *data);

/* The same for what takes no time, but has to keep its place: at once where nothing waits in @line. */
void turns_follow(Turns *turns, Turn *turn, TurnLine *line, const void *user, TurnFunc *run, void *data);

/* Whether it waited; it does so no more, and is not run. */
gboolean turns_withdraw(Turns *turns, Turn *turn);

/* How many wait. */
unsigned turns_waiting(const Turns *turns);
