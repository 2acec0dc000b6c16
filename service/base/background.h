/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/main_queue.h"

/* Housekeeping that waits for libvirt: opening, closing, listing. Each job has a thread of its own for as
 * long as it takes, so that one hypervisor that does not answer holds up no other. There are never more than
 * a few per connection, as each kind runs once at a time. */

typedef void BackgroundFunc(void *data);

/* Runs @work with @data on a pool thread, then @done with it on the main thread. Main thread. */
void background_run(BackgroundFunc *work, MainQueueFunc *done, void *data);

/* How many jobs have not reached their @done yet. Main thread. */
unsigned background_running(void);
