/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus.h"
#include "wire.h"

/* A Bus of the service whose other end is the test: it is the daemon, and everybody behind it. */

/* Whose word the service takes: the bus driver's, and that of the owner of polkit's name. */
#define FAKE_BUS_DRIVER "org.freedesktop.DBus"
#define FAKE_BUS_POLKIT ":1.3"

typedef struct FakeBus {
        Bus *bus;   /* the service's */
        sd_bus *us; /* our end of it, which gets everything that the service sends */
        /* The rest is fake.c's. */
        int socket, pipe;
        gboolean begun[2], closed;
        unsigned answered;
} FakeBus;

/* What the service sent, but for what it says to make and end its connection. Borrowed. */
typedef void FakeBusFunc(sd_bus_message *message, void *data);

/* Makes the connection. @owner and @data are those of bus_new(). */
void fake_bus_open(FakeBus *fake, const Limits *limits, const BusOwner *owner, void *data);

/* Sends the service these bytes, which are a message, whatever it has in it. */
void fake_bus_write(FakeBus *fake, const GByteArray *bytes);

/* Sends a message as it is. Consumes it. */
void fake_bus_send(FakeBus *fake, sd_bus_message *message);

/* Sends a message that comes from the client of that name. Consumes it. */
void fake_bus_send_from(FakeBus *fake, const char *sender, sd_bus_message *message);

/* Has the service do all that it has to do, and gives all that it sends to @func, until both have nothing
 * left. */
void fake_bus_settle(FakeBus *fake, FakeBusFunc *func, void *data);

/* Ends the service's end first; then ours. What the service still sends is given to @func. */
void fake_bus_close_bus(FakeBus *fake, FakeBusFunc *func, void *data);
void fake_bus_free(FakeBus *fake);

/* Reads all of a message, which must be valid to its last byte: a bus would disconnect who sends another. */
void fake_bus_check_body(sd_bus_message *message);
