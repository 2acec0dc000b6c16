/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Packed values as listeners get them. */

#include "bus/packed_value.h"
#include "codec-bus.h"

/* The dictionary @packed, floating. */
static inline GVariant *packed_read(const PackedValue *packed)
{
        g_autoptr(sd_bus_message) message = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) body = NULL;

        if (!test_bus)
                test_bus_open();
        message = message_new();
        g_assert_cmpint(packed_value_append(message, packed), ==, 0);
        message_finish(message);
        body = codec_read(message, "a{sv}", &fds, NULL);
        g_assert_nonnull(body);
        g_variant_ref_sink(body);
        return g_variant_get_child_value(body, 0);
}
