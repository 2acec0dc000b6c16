/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* What /proc shows of processes. A number of a process is used again when it has ended: what was read of it
 * is about the same process only as long as its start is the same. Any thread. */

/* When it was started, in clock ticks since the machine's start; 0 when there is no such process, or it
 * cannot be seen. */
guint64 process_started(pid_t pid);

/* The present, in the same unit. */
guint64 process_now(void);

/* Whether it is, or was before it took another identity, a process of that user: by its real or its effective
 * one. */
gboolean process_is_of(pid_t pid, uid_t uid);

/* The process that the descriptor @fd stands for (a pidfd), and its start, 0 when that cannot be seen; 0 when
 * the process has ended. No other can have its number meanwhile. */
pid_t process_of_fd(int fd, guint64 *started);
