/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"
#include "mirror/pending.h"
#include "mirror/reconcile.h"

/* What is known of an object, as reconcile() takes it. The strings are borrowed from what it is made of. Main
 * thread. */

/* What @values, by slot, say of an object of @kind, and @item of what they do not; one of them may be NULL.
 */
Status status_of(const Kind *kind, GVariant *const *values, const Item *item);

/* What events said that wait for an object to be announced; it is present if there is one. What they do not
 * say is as in @after, and where that is NULL or absent, as it is for an object that is neither defined nor
 * active. */
Status status_of_held(const Pending *pending, const Status *after);
