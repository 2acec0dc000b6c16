/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Strings that come from libvirt. Any of them may be NULL, and any may be invalid UTF-8 (a guest's agent, a
 * disk's label and a host's file names are not libvirt's own): D-Bus allows neither, and one such string in a
 * message is enough for the bus to disconnect the sender. All functions work on any thread. */

/* Copy of @string as valid UTF-8, never NULL: NULL gives "", and invalid bytes become U+FFFD, as do Unicode's
 * noncharacters (U+FFFF and others), which sd-bus takes for invalid. Free with g_free(). */
char *utf8_make_valid(const char *string);

/* The same as a GVariant of type 's', floating. */
GVariant *utf8_variant(const char *string);

/* The same, of at most @max bytes (the terminating NUL not counted): what is longer is cut between two
 * characters and ends in "…", which counts; where @max has no room for that (3 bytes) the mark is left out.
 * Free with g_free(). */
char *utf8_clip(const char *string, gsize max);
