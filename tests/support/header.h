/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* What libvirt's header has and the service does not know. It is a fault with the libvirt versions that the
 * service was written for, and wherever tools/check-libvirt looks for it. The service passes it as a number,
 * or does not ask for it, so it must not break a package that is built with a later libvirt: there the test
 * is one that was skipped, and says why.
 */

/* The newest libvirt that the service was written for. */
#define HEADER_KNOWN 12008000

static inline void header_has_unknown(const char *family, int value)
{
        g_autofree char *text = g_strdup_printf("libvirt %d has %s %d, which the service does not know",
                                                LIBVIR_VERSION_NUMBER, family, value);

        if (LIBVIR_VERSION_NUMBER <= HEADER_KNOWN || g_getenv("GUESTBUS_EVERY_HEADER"))
                g_test_fail_printf("%s", text);
        else
                g_test_skip(text);
}
