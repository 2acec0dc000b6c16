/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/handler.h"

/* Arguments that are one value on D-Bus and a pointer and a length in libvirt. Each call_*() reads argument
 * @index of the call, returns FALSE and an error that says what is wrong with it, and leaves what the type's
 * clear function frees; g_auto() calls that. Worker threads. */

typedef struct Strings { /* "as" */
        const char **strings;
        unsigned n;
} Strings;

typedef struct Bytes { /* "ay"; the bytes stay the call's */
        const unsigned char *bytes;
        gsize n;
} Bytes;

typedef struct Bitmap { /* "ab": bit 0 first, as libvirt's CPU maps */
        unsigned char *bits;
        int n; /* bytes */
} Bitmap;

typedef struct Files { /* "ah": descriptors, which stay the message's */
        int *files;
        unsigned n;
} Files;

typedef struct Params { /* "a{sv}"; an "as" in it is as many parameters of that name */
        virTypedParameterPtr params;
        int n;
} Params;

gboolean call_strings(const Call *call, size_t index, Strings *strings, GError **error);
gboolean call_bytes(const Call *call, size_t index, Bytes *bytes, GError **error);
gboolean call_bitmap(const Call *call, size_t index, Bitmap *bitmap, GError **error);
gboolean call_files(const Call *call, size_t index, Files *files, GError **error);
gboolean call_params(const Call *call, size_t index, Params *params, GError **error);

/* Makes room for the n parameters that libvirt says it has. Always TRUE: generated handlers have it in a row
 * of conditions. */
gboolean params_allocate(Params *params);

/* @n bytes of libvirt's bits as "ab", @bits of them. */
GVariant *bits_to_variant(const unsigned char *map, unsigned bits);

void strings_clear(Strings *strings);
void bytes_clear(Bytes *bytes);
void bitmap_clear(Bitmap *bitmap);
void files_clear(Files *files);
void params_clear(Params *params);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Strings, strings_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bytes, bytes_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bitmap, bitmap_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Files, files_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Params, params_clear)
