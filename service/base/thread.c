/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/thread.h"

__thread gboolean thread_is_main;

/* Before main(), which is on the first thread. So nothing has to be initialised, in tests neither. A plain
 * store clang 14 takes for the value that the variable has from the start, in every thread. */
__attribute__((constructor)) static void mark_main(void)
{
        *(volatile gboolean *)&thread_is_main = TRUE;
}

void thread_is_wrong(const char *function, const char *expected)
{
        g_error("%s() was called on the wrong thread: it must run on %s", function, expected);
}
