/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* libvirt's typed parameters as D-Bus dictionaries. Works on any thread. */

/* Returns @params[0..@n) as a{sv}, floating, in their order. Each entry's variant holds a variant that holds
 * the value: clients of org.libvirt.* unwrap twice and reject the single form. Types: int i, uint u, llong x,
 * ullong t, double d, boolean b, string s (made valid UTF-8; NULL is ""). A parameter of a type that this
 * program does not know is left out. @params may be NULL where @n is 0; @n below 0 gives an empty dictionary.
 */
GVariant *typed_params_to_variant(const virTypedParameter *params, int n);
