/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kind.h"

#include <glib.h>

/* What is: the domains, networks and storage pools of one connection, in memory. Main thread.
 *
 * The mirror asks nobody; it is told what libvirt answered, and tells its owner what that changed. An object
 * stays while the connection is lost: that nobody can be asked does not mean that it is gone. */

typedef struct Mirror Mirror;

/* One object. For reading; only the mirror writes. */
typedef struct Item {
        const Kind *kind;
        char *path;
        const char *leaf;    /* the last element of the path */
        GVariant **values;   /* of the native interface's properties, by slot; none is NULL */
        GVariant *scheduler; /* of a domain: org.libvirt.Domain's SchedulerType, () where it cannot be read;
                                NULL while that and the OSType are to be read (again) */
        const char *told;    /* the state that events told last, interned: NULL, "active" or "inactive" but
                                for domains, which have their State here */
        /* Of a domain: an event told of a start that no value shows yet; a value shows one that was not told;
         * so do the first values, and whether it was told is not known. */
        gboolean start_told, start_seen, start_first;
} Item;

/* What an owner is told, after the change. */
typedef struct MirrorOwner {
        void (*added)(const Item *item, void *data);
        /* @before has the values that it had. @changed is a dictionary (a{sv}) of those that are new. */
        void (*changed)(const Item *item, GVariant *const *before, GVariant *changed, void *data);
        /* @item is about to be freed. */
        void (*removed)(const Item *item, void *data);
} MirrorOwner;

/* An empty mirror. @connection_path must outlive it. */
Mirror *mirror_new(const char *connection_path, const MirrorOwner *owner, void *data);

/* NULL is fine. Tells nobody. */
void mirror_free(Mirror *mirror);

/* Takes over what libvirt said of the object with that UUID; the object is added when it is new. @values, one
 * for each slot, are consumed; NULL stands for what was not asked. */
void mirror_update(Mirror *mirror, const Kind *kind, const char *uuid, GVariant **values);

/* libvirt said that it is gone. */
void mirror_remove(Mirror *mirror, const Kind *kind, const char *uuid);

/* libvirt listed all of a kind: what is not in the set of leaves is gone. */
void mirror_keep(Mirror *mirror, const Kind *kind, GHashTable *leaves);

/* Sets what only the domain's GetAll needs; @scheduler is consumed when it is floating. */
void mirror_set_scheduler(Mirror *mirror, const char *uuid, GVariant *scheduler);

/* An event told that the object is in @state, interned or static; NULL: that it was not told. With @started
 * it told that it was started. */
void mirror_tell(const Item *item, const char *state, gboolean started);

/* Sets Stale of all objects of a kind. */
void mirror_set_stale(Mirror *mirror, const Kind *kind, gboolean stale);

/* The object, or NULL. */
const Item *mirror_find(const Mirror *mirror, const Kind *kind, const char *leaf);
const Item *mirror_find_uuid(const Mirror *mirror, const Kind *kind, const char *uuid);

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
