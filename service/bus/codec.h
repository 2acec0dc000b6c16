/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>
#include <glib.h>
#include <systemd/sd-bus.h>

/* sd_bus_message to GVariant and back. All functions are for the main thread: they touch sd-bus.
 *
 * Two types differ between the two worlds: a file descriptor (`h`) is an index into a GUnixFDList in a
 * GVariant and a descriptor in sd-bus; a boolean is one byte in a GVariant and four on the wire. */

/* Each separate value takes some 100 bytes of memory, even an empty string in a struct: without this limit a
 * message of 20 MiB would take 500 MiB. An array of numbers counts as one value, as do sixteen strings of an
 * array. */
#define CODEC_VALUES_MAX (1 << 18)

/* Reads what is left of the body of @message, whose signature must be @signature (the caller has compared
 * it), and returns it as a tuple, floating. Descriptors are duplicated and appended to *@fds, which is made
 * when the first one is met and stays NULL otherwise; closer_take_list() closes them.
 * NULL and an error of G_IO_ERROR: INVALID_DATA for a body that is malformed, MESSAGE_TOO_LARGE for one of
 * more than CODEC_VALUES_MAX values, TOO_MANY_OPEN_FILES when descriptors cannot be duplicated. */
GVariant *codec_read(sd_bus_message *message, const char *signature, GUnixFDList **fds, GError **error);

/* The same, with at most @most values. */
GVariant *codec_read_few(sd_bus_message *message, const char *signature, unsigned most, GUnixFDList **fds,
                         GError **error);

/* The same for a body of @n strings, which stay the message's: what most callers send to ask for a property.
 */
gboolean codec_read_strings(sd_bus_message *message, const char **strings, unsigned n, GError **error);

/* Appends @value, any complete type, to @message. `h` values are looked up in @fds, which may be NULL where
 * the type holds none. Returns 0, or a negative errno: -EBADF for a handle outside @fds. Does not consume a
 * floating reference. */
int codec_append(sd_bus_message *message, GVariant *value, GUnixFDList *fds);

/* Appends each child of the tuple @value, as codec_append() does. */
int codec_append_children(sd_bus_message *message, GVariant *value, GUnixFDList *fds);

/* Appends @value in a variant, as codec_append() does. */
int codec_append_in_variant(sd_bus_message *message, GVariant *value, GUnixFDList *fds);
