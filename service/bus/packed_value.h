/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <systemd/sd-bus.h>

/* A value in the form that is fastest to append to a message: the calls of sd-bus to make, in one piece of
 * memory. For values that are sent many times. It never changes, and has as many owners as hold a reference.
 * Main thread. */

typedef struct PackedValue {
        unsigned references;
        size_t size; /* in bytes, of all this */
        size_t wire; /* the most that it takes in a message, in bytes */
        guint8 steps[];
} PackedValue;

/* Packs @value, which holds no descriptors; does not consume a floating reference. NULL where no D-Bus
 * message can have such a value. */
PackedValue *packed_value_new(GVariant *value);

/* NULL is fine. */
PackedValue *packed_value_ref(PackedValue *packed);
void packed_value_unref(PackedValue *packed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PackedValue, packed_value_unref)

/* Appends it. Returns 0 or a negative errno. */
int packed_value_append(sd_bus_message *message, const PackedValue *packed);

/* A dictionary a{sv} on its way to a packed value, entry by entry, without a GVariant of it. */
typedef struct Packer {
        PackedValue *packed;
        size_t room;      /* of @packed, in bytes */
        gboolean refused; /* something that no message can have */
} Packer;

void packer_begin(Packer *packer);

/* Each adds an entry. Strings are valid UTF-8; @value is consumed where it is floating. */
void packer_add_string(Packer *packer, const char *key, const char *value);
void packer_add_boolean(Packer *packer, const char *key, gboolean value);
void packer_add_int32(Packer *packer, const char *key, gint32 value);
void packer_add_uint32(Packer *packer, const char *key, guint32 value);
void packer_add_uint64(Packer *packer, const char *key, guint64 value);
void packer_add(Packer *packer, const char *key, GVariant *value);

/* Adds an entry that is a dictionary of its own, a{sv}: what is added before packer_close() is in that. */
void packer_open(Packer *packer, const char *key);
void packer_close(Packer *packer);

/* Returns the value, or NULL where no D-Bus message can have it. */
PackedValue *packer_end(Packer *packer);
