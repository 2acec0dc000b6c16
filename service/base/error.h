/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* Every error of a request, as a GError, and the one place that gives it a D-Bus name. */

#define GUESTBUS_ERROR (guestbus_error_quark())

typedef enum GuestbusError {
        GUESTBUS_ERROR_LIBVIRT,   /* libvirt refused; the message is libvirt's own */
        GUESTBUS_ERROR_NO_OBJECT, /* the same: the object does not exist */
        GUESTBUS_ERROR_CUT,       /* the same: a connection is lost, which may be one of libvirt's own */
        GUESTBUS_ERROR_INVALID_ARGS,
        GUESTBUS_ERROR_UNKNOWN_OBJECT,
        GUESTBUS_ERROR_UNKNOWN_METHOD,
        GUESTBUS_ERROR_LIMITS_EXCEEDED,
        GUESTBUS_ERROR_GONE,    /* the events are no longer kept */
        GUESTBUS_ERROR_TIMEOUT, /* the state did not come in time */
        GUESTBUS_ERROR_ACCESS_DENIED,
        GUESTBUS_ERROR_INTERACTIVE, /* denied, but authentication could help */
        GUESTBUS_ERROR_DESCRIPTOR,  /* what the caller gave to read from or write to fails */
        GUESTBUS_ERROR_FAILED,      /* a fault of the service itself */
} GuestbusError;

GQuark guestbus_error_quark(void);

/* Sets @error to the calling thread's last libvirt error and clears that. Call it before anything is freed:
 * libvirt's destructors reset the error. Any thread. */
void error_take_libvirt(GError **error);

/* Turns @error into @reply, whose message is cut to @max bytes (an error reply over the bus's own limit would
 * cost the service its connection). Returns the negative errno that sd-bus wants from a handler that failed.
 */
int error_to_bus(const GError *error, size_t max, sd_bus_error *reply);
