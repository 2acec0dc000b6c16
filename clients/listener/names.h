/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The names of the service on the bus, and its time: docs/events.md. */

#define SERVICE          "org.guestbus1"
#define ROOT             "/org/libvirt"

#define IFACE_CONNECTION "org.guestbus.Connection1"
#define IFACE_DOMAIN     "org.guestbus.Domain1"
#define IFACE_MANAGER    "org.freedesktop.DBus.ObjectManager"
#define IFACE_NATIVE     "org.guestbus."

#define ERROR_GONE       "org.guestbus.Error.Gone"
#define ERROR_TIMEOUT    "org.guestbus.Error.Timeout"

/* A service that starts waits for its hypervisors before it has a picture, 10 s if they do not answer. */
#define PICTURE_US (60 * G_TIME_SPAN_SECOND)
