/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GLib takes URIs apart; where libvirt reads them differently, this does. */

#include "base/uri.h"

#include <string.h>

GUri *uri_parse(const char *uri)
{
        return g_uri_parse(uri, G_URI_FLAGS_NON_DNS | G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_ENCODED_QUERY,
                           NULL);
}

gboolean uri_has_driver(GUri *uri, const char *driver)
{
        const char *scheme = g_uri_get_scheme(uri);
        size_t length = strlen(driver);

        return strncmp(scheme, driver, length) == 0 && (scheme[length] == '\0' || scheme[length] == '+');
}

gboolean uri_is_local(GUri *uri)
{
        const char *host = g_uri_get_host(uri);

        return !host || !*host;
}

/* g_uri_parse_params() gives up on all of them when one has no value. */
char *uri_parameter(GUri *uri, const char *name)
{
        const char *query = g_uri_get_query(uri) ? g_uri_get_query(uri) : "";
        g_auto(GStrv) parameters = g_strsplit(query, strchr(query, '&') ? "&" : ";", -1);
        char *value = NULL;

        for (char **each = parameters; *each; each++) {
                char *equals = strchr(*each, '=');

                if (!equals)
                        continue;

                *equals = '\0';
                if (g_ascii_strcasecmp(*each, name) == 0) {
                        g_free(value);
                        value = g_uri_unescape_string(equals + 1, NULL);
                }
        }

        return value;
}
