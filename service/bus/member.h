/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The interface files as tables: one row per member. The rows are made at build time. */

typedef struct Call Call;
typedef struct Object Object;

/* Serves one member, on a worker thread. Returns what the row's out_type says, floating, or NULL with @error
 * set. A method with several results returns them as a tuple, one with none as "()". */
typedef GVariant *Handler(Call *call, GError **error);

/* Serves a method from memory, on the main thread. The same, but NULL without an error means that the answer
 * takes time and that the call was kept for it. @object is where the call was sent to. */
typedef GVariant *LocalHandler(Call *call, const Object *object, GError **error);

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

/* What a call may change of its object, as far as the mirror shows it. */
typedef enum Changes {
        CHANGES_NOTHING,
        CHANGES_STATE,
        CHANGES_LIFE, /* whether it runs, and as what */
        CHANGES_ANYTHING,
} Changes;

/* An argument of a signal. */
typedef struct Argument {
        const char *name;
        const char *names; /* the enumeration whose number it is, as enum_word() knows it; or NULL */
} Argument;

typedef struct Member {
        const char *name;
        MemberKind kind;
        const char *in_signature; /* D-Bus signature of a method's arguments */
        const char *out_type;     /* GVariant type of the result, of a property, of a signal's arguments */
        bool tuple;               /* a method has no or several results, and out_type is the tuple of them */
        Access access;            /* of a method, of reading a property; writing one is always manage */
        unsigned secure_argument; /* with one of secure_flags in the argument of that number, */
        unsigned secure_flags;    /* a method of monitor is manage all the same */
        unsigned documents;       /* bit n: argument n is an XML document */
        bool takes_long;          /* it runs for as long as a guest, a disk or an agent takes for it */
        bool opens_stream;        /* it moves bytes between libvirt and a descriptor */
        Changes changes;          /* the reply waits until the mirror shows that */
        Handler *handler;
        Handler *setter;
        LocalHandler *local;       /* of a method that is served from memory, instead of a handler */
        unsigned slot;             /* of a property in memory: its place among the interface's */
        const Argument *arguments; /* of a signal, as many as out_type has */
} Member;

typedef struct Interface {
        const char *name;
        const char *xml; /* as Introspect serves it */
        const Member *members;
        size_t n_members;
        size_t n_properties;
        bool native;      /* the service's own: properties are values in memory, methods are local */
        bool wraps_twice; /* GetAll wraps each value in two variants */
} Interface;

/* Standard interfaces, which every object has and no table contains. */
#define INTERFACE_PROPERTIES     "org.freedesktop.DBus.Properties"
#define INTERFACE_INTROSPECTABLE "org.freedesktop.DBus.Introspectable"

/* Returns the row of @name, or NULL. Any thread. */
const Member *interface_find(const Interface *interface, MemberKind kind, const char *name);

/* The rows of the properties of an interface that has some: n_properties of them, by slot. Any thread. */
const Member *interface_properties(const Interface *interface);
