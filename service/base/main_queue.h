/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From any thread to the main thread. */

typedef void MainQueueFunc(void *data);

/* Makes the mailbox, on the default GMainContext. Main thread, before the first main_queue_post(). */
void main_queue_init(void);

/* Has the main loop call @func with @data, in the order of the posts of all threads. Any thread, the main one
 * too; @func is never called from within main_queue_post(). */
void main_queue_post(MainQueueFunc *func, void *data);

/* Calls what the main loop has not called yet, and what that posts, without the loop. Main thread. */
void main_queue_flush(void);

/* Forgets what has not been called and frees the mailbox; later posts are ignored. Main thread. */
void main_queue_shutdown(void);
