/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/config.h"
#include "virt/identity.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* One connection to libvirt that is kept open: opened by a job, watched, and opened again when it is lost.
 * All functions are for the main thread, except where they say otherwise. */

typedef struct Link Link;

typedef enum LinkState {
        LINK_CLOSED,  /* lost or not reached; the next attempt waits for its time or for the socket */
        LINK_OPENING, /* a job works on it */
        LINK_OPEN,
} LinkState;

/* What a link calls its owner for. */
typedef struct LinkOwner {
        /* It is opened by link_open() alone, and not again by itself when it is lost or was not reached. */
        gboolean once;
        /* Worker thread: @conn was just opened and has no other user yet. What is returned in @prepared is
         * handed to @release, also on a worker thread, before that connection is closed. May be NULL. */
        gboolean (*prepare)(virConnectPtr conn, void *data, void **prepared, GError **error);
        void (*release)(virConnectPtr conn, void *prepared);
        /* Main thread. */
        void (*opened)(Link *link, void *data);
        void (*lost)(Link *link, void *data);
        /* What link_renew() was called for is done. NULL where it is not called. */
        void (*renewed)(Link *link, void *data);
        /* An attempt ended without success, or takes longer than calls may wait for it. */
        void (*failed)(Link *link, const GError *error, void *data);
} LinkOwner;

/* A closed link; link_open() makes it live. With @read_only libvirt itself refuses what changes something or
 * shows secrets. @name and @uri are copied, the others must outlive it. */
Link *link_new(const char *name, const char *uri, gboolean read_only, const Limits *limits,
               const LinkOwner *owner, void *data);

/* Before the first attempt: makes the link act for the caller @identity, which must outlive the link; each
 * attempt tells libvirt so before anything else. With NULL there is no such caller, and every attempt fails.
 */
void link_forward(Link *link, const Identity *identity);

/* Starts an attempt unless the link is open or being opened. */
void link_open(Link *link);

/* Has what prepare() has made of the open connection released, and made anew on the same connection, by one
 * job; nothing where the link is not open or that is under way. Where it fails, the connection is given up as
 * lost. */
void link_renew(Link *link);

/* Lets go of the open connection, or gives up the attempts to open it, without calling the owner; link_open()
 * opens another one. */
void link_close(Link *link);

/* Closes the link and ends all attempts, for good. A job says good-bye to libvirt. */
void link_shut(Link *link);

/* Whether a job works on it, or has ended and not reported yet. A link that was shut must not be freed while
 * it is busy. */
gboolean link_is_busy(const Link *link);

/* Frees a link that was shut, once it is not busy. */
void link_free(Link *link);

LinkState link_state(const Link *link);

/* Why the last attempt failed, or why the current one takes so long; NULL while there is hope. */
const GError *link_error(const Link *link);

/* Logs why the last attempt failed. Calls may start many attempts: a failure that they all meet is logged
 * once. */
void link_log_failure(Link *link);

/* What the owner's prepare() made of the connection that is open. */
const void *link_prepared(const Link *link);

/* Why the last open connection ended, as virConnectCloseReason; -1 when libvirt did not say. */
int link_close_reason(const Link *link);

/* A reference to the open connection, or NULL and an error. Release it with virConnectClose() on a worker
 * thread: the last one to let go may have to talk to libvirt. Any thread. */
virConnectPtr link_acquire(Link *link, GError **error);

/* A further connection, for the same caller as the link, which gets no events and has no keep-alive: it is
 * for one thread that waits on it for as long as it takes. *@socket is its descriptor, which stays libvirt's;
 * -1 where it has none. Libvirt's test driver, which runs in this process, gives the link's own connection.
 * NULL and an error when it is refused. Worker thread. */
virConnectPtr link_connect_aside(Link *link, int *socket, GError **error);

/* Where it leads. Any thread. */
const char *link_uri(const Link *link);
