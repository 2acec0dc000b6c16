/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* XML documents on their way to libvirt. Any thread. */

/* Whether libvirt can be given @text: FALSE and an error that says what is wrong when it has a line of more
 * than DOCUMENT_LINE_MAX bytes and is not well-formed. Shorter lines are not looked at: libvirt's word on
 * them is the better one. */
gboolean xml_document_check(const char *text, GError **error);

/* libvirt quotes the line that it cannot read, and points into it with another of the same length. Twice
 * this, with room for the rest, is less than the 4 MiB that an error may have there. */
#define DOCUMENT_LINE_MAX (1 << 20)
