/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>
#include <glib.h>

/* Descriptors of callers are closed here, off the main thread: close() can take as long as the sender likes.
 * A TCP socket with SO_LINGER waits for a peer that acknowledges nothing, a file of FUSE or NFS for its
 * server, and that even where another descriptor of the same file stays open. Main thread. */

/* How many threads close at most. A caller that makes some of them wait delays the closing of other
 * descriptors and nothing else; each sends at most 16 in a message, which one thread closes. */
#define CLOSERS 8

/* Closes all of @fds, an array that a -1 ends, and frees it. */
void closer_take(int *fds);

/* Waits until all that was taken is closed, for at most @timeout_ms. */
void closer_wait(unsigned timeout_ms);

/* Closes what is in *@list, which may be NULL and is NULL then. */
void closer_take_list(GUnixFDList **list);

/* Before a GUnixFDList * of callers' descriptors that is a variable of a function: what is left at its end.
 */
#define CLOSED_ELSEWHERE __attribute__((cleanup(closer_take_list)))
