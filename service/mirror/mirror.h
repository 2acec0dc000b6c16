/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "virt/kind.h"

#include <glib.h>

/* What is: the domains, networks and storage pools of one connection, in memory. Main thread.
 *
 * The mirror asks nothing and tells nothing: it keeps what it is given, and says what that changed. An object
 * stays while the connection is lost: that libvirt cannot be asked does not mean that it is gone. */

typedef struct Mirror Mirror;

/* One object. For reading; only the mirror writes. */
typedef struct Item {
        const Kind *kind;
        char *path;
        const char *leaf;  /* the last element of the path */
        GVariant **values; /* of the native interface's properties, by slot; none is NULL */
        /* Of a domain, what no list tells. */
        gboolean system_known; /* OSType is what libvirt said on this connection */
        GVariant *scheduler;   /* org.libvirt.Domain's SchedulerType, () where it cannot be read; NULL: not
                                  known */
        guint64 version;       /* a later one when that may be another */
} Item;

/* An empty mirror. @connection_path must outlive it. */
Mirror *mirror_new(const char *connection_path);

/* NULL is fine. */
void mirror_free(Mirror *mirror);

/* Takes over what libvirt said of the object with that UUID; the object is added when it is new. @values, one
 * for each slot, are consumed; NULL stands for what is not known. Returns the object, borrowed. @changed is
 * set to the slots (one bit each) whose values are new, none for an object that was added; it may be NULL. */
const Item *mirror_update(Mirror *mirror, const Kind *kind, const char *uuid, GVariant **values,
                          guint32 *changed);

/* Takes an object out, so that it is found no more: the caller's, to free with item_free(). */
Item *mirror_take(Mirror *mirror, const Item *item);
void item_free(Item *item);

/* Sets what only the domain's GetAll needs, unless it was forgotten since the domain had that @version.
 * @scheduler is consumed when it is floating. */
void mirror_set_scheduler(Mirror *mirror, const char *uuid, guint64 version, GVariant *scheduler);

/* The domain was, or may have been, defined anew or started: that is not known any more. And, where a
 * connection is lost, nothing that no list tells of any domain. */
void mirror_forget_scheduler(Mirror *mirror, const char *uuid);
void mirror_forget_untold(Mirror *mirror);

/* Sets Stale of all objects of a kind, and calls @func for each for which that is new. */
typedef void MirrorFunc(const Item *item, void *data);
void mirror_set_stale(Mirror *mirror, const Kind *kind, gboolean stale, MirrorFunc *func, void *data);

/* The object, or NULL. */
const Item *mirror_find(const Mirror *mirror, const Kind *kind, const char *leaf);
const Item *mirror_find_uuid(const Mirror *mirror, const Kind *kind, const char *uuid);

/* An object of that name, or NULL. libvirt has one at most, but its answers come one after the other. */
const Item *mirror_find_name(const Mirror *mirror, const Kind *kind, const char *name);

/* An object of that name that has another UUID, or NULL. */
const Item *mirror_find_namesake(const Mirror *mirror, const Kind *kind, const char *uuid, const char *name);

/* All objects of a kind: Item by leaf, borrowed. */
void mirror_iterate(const Mirror *mirror, const Kind *kind, GHashTableIter *iter);
unsigned mirror_size(const Mirror *mirror, const Kind *kind);

/* A slot's value. */
gboolean item_boolean(const Item *item, unsigned slot);
const char *item_string(const Item *item, unsigned slot);

/* The kinds that are mirrored, ended by NULL, and the place of one of them. */
#define N_MIRRORED 3
extern const Kind *const mirrored_kinds[];
size_t mirrored_index(const Kind *kind);
gboolean kind_is_mirrored(const Kind *kind);

/* The slots that all mirrored kinds have: each kind's own. */
typedef struct Slots {
        unsigned active, autostart, name, persistent, stale, uuid;
} Slots;
const Slots *kind_slots(const Kind *kind);
