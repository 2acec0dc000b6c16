/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Reads the values from where @message stands to its end, or to the end of the container that is open, into a
 * tuple, which is not floating. Returns 0, or a negative errno: -EOPNOTSUPP for descriptors. */
int value_read_all(sd_bus_message *message, GVariant **tuple);
