/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/autoptr.h"

#include <glib.h>
#include <systemd/sd-bus.h>

/* Messages byte by byte, as a peer without scruples writes them. */

#define WIRE_CALL   1
#define WIRE_REPLY  2
#define WIRE_ERROR  3
#define WIRE_SIGNAL 4

/* Its header, which must be well-formed where it is not to end the connection; NULL and 0 leave a field out.
 */
typedef struct WireHeader {
        gboolean big; /* the order of bytes */
        guint8 type, flags;
        guint32 serial, reply_serial, fds;
        const char *path, *interface, *member, *error, *destination, *sender, *signature;
} WireHeader;

GByteArray *wire_message(const WireHeader *header, const void *body, size_t length);

/* What the server of a bus says, all of it at once, while a connection is made. */
extern const char wire_handshake[];

/* A bus on one end of a pair of sockets, to whose other end the handshake is written here. */
sd_bus *wire_start(int end, int other);

/* A bus that nobody serves, made once. */
sd_bus *wire_bus(void);

/* A signal with that body, as it comes over that bus. NULL when sd-bus refuses it at once; then there is
 * another bus. */
sd_bus_message *wire_receive(gboolean big, const char *signature, const void *body, size_t length);

/* A message to be filled; and what was filled, to be read. */
sd_bus_message *wire_new(void);
void wire_finish(sd_bus_message *message);
