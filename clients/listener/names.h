/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names of the service on the bus: docs/events.md. */

#define SERVICE          "org.guestbus1"
#define ROOT             "/org/libvirt"

#define IFACE_CONNECTION "org.guestbus.Connection1"
#define IFACE_DOMAIN     "org.guestbus.Domain1"
#define IFACE_MANAGER    "org.freedesktop.DBus.ObjectManager"
#define IFACE_NATIVE     "org.guestbus."

#define ERROR_GONE       "org.guestbus.Error.Gone"
#define ERROR_TIMEOUT    "org.guestbus.Error.Timeout"
