/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Thread sanitizers see pthread's locks, but not into GLib's thread pools. These say what a pool does:
 * everything before handing_over(x) on one thread happens before everything after taken_over(x) on another.
 * Nothing in other builds. */

#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define handing_over(address) __tsan_release(address)
#define taken_over(address)   __tsan_acquire(address)
#else
#define handing_over(address) ((void)(address))
#define taken_over(address)   ((void)(address))
#endif
