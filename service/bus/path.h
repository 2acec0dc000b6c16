/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* D-Bus object paths: /org/libvirt[/CONNECTION[/collection[/leaf]]]. The leaf is an object's UUID or its
 * escaped name. All functions work on any thread. */

#define PATH_ROOT "/org/libvirt"

/* "/org/libvirt/QEMU", "domain", "6a1f...-..." to "/org/libvirt/QEMU/domain/_6a1f..._...". @uuid is libvirt's
 * text form (virDomainGetUUIDString). Free with g_free(). */
char *path_uuid(const char *connection_path, const char *collection, const char *uuid);

/* "/org/libvirt/QEMU", "nodedev", "net_eth0" to "/org/libvirt/QEMU/nodedev/net_5feth0". Free with g_free().
 */
char *path_name(const char *connection_path, const char *collection, const char *name);

/* The text of a UUID, as virUUIDFormat() has it, which takes a twentieth of the time for an event. */
void path_uuid_text(const unsigned char raw[VIR_UUID_BUFLEN], char uuid[VIR_UUID_STRING_BUFLEN]);

/* "6a1f...-..." to "_6a1f..._...": the last piece of path_uuid(). Free with g_free(). */
char *path_uuid_leaf(const char *uuid);

/* The reverse, strict: '_' and 36 characters, which are lower-case hexadecimal digits and, in the dashes'
 * places, '_'. FALSE for anything else, @uuid then untouched. @leaf may be NULL. */
gboolean path_leaf_to_uuid(const char *leaf, char uuid[VIR_UUID_STRING_BUFLEN]);

/* An object's name as a path element that path_unescape() turns back: bytes other than ASCII letters and
 * digits become '_' and two lower-case hexadecimal digits; "" and NULL become "_". Free with g_free(). */
char *path_escape(const char *name);

/* The reverse; NULL where @leaf is malformed. Bytes that need no escape may be escaped all the same, as
 * sd-bus does with a leading digit. The result is a name as libvirt had it, which need not be valid UTF-8.
 * Free with g_free(). @leaf may be NULL. */
char *path_unescape(const char *leaf);

/* Whether sd-bus takes @path in a message: not one of more than 64 KiB. D-Bus has no such limit, and
 * libvirt's names, of which three bytes of a path are made each, may be longer. */
gboolean object_path_fits(const char *path);

/* A path in pieces; those that it does not have are NULL. */
typedef struct {
        char *buffer; /* what the others point into */
        const char *connection;
        const char *collection;
        const char *leaf;
} PathParts;

/* Splits @path, which may be of any length and content. Returns FALSE, and leaves @parts all NULL, when it is
 * not PATH_ROOT or at most three non-empty elements below it. Pieces are not checked further. Clear @parts
 * with path_parts_clear() either way. */
gboolean path_split(const char *path, PathParts *parts);

/* Frees what path_split() made; @parts may be all NULL. */
void path_parts_clear(PathParts *parts);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PathParts, path_parts_clear)

/* The bytes that are to be counted for the path of a call that waits. It may have 64 KiB, and is there twice
 * or more. Those of the objects that there are cost nothing. */
gsize path_cost(const char *path);
