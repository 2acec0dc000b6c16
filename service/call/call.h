/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/lane.h"
#include "access/turns.h"
#include "base/config.h"
#include "bus/bus.h"
#include "bus/member.h"
#include "virt/domain_cache.h"
#include "virt/kind.h"
#include "virt/link.h"
#include "virt/pump.h"

#include <gio/gunixfdlist.h>
#include <glib.h>
#include <libvirt/libvirt.h>
#include <systemd/sd-bus.h>

/* One request, from its message to its one reply. There is no other way in. This is for those that carry
 * calls about; handlers see what handler.h has. */

typedef struct Connection Connection;

typedef enum ObjectLevel {
        OBJECT_ROOT,       /* /org/libvirt */
        OBJECT_CONNECTION, /* /org/libvirt/QEMU */
        OBJECT_COLLECTION, /* /org/libvirt/QEMU/domain */
        OBJECT_LEAF,       /* /org/libvirt/QEMU/domain/_... */
} ObjectLevel;

/* What stands at an object path; object_resolve() finds it. */
struct Object {
        ObjectLevel level;
        Connection *connection; /* NULL for the root */
        const Kind *kind;       /* of a connection, of a collection's members, of a leaf; NULL for the root */
        char *key;              /* a leaf's, owned */
        const char *leaf;       /* a leaf's last element, borrowed from the path of the message */
};

typedef enum CallType {
        CALL_METHOD,
        CALL_GET,
        CALL_SET,
        CALL_GET_ALL,
        CALL_INTROSPECT,
} CallType;

/* Calls to the objects of one connection. */
typedef struct Tally {
        guint64 ok, failed, refused, dropped; /* by what came of them */
        guint64 open, most;                   /* those without a reply, and how many these were at most */
        guint64 changing; /* of the open ones: those that may change what the mirror shows */
} Tally;

struct Call {
        /* Set before the call is queued, constant from then on. */
        CallType type;
        const Interface *interface;
        const Member *member; /* NULL for GetAll and Introspect */
        const char *connection_path;
        const char *path; /* the object's, borrowed from the message */
        Object object;    /* that it was sent to */
        GVariant *args;
        size_t bytes;
        GUnixFDList *fds;
        gboolean reader; /* the caller may monitor only: a read-only connection serves it */
        const Limits *limits;
        /* Of a domain's GetAll: properties that are known already, by name, a{sv}; () stands for one that
         * cannot be read. May be NULL. */
        GVariant *known;
        guint64 known_version; /* of what is known of the domain, where that is not all; 0: not to remember */

        /* Main thread only: reference counts of sd-bus are not atomic. */
        Bus *bus;
        sd_bus_message *message;
        Peer *peer;       /* that sent it, and is charged for it; when that has left, no reply is made */
        GList place;      /* among the calls of that */
        Lane *lane;       /* where libvirt is asked; else NULL */
        GQueue *unlisted; /* where it waits for what is listed; NULL where it does not */
        GList step;       /* in that; or in the lane, until it is begun */
        Tally *tally;     /* of the object's connection; NULL for the root */
        Turns *turns;
        Turn turn;
        /* Takes it back from where it waits, unless that is for its turn; FALSE when it is too late. NULL
         * while nothing can. */
        gboolean (*withdraw)(Call *call);
        /* Makes the result out of what came of the call; NULL where that is the result. FALSE when it takes
         * more time: the call was given on then. The next is for it. */
        gboolean (*conclude)(Call *call);
        gboolean holds_stream;    /* it is charged for one, which it has yet to open */
        struct Stream *stream;    /* that it waits for the end of */
        const gboolean *stopping; /* the service is: what has no answer yet gets none any more */
        GHashTable *connections;  /* those that the caller sees, name to Connection */
        /* Writes the reply, instead of a result; returns a negative errno where it cannot. NULL for most. */
        int (*write)(const Call *call, sd_bus_message *reply);
        size_t written;     /* about how many bytes that makes */
        const void *source; /* from which, borrowed until the next turn, */
        void *own_source;   /* or freed with the call */

        gboolean begun; /* by a worker; under the lock of the links, until it is completed */

        /* The worker's, until the call is completed. */
        Link *link;
        DomainCache *domain_cache; /* of the link */
        virConnectPtr conn;
        void *handle;             /* libvirt's, of the object */
        gboolean remembered;      /* it is from an earlier call's look-up */
        Pump *pump;               /* that it has opened */
        virDomainPtr domain;      /* that the object is in */
        const Kind *touched_kind; /* of the object that the call returned, which it may have made, */
        char touched[VIR_UUID_STRING_BUFLEN]; /* and its UUID; "" for none */
        GVariant *result;
        GUnixFDList *result_fds;
        GError *error;
        gboolean cut;   /* by the loss of a connection behind the link's, which is open still */
        gboolean again; /* it was run before, and cut */
};

/* A call of @peer for @message, which it keeps, and which @path is borrowed from. The peer is charged with it
 * and @bytes: NULL and LIMITS_EXCEEDED when that is one too many. Main thread, as call_free(). */
Call *call_new(Peer *peer, sd_bus_message *message, CallType type, const char *path, size_t bytes,
               GError **error);
void call_free(Call *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, call_free)

/* Counts @call, whose type and member are set, as open in @tally until it is freed. NULL is fine. Main
 * thread. */
void call_open(Call *call, Tally *tally);

/* Whether it may change what the mirror shows. */
gboolean call_may_change(const Call *call);

/* Sends the one reply, the result or the error, counts it and frees @call, unless its conclude() keeps it.
 * Main thread, when no worker has it. */
void call_conclude(Call *call);

/* Sends @error as the one reply to @message, be it a call's or not. Main thread. */
void call_refuse(Bus *bus, sd_bus_message *message, const GError *error, const Limits *limits);

/* Concludes @call when it is its turn, which may be at once: no worker has it, and what it still needs is in
 * memory. All that takes the main thread time for a caller goes through here. Main thread. */
void call_answer(Call *call);

/* Ends @call with the error that the service is stopping. Main thread. */
void call_set_stopping(Call *call);

/* Takes it back from where it waits, if that is possible, and frees it without a reply. Main thread. */
void call_withdraw(Call *call);

/* Sends an error as the one reply while a worker may still have the call. Main thread. */
void call_reply_abandoned(Call *call, const char *why);
