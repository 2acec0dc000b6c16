/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Descriptors that come with messages. sd-bus closes them with their message, on the main thread, which
 * close() may hold up; and those of a message that it drops as invalid (a path of more than 64 KiB is one to
 * it, but not to the bus) it forgets and never closes.
 *
 * So it does not get them: recvmsg() is this program's own, and puts a stand-in in the place of each
 * descriptor that comes over the bus's socket. Stand-ins are the writing ends of a pipe that belongs to the
 * message. When sd-bus has closed them the pipe hangs up, and the callers' own descriptors are closed by the
 * closer. Of a message whose header is longer than any that sd-bus takes it gets none. Where it reads on and
 * the message before was neither handed out nor put in its queue, it was dropped for another reason, and the
 * stand-ins are closed here.
 *
 * Where any of this does not hold (another recvmsg() was linked, a library that reads differently, too few
 * descriptors), sd-bus has the descriptors themselves, as ever, and nothing is closed that may not be. Main
 * thread, all of it. */

/* Sees to what @bus reads from now on; one bus at a time. Returns a negative errno. */
int descriptors_watch(sd_bus *bus);

/* Before it is freed. Fine for a bus that is not watched. */
void descriptors_unwatch(sd_bus *bus);

/* sd-bus was called and may have read: the last message that it dropped is found. */
void descriptors_settle(void);

/* The descriptor that was sent, for @fd of a message of sd-bus's; @fd itself where there is no stand-in. It
 * is open as long as the message is there. */
int descriptors_sent(int fd);

/* The highest number that the message takes which sd-bus hands out now: of what came with it, of the
 * stand-ins, and of what reading its arguments duplicates. 0 for one that takes none. */
int descriptors_highest(void);

/* How many bytes the header fields of the message have that sd-bus hands out now, which it does not reveal; 0
 * if that is not known. */
guint64 descriptors_fields(void);

/* Messages that were dropped with descriptors. */
guint64 descriptors_dropped(void);
