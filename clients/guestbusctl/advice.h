/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* From what is wrong to what mends it. Pure. */

typedef enum Fault {
        FAULT_BUS,               /* it cannot be reached */
        FAULT_NOT_INSTALLED,     /* no service, and the bus knows none that it could start */
        FAULT_NOT_STARTED,       /* no service, and the bus could not start it */
        FAULT_SILENT,            /* the service does not answer */
        FAULT_POLICY,            /* the bus does not let the caller call */
        FAULT_NAME_TAKEN,        /* org.libvirt is another program's */
        FAULT_NAME_FREE,         /* org.libvirt is nobody's */
        FAULT_MONITOR_REFUSED,   /* by polkit */
        FAULT_MONITOR_PASSWORD,  /* polkit asks for one */
        FAULT_MANAGE_REFUSED,    /* by polkit */
        FAULT_MANAGE_PASSWORD,   /* polkit asks for one: that is the rule as it is shipped */
        FAULT_POLKIT_ABSENT,     /* a right is refused, and the bus has no polkit */
        FAULT_POLKIT_FAILED,     /* a right is refused, and polkit does not run */
        FAULT_IDENTITY,          /* libvirt is not told who calls */
        FAULT_SERVICE,           /* any other error of the service */
        FAULT_SOCKET_ABSENT,     /* libvirt's socket is not there */
        FAULT_SOCKET_DENIED,     /* the service may not open it */
        FAULT_SOCKET_DEAD,       /* no program listens at it */
        FAULT_HYPERVISOR_ABSENT, /* this host does not have what the connection is for */
        FAULT_NO_HYPERVISOR,     /* nor any other */
        FAULT_CONNECTION,        /* not open for any other reason */
        FAULT_LIBVIRT_SILENT,    /* libvirt does not answer */
        FAULT_STALE,             /* objects of which it does not answer */
        FAULT_OLD_LIBVIRT,       /* older than the one that the service needs */
        FAULT_NO_EVENTS,         /* the driver has none */
        N_FAULTS
} Fault;

/* Where the service is looked for, in words of a shell. */
typedef struct Site {
        gboolean user;       /* the bus of the user's session */
        const char *address; /* of a bus that is neither; or NULL */
        const char *account; /* who looks */
} Site;

/* What was found. Texts are NULL where there is none. */
typedef struct Finding {
        Fault fault;
        const char *connection; /* its name */
        const char *uri;        /* of the connection */
        const char *cause;      /* an error in the words of whoever said it, or another detail */
} Finding;

typedef struct Advice {
        Fault fault;
        const char *word; /* for programs, as "socket-absent" */
        gboolean note;    /* nothing is wrong */
        char *connections;
        char *text;
        char **commands;
} Advice;

Advice *advice_new(const Finding *finding, const Site *site);
void advice_free(Advice *advice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Advice, advice_free)

/* Adds the advice, which it takes over, to @all; one that mends the same in the same way is there but once,
 * with the names of all connections. */
void advice_add(GPtrArray *all, Advice *advice);

/* One line. */
char *advice_title(const Advice *advice);

/* What a LastError means. */
Fault fault_of_connection(const char *error);

/* The systemd unit of the socket that an error of libvirt's names, without ".socket": libvirtd, virtqemud,
 * ... NULL if it names none, or one that is not where libvirt has those of the host. */
char *unit_of_error(const char *error);

/* A libvirt of that version, as LibVersion has it, is too old. */
gboolean is_old_libvirt(guint64 version);
