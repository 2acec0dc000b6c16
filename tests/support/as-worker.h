/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/thread.h"

/* Has the calling thread count as a worker to the end of the block, and then as what it was: for tests that
 * call a worker's functions one after the other, where nothing else runs. */
#define AS_WORKER __attribute__((cleanup(end_as_worker), unused)) gboolean was_main = begin_as_worker()

static inline gboolean begin_as_worker(void)
{
        gboolean was_main = thread_is_main;

        thread_is_main = FALSE;
        return was_main;
}

static inline void end_as_worker(gboolean *was_main)
{
        thread_is_main = *was_main;
}
