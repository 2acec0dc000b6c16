/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which documents libvirt is given: all but those with a very long line that are none. */

#include "base/error.h"
#include "virt/xml_document.h"

#include <string.h>

/* What a line of the least length that is too long begins and ends with. */
static const struct {
        const char *before, *after;
        gboolean good; /* with such a line */
} documents[] = {
        {"<a>", "</a>", TRUE},
        {"<?xml version='1.0'?>\n<a>\n", "\n</a>\n", TRUE},
        {"<a b='", "'/>", TRUE},
        {"<a><!--", "--></a>", TRUE},

        {"", "", FALSE},
        {"<a>", "", FALSE},
        {"<a>", "</b>", FALSE},
        {"<a b='", "", FALSE},
        {"<a>\n</a>\n", "", FALSE},
        {"<a>&", "</a>", FALSE},
        {"<a>\xff", "</a>", FALSE},
};

static void check(const char *before, size_t n, const char *after, gboolean good)
{
        g_autofree char *middle = g_strnfill(n, 'x'), *text = g_strconcat(before, middle, after, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(xml_document_check(text, &error), ==, good);
        if (good) {
                g_assert_no_error(error);
                return;
        }

        g_assert_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_INVALID_ARGS);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        g_assert_cmpuint(strlen(error->message), <, 1000);
}

static void test_long_lines(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(documents); i++)
                check(documents[i].before, DOCUMENT_LINE_MAX + 1, documents[i].after, documents[i].good);
}

/* They are libvirt's to refuse. */
static void test_shorter_lines(void)
{
        g_autofree char *line = g_strnfill(DOCUMENT_LINE_MAX, 'y');
        g_autofree char *lines = g_strconcat(line, "\n", line, "\n", NULL);

        g_assert_true(xml_document_check("", NULL));
        for (gsize i = 0; i < G_N_ELEMENTS(documents); i++)
                check(documents[i].before, 10, documents[i].after, TRUE);

        check("", DOCUMENT_LINE_MAX, "", TRUE);
        check(lines, DOCUMENT_LINE_MAX, "", TRUE);
        check(lines, DOCUMENT_LINE_MAX + 1, "", FALSE);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/xml-document/long-lines", test_long_lines);
        g_test_add_func("/xml-document/shorter-lines", test_shorter_lines);

        return g_test_run();
}
