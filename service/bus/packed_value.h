/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* A value in the form that is fastest to append to a message: the calls of sd-bus to make, in one piece of
 * memory. For values that are sent many times. */

typedef struct PackedValue {
        size_t size; /* in bytes, of all this */
        size_t wire; /* the most that it takes in a message, in bytes */
        guint8 steps[];
} PackedValue;

/* Packs @value, which holds no descriptors; does not consume a floating reference. NULL where no D-Bus
 * message can have such a value. Free with g_free(). Any thread. */
PackedValue *packed_value_new(GVariant *value);

/* Appends it. Returns 0 or a negative errno. Main thread. */
int packed_value_append(sd_bus_message *message, const PackedValue *packed);
