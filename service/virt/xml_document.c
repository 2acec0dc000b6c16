/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libvirt daemon whose error grows too long to be sent hangs up, and with the connection end all calls on
 * it. A document that was cut off, or is none, must not do that. This is against mistakes: a caller that may
 * manage can end a daemon in other ways. */

#include "virt/xml_document.h"

#include "base/error.h"
#include "base/utf8.h"

#include <string.h>

/* Of what is wrong, so much is quoted. */
#define QUOTED_MAX 300

static gboolean has_long_line(const char *text)
{
        gsize length;

        for (; *text; text += length + (text[length] == '\n')) {
                length = strcspn(text, "\n");
                if (length > DOCUMENT_LINE_MAX)
                        return TRUE;
        }

        return FALSE;
}

gboolean xml_document_check(const char *text, GError **error)
{
        static const GMarkupParser nothing = {};
        g_autoptr(GMarkupParseContext) context = NULL;
        g_autoptr(GError) problem = NULL;
        g_autofree char *quoted = NULL;

        if (!has_long_line(text))
                return TRUE;

        context = g_markup_parse_context_new(&nothing, 0, NULL, NULL);
        if (g_markup_parse_context_parse(context, text, -1, &problem) &&
            g_markup_parse_context_end_parse(context, &problem))
                return TRUE;

        quoted = utf8_clip(problem->message, QUOTED_MAX);
        g_set_error(
                error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS,
                "a document with a line of more than %d bytes must be well-formed, and this one is not: %s",
                DOCUMENT_LINE_MAX, quoted);
        return FALSE;
}
