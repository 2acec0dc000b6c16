/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "link.h"
#include "post.h"

#include <glib.h>

/* What is: the domains of one connection, in memory. Main thread.
 *
 * Events say what happened; the mirror is only ever filled by asking libvirt. An object stays while the
 * connection is lost: that nobody can be asked does not mean that a domain is gone. */

typedef struct Mirror Mirror;

/* An empty mirror that asks over @link, which must outlive it. */
Mirror *mirror_new(Link *link);

/* Frees a mirror, once no job runs. NULL is fine. */
void mirror_free(Mirror *mirror);

/* Lists all domains afresh, and calls @listed with @data when the answer is in, or none could be had. */
void mirror_list(Mirror *mirror, PostFunc *listed, void *data);

/* Asks for one domain again, soon, and together with others that are due. */
void mirror_refresh(Mirror *mirror, const char *uuid);

/* The same, and calls @shown with @data once the mirror shows what libvirt said after this call, or nobody
 * could be asked. */
void mirror_wait(Mirror *mirror, const char *uuid, PostFunc *shown, void *data);

/* Whether all domains were listed at least once. */
gboolean mirror_is_filled(const Mirror *mirror);

/* Whether there is a domain with that last element of the path. */
gboolean mirror_has(const Mirror *mirror, const char *leaf);

/* The last elements of the domains' paths, borrowed: for iteration only. */
void mirror_iterate(const Mirror *mirror, GHashTableIter *iter);

/* How many domains there are. */
unsigned mirror_size(const Mirror *mirror);
