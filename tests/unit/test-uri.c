/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/uri.h"

static const struct {
        const char *uri, *scheme, *host, *path, *query;
} uris[] = {
        {"test:///default", "test", "", "/default", NULL},
        {"qemu+unix:///session?socket=/x", "qemu+unix", "", "/session", "socket=/x"},
        {"xen+ssh://h/", "xen+ssh", "h", "/", NULL},
        {"xen+ssh://root@h:22/", "xen+ssh", "h", "/", NULL},
        {"qemu+tls://[::1]/system", "qemu+tls", "::1", "/system", NULL},
        {"esx://h/?no_verify=1", "esx", "h", "/", "no_verify=1"},
        {"vbox:////", "vbox", "", "//", NULL},

        /* As somebody may well write them. */
        {"qemu:", "qemu", NULL, "", NULL},
        {"qemu:/system", "qemu", NULL, "/system", NULL},
        {"qemu://system", "qemu", "system", "", NULL},
        {"QEMU+Unix:///system", "qemu+unix", "", "/system", NULL},
        {" test:///default\n", "test", "", "/default", NULL},
        {"test:///%64efault", "test", "", "/default", NULL},
        {"test:///100%/a b", "test", "", "/100%/a b", NULL},
        {"qemu://a_host/system#x", "qemu", "a_host", "/system", NULL},
        {"qemu://\xc3\xbc/system", "qemu", "\xc3\xbc", "/system", NULL},
        {"qemu://h%zz/system", "qemu", "h%zz", "/system", NULL},
        {"qemu:///system?a=%26%3D&b", "qemu", "", "/system", "a=%26%3D&b"},
        {"qemu+:///", "qemu+", "", "/", NULL},
};

static void test_parts(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(uris); i++) {
                g_autoptr(GUri) uri = uri_parse(uris[i].uri);

                g_assert_nonnull(uri);
                g_assert_cmpstr(g_uri_get_scheme(uri), ==, uris[i].scheme);
                g_assert_cmpstr(g_uri_get_host(uri), ==, uris[i].host);
                g_assert_cmpstr(g_uri_get_path(uri), ==, uris[i].path);
                g_assert_cmpstr(g_uri_get_query(uri), ==, uris[i].query);
                g_assert_cmpint(uri_is_local(uri), ==, !uris[i].host || !*uris[i].host);
        }
}

static void test_none(void)
{
        static const char *const none[] = {
                "",      ":",         "://",          "/system",
                "+:///", "1qemu:///", "not a uri",    "qemu+ssh://[::1/system",
                "%",     "test",      "test:///%00x", "test:///\xff",
        };

        for (gsize i = 0; i < G_N_ELEMENTS(none); i++)
                g_assert_null(uri_parse(none[i]));
}

static void check_driver(const char *text, const char *driver, gboolean expected)
{
        g_autoptr(GUri) uri = uri_parse(text);

        g_assert_nonnull(uri);
        g_assert_cmpint(uri_has_driver(uri, driver), ==, expected);
}

static void test_driver(void)
{
        check_driver("test:///default", "test", TRUE);
        check_driver("test+unix:///default", "test", TRUE);
        check_driver("Test+SSH://h/", "test", TRUE);
        check_driver("test+://h/", "test", TRUE);
        check_driver("tests:///default", "test", FALSE);
        check_driver("tes:///default", "test", FALSE);
        check_driver("qemu+test:///default", "test", FALSE);
        check_driver("qemu://test/test?test=test", "test", FALSE);
        check_driver("vmwareplayer:///session", "vmware", FALSE);
}

static void check_parameter(const char *query, const char *expected)
{
        g_autofree char *text = g_strconcat("qemu+unix:///system", query, NULL);
        g_autoptr(GUri) uri = uri_parse(text);
        g_autofree char *value = uri_parameter(uri, "socket");

        g_assert_cmpstr(value, ==, expected);
}

static void test_parameter(void)
{
        check_parameter("", NULL);
        check_parameter("?", NULL);
        check_parameter("?socket", NULL);
        check_parameter("?=/x", NULL);
        check_parameter("?sockets=/x&a=socket=/y", NULL);
        check_parameter("?socket=/x", "/x");
        check_parameter("?socket=", "");
        check_parameter("?Socket=/a=b#socket=/x", "/a=b");
        check_parameter("?no_tty&socket=/x&&mode=direct", "/x");
        check_parameter("?no_tty;socket=/x", "/x");
        check_parameter("?socket=/x;y&mode=direct", "/x;y");
        check_parameter("?socket=/x&socket=/y", "/y");
        check_parameter("?socket=/a%20b%26socket%3D%2541", "/a b&socket=%41");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/uri/parts", test_parts);
        g_test_add_func("/uri/none", test_none);
        g_test_add_func("/uri/driver", test_driver);
        g_test_add_func("/uri/parameter", test_parameter);
        return g_test_run();
}
