/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* JSON on one line. Dictionaries become objects, whatever their keys are; numbers that JSON has not become
 * null. */

void json_add_value(GString *json, GVariant *value);
void json_add_text(GString *json, const char *text);

/* A member of an object that is being written: the comma or brace before it, and its name. */
void json_add_key(GString *json, const char *key);
void json_add_member(GString *json, const char *key, const char *text);
