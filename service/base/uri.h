/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* libvirt's URIs: DRIVER[+TRANSPORT]://[HOST]/PATH[?PARAMETERS]. All functions work on any thread. */

/* The parts of @uri, decoded but for the query; NULL when it is no URI. libvirt decides whether it is right,
 * so unknown host names, spaces around it and stray percent signs are accepted. Free with
 * g_uri_unref(). */
GUri *uri_parse(const char *uri);

/* Whether libvirt's driver of that name is asked for, over whatever transport. */
gboolean uri_has_driver(GUri *uri, const char *driver);

/* Whether it names no host, which means this one. */
gboolean uri_is_local(GUri *uri);

/* The value of the parameter @name, decoded, as libvirt finds it: whatever the case of the letters of its
 * name, and the last one where there are several. NULL where there is none. Free with g_free(). */
char *uri_parameter(GUri *uri, const char *name);
