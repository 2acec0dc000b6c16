/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/mirror.h"
#include "mirror/pass.h"
#include "virt/link.h"

#include <glib.h>

/* Filling the mirror: what is due to be asked, and when. Main thread.
 *
 * There is one pass at a time. What becomes due meanwhile waits for the next one, so answers are
 * applied in the order in which libvirt gave them, none can overwrite a newer one, and a burst of events
 * costs one pass and not one for each. Passes for each kind would hold up each other less; but several
 * threads must not wait on the link that finds out that libvirtd is silent, see links.c. */

typedef struct Sync Sync;

typedef struct SyncOwner {
        /* The answers of a pass are about to change the mirror, and have, which may take several turns of
         * the main loop. With @all they are all there is; a pass that failed on the way ends without, and
         * without @told: the mirror does not show all that was asked. */
        void (*applying)(gboolean all, void *data);
        void (*applied)(gboolean all, gboolean told, void *data);
        /* All objects of a kind were listed: what is not in the set of leaves is gone. After applying. */
        void (*absent)(const Kind *kind, GHashTable *leaves, void *data);
        /* One answer; what is taken of its values is NULL then. Those of objects that are gone come first,
         * then those of objects that the mirror has: a name may have passed to a new one. */
        void (*answer)(Answer *answer, void *data);
        /* Before applied: all objects of a kind were asked for, and libvirt told of them or did not. Networks
         * and pools may have a daemon of their own, which is away while that of the domains is there. */
        void (*listed)(const Kind *kind, gboolean told, void *data);
        /* libvirt has not answered the pass that is under way for the time that sync_new() was told, although
         * the connection lives; @all: that pass asks for everything. */
        void (*silent)(gboolean all, void *data);
} SyncOwner;

/* Asks over @link, which must outlive it, as @mirror must. After @patience ms libvirt is silent; 0 for never.
 */
Sync *sync_new(Link *link, Mirror *mirror, unsigned patience, const SyncOwner *owner, void *data);

/* The objects of that kind, which are not domains, are listed over @link from now on, which must outlive it.
 * While that is not open, it is as if libvirt did not answer; they are not asked for again before
 * sync_all(). */
void sync_list_over(Sync *sync, const Kind *kind, Link *link);

/* That link is lost, or was not opened: its answers that are under way do not count. */
void sync_forget_list(Sync *sync, const Kind *kind);

/* Asks for nothing any more; what waits is told so. */
void sync_stop(Sync *sync);

/* Frees it, once it is stopped and not busy. NULL is fine. */
void sync_free(Sync *sync);

/* Asks for everything, and calls @done, which may be NULL, at the end. */
void sync_all(Sync *sync, WaitFunc *done, void *data);

/* Asks for one object again, soon, and together with others that are due; with @urgent, at once. @aspects
 * count for domains. */
void sync_one(Sync *sync, const Kind *kind, const char *uuid, Aspects aspects, gboolean urgent);

/* Asks for the state of a domain again within a second, with all others of which that is wanted by then: what
 * an event told of it was shown, and is to be confirmed. */
void sync_confirm(Sync *sync, const char *uuid);

/* As sync_one(), and calls @done when that is done, or when @within ms are over; 0 for any time. */
void sync_wait(Sync *sync, const Kind *kind, const char *uuid, Aspects aspects, unsigned within,
               WaitFunc *done, void *data);

/* A client wants to know what no list tells: the OSType of domains is asked for from now on, some at a time,
 * when nothing else is due. */
void sync_want_systems(Sync *sync);

/* The domain is new in the mirror. */
void sync_add_system(Sync *sync, const char *uuid);

/* The connection is lost: answers that are under way do not count, and what no list tells is to be asked for
 * again. */
void sync_forget(Sync *sync);

/* Whether a pass is under way. */
gboolean sync_is_busy(const Sync *sync);

/* The number of the last pass that began; sync_passes() is that of the last one that is over. */
guint64 sync_last_pass(const Sync *sync);

/* Whether everything was listed at least once. */
gboolean sync_is_filled(const Sync *sync);

/* Whether nothing that libvirt told lately says that the mirror may be wrong about that object. */
gboolean sync_is_settled(const Sync *sync, const Kind *kind, const char *uuid);

/* Calls @done when what is due now was asked. */
void sync_settle(Sync *sync, WaitFunc *done, void *data);

/* How many passes there were, and how many events needed none of their own. */
guint64 sync_passes(const Sync *sync);
guint64 sync_coalesced(const Sync *sync);
