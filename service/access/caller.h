/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/share.h"
#include "base/config.h"

#include <glib.h>

/* Who has how much in flight. Main thread. */

typedef struct Callers Callers;
typedef struct Caller Caller;

Callers *callers_new(const Limits *limits);
void callers_free(Callers *callers);

/* Takes account of one call of @bytes from the bus name @name. @share is that of its user; NULL for those who
 * have no bounds of their own, and while nobody knows whose name it is; it is held. NULL and LIMITS_EXCEEDED
 * when that is one too many, for the caller, its user or the service. Ended by caller_leave().
 */
Caller *caller_enter(Callers *callers, const char *name, Share *share, size_t bytes, GError **error);
void caller_leave(Caller *caller, size_t bytes);

const char *caller_name(const Caller *caller);

/* To charge what one of its calls uses, until that has ended. Borrowed. */
Account *caller_account(Caller *caller);

/* That of its user, or NULL. Borrowed. */
Share *caller_share(const Caller *caller);

/* Whether @name has calls in flight. */
gboolean callers_has(const Callers *callers, const char *name);

/* Calls in flight, of all callers. */
unsigned callers_total(const Callers *callers);

/* Adds the names with calls in flight to the set @names, owned. */
void callers_collect(const Callers *callers, GHashTable *names);
