/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From any thread to the main thread. */

typedef void PostFunc(void *data);

/* Makes the mailbox, on the default GMainContext. Main thread, before the first post(). */
void post_init(void);

/* Has the main loop call @func with @data, in the order of the posts of all threads. Any thread, the main one
 * too; @func is never called from within post(). */
void post(PostFunc *func, void *data);

/* Calls what the main loop has not called yet, and what that posts, without the loop. Main thread. */
void post_flush(void);

/* Forgets what has not been called and frees the mailbox; later posts are ignored. Main thread. */
void post_shutdown(void);
