/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Is called once, when the bus is gone, with a positive errno. */
typedef void (*BusGone)(int error, void *data);

/* Serves @bus on the default main context. Free with bus_source_free() before the bus. */
GSource *bus_source_new(sd_bus *bus, BusGone gone, void *data);
void bus_source_free(GSource *source);
