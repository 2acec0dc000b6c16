/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* GVariant's type strings as signatures of D-Bus, which allows fewer of them. All functions work on any
 * thread. */

/* The D-Bus specification's limit: bytes of one signature. */
#define SIGNATURE_MAX 255

/* Whether D-Bus allows @length bytes of @signature, valid GVariant types one after the other: no maybe types,
 * no empty structs, no dict entries outside arrays, and not too long or deep. Empty arrays would otherwise
 * hide such types from sd-bus, which checks what it is given piece by piece. */
gboolean signature_is_allowed(const char *signature, gsize length);

/* The size in bytes of a value of the basic type @type where an array of it looks the same in a GVariant and
 * on the wire; 0 for every other type. */
gsize signature_fixed_size(char type);

/* sd-bus's letter for the container @type, no variant, and in @contents a copy of what is between its
 * brackets or behind its a: at most SIGNATURE_MAX bytes, as the caller has made sure of. */
char signature_split(const GVariantType *type, char contents[SIGNATURE_MAX + 1]);
