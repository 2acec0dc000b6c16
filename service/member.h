/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the interface files say, as tables: one row per member. The rows are made at build time. */

typedef struct Call Call;

/* Serves one member, on a worker thread. Returns what the row's out_type says, floating, or NULL with @error
 * set. A method with several results returns them as a tuple, one with none as "()". */
typedef GVariant *Handler(Call *call, GError **error);

/* The order is that of the rows. */
typedef enum MemberKind {
        MEMBER_METHOD,
        MEMBER_PROPERTY,
        MEMBER_SIGNAL,
} MemberKind;

/* What a caller must be allowed, by libvirt's own rule of what a read-only connection may do. */
typedef enum Access {
        ACCESS_MONITOR,
        ACCESS_MANAGE,
} Access;

typedef struct Member {
        const char *name;
        MemberKind kind;
        const char *in_signature; /* D-Bus signature of a method's arguments */
        const char *out_type;     /* GVariant type of the result, of a property, of a signal's arguments */
        bool tuple;               /* a method has no or several results, and out_type is the tuple of them */
        Access access;            /* of a method, of reading a property; writing one is always manage */
        bool changes;             /* the reply waits until the mirror shows the change */
        Handler *handler;
        Handler *setter;
} Member;

typedef struct Interface {
        const char *name;
        const char *xml; /* as Introspect serves it */
        const Member *members;
        size_t n_members;
        bool wraps_twice; /* GetAll wraps each value in two variants */
} Interface;

/* Returns the row of @name, or NULL. Any thread. */
const Member *interface_find(const Interface *interface, MemberKind kind, const char *name);
