/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Ends the program where @condition, which the code that follows relies on, does not hold: a mistake of ours,
 * never one of a caller, of libvirt or of the bus. In every build, unlike g_assert(). */
#define ASSERT(condition) (G_LIKELY(condition) ? (void)0 : assert_failed(__func__, #condition))

G_NORETURN static inline void assert_failed(const char *function, const char *condition)
{
        g_error("%s() relies on what is not so: %s", function, condition);
}
