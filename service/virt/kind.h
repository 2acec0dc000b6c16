/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/member.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* The kinds of libvirt objects that have a place on the bus. Nothing here has state. Functions that ask
 * libvirt say so and are for worker threads. */

typedef struct Kind Kind;

struct Kind {
        const char *collection;     /* second to last element of the path; NULL for the connection itself */
        const Interface *interface; /* of its objects */
        const Interface *native;    /* the service's own of them; NULL where there is none */

        gboolean in_domain; /* the key begins with the UUID of the domain that the object belongs to */

        /* What the last element of a path stands for: the key that lookup() takes, newly allocated, or NULL
         * when the element can be none. */
        char *(*key)(const char *leaf);
        /* The object with that key, or NULL and libvirt's error. The domain of what is in one comes with it,
         * either way, for the caller to free. Asks libvirt. */
        void *(*lookup)(virConnectPtr conn, const char *key, virDomainPtr *domain);
        /* The path of @object below @connection_path, newly allocated. Of an interface's libvirt is asked. */
        char *(*path)(const char *connection_path, void *object);
        /* The same for the @n objects that list() gave for @flags, into @paths; NULL where the paths of a
         * list are those that path() gives one by one. */
        void (*paths)(const char *connection_path, void **objects, int n, unsigned flags, char **paths);
        void (*free)(void *object);
        /* The object's UUID and its name, where the kind has such; else NULL. */
        int (*uuid)(void *object, char *uuid);
        const char *(*name)(void *object);
        /* All objects of the kind that libvirt's @flags select, or -1 and libvirt's error; the array and its
         * objects are the caller's. Asks libvirt. */
        int (*list)(virConnectPtr conn, unsigned flags, void ***objects);
};

extern const Kind kind_connect, kind_domain, kind_domain_checkpoint, kind_domain_snapshot, kind_interface,
        kind_network, kind_node_device, kind_nw_filter, kind_nw_filter_binding, kind_secret,
        kind_storage_pool, kind_storage_vol;

/* All kinds that have a collection, ended by NULL. */
extern const Kind *const kinds[];

/* The kind whose objects are in that collection, or NULL. */
const Kind *kind_find(const char *collection);
