/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "listener/inventory.h"

/* Guests by what people call them: a name, a UUID, or an object path. */

/* Whether @path is a domain's. */
gboolean guest_is(const char *path);

/* Whether it is that of a domain of @connection. */
gboolean guest_is_of(const char *path, const char *connection);

/* The paths of all guests that @word stands for; free the list alone. */
GPtrArray *guest_find(const Inventory *inventory, const char *word);

/* The candidates as lines for people: path and name. */
char *guest_candidates(const Inventory *inventory, const char *word, GPtrArray *paths);

/* Which guests events are wanted of: those that words stand for, or all if there is no word. A guest that was
 * found once is followed through changes of its name, to its end. */
typedef struct GuestFilter GuestFilter;

GuestFilter *guest_filter_new(char **words);
void guest_filter_free(GuestFilter *filter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestFilter, guest_filter_free)

/* Finds the guests that there are. Returns the first word that stands for several, or NULL. */
const char *guest_filter_find(GuestFilter *filter, const Inventory *inventory);

/* Whether the event is of one of them. Those of connections always are. */
gboolean guest_filter_takes(GuestFilter *filter, const Event *event);
gboolean guest_filter_has(const GuestFilter *filter, const char *path);
