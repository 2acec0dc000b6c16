/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Which thread runs. The main thread is the one on which the program began: it alone touches sd-bus, and it
 * never waits for libvirt. Every other thread is a worker.
 *
 * A function whose comment names its thread begins with one of these two. They stay in every build: a message
 * that a worker has referenced, or a main loop that waits for a hypervisor, shows as a fault much later and
 * somewhere else. On the wrong thread they end the program and name the function. */
#define ASSERT_MAIN()   (G_LIKELY(thread_is_main) ? (void)0 : thread_is_wrong(__func__, "the main thread"))
#define ASSERT_WORKER() (G_LIKELY(!thread_is_main) ? (void)0 : thread_is_wrong(__func__, "a worker thread"))

/* Whether the calling thread is the main thread. Constant, for each thread. */
extern __thread gboolean thread_is_main __attribute__((visibility("hidden")));

G_NORETURN void thread_is_wrong(const char *function, const char *expected);
