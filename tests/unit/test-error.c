/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each error is called on the bus, and what is taken of libvirt's. */

#include "as-worker.h"
#include "base/error.h"

#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#define DBUS "org.freedesktop.DBus.Error."

static const struct {
        int code;
        const char *name;
} ours[] =
        {
                {GUESTBUS_ERROR_LIBVIRT, "org.libvirt.Error"},
                {GUESTBUS_ERROR_NO_OBJECT, "org.libvirt.Error"},
                {GUESTBUS_ERROR_CUT, "org.libvirt.Error"},
                {GUESTBUS_ERROR_INVALID_ARGS, DBUS "InvalidArgs"},
                {GUESTBUS_ERROR_UNKNOWN_OBJECT, DBUS "UnknownObject"},
                {GUESTBUS_ERROR_UNKNOWN_METHOD, DBUS "UnknownMethod"},
                {GUESTBUS_ERROR_LIMITS_EXCEEDED, DBUS "LimitsExceeded"},
                {GUESTBUS_ERROR_GONE, "org.guestbus.Error.Gone"},
                {GUESTBUS_ERROR_TIMEOUT, "org.guestbus.Error.Timeout"},
                {GUESTBUS_ERROR_ACCESS_DENIED, DBUS "AccessDenied"},
                {GUESTBUS_ERROR_INTERACTIVE, DBUS "InteractiveAuthorizationRequired"},
                {GUESTBUS_ERROR_DESCRIPTOR, DBUS "IOError"},
                {GUESTBUS_ERROR_FAILED, DBUS "Failed"},
},
  glibs[] = {
          {G_IO_ERROR_INVALID_DATA, DBUS "InvalidArgs"},
          {G_IO_ERROR_MESSAGE_TOO_LARGE, DBUS "LimitsExceeded"},
          {G_IO_ERROR_TOO_MANY_OPEN_FILES, DBUS "LimitsExceeded"},
          {G_IO_ERROR_NOT_FOUND, DBUS "Failed"},
};

static void check_name(GQuark domain, int code, const char *name)
{
        g_autoptr(GError) error = g_error_new(domain, code, "why");
        sd_bus_error reply = SD_BUS_ERROR_NULL;

        g_assert_cmpint(error_to_bus(error, 100, &reply), <, 0);
        g_assert_cmpstr(reply.name, ==, name);
        g_assert_cmpstr(reply.message, ==, "why");
        sd_bus_error_free(&reply);
}

static void test_names(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(ours); i++) {
                g_assert_cmpint(ours[i].code, ==, (int)i);
                check_name(GUESTBUS_ERROR, ours[i].code, ours[i].name);
        }
        for (gsize i = 0; i < G_N_ELEMENTS(glibs); i++)
                check_name(G_IO_ERROR, glibs[i].code, glibs[i].name);

        check_name(G_FILE_ERROR, G_FILE_ERROR_NOENT, DBUS "Failed");
}

/* A message that is cut is UTF-8 still. */
static void test_cut(void)
{
        g_autoptr(GError) error = g_error_new(GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                                              "abc\xc3\xbc"
                                              "def");
        for (gsize max = 0; max < 12; max++) {
                sd_bus_error reply = SD_BUS_ERROR_NULL;

                error_to_bus(error, max, &reply);
                g_assert_cmpuint(strlen(reply.message), <=, max);
                g_assert_true(g_utf8_validate(reply.message, -1, NULL));
                g_assert_true(max < strlen(error->message) || strcmp(reply.message, error->message) == 0);
                sd_bus_error_free(&reply);
        }
}

static void check_taken(int code, const char *message)
{
        g_autoptr(GError) error = NULL;
        AS_WORKER;

        error_take_libvirt(&error);
        g_assert_error(error, GUESTBUS_ERROR, code);
        g_assert_cmpstr(error->message, ==, message);
        g_assert_null(virGetLastError());
}

static const struct {
        int libvirts, code;
} codes[] = {
        {VIR_ERR_NO_DOMAIN, GUESTBUS_ERROR_NO_OBJECT},
        {VIR_ERR_NO_NETWORK, GUESTBUS_ERROR_NO_OBJECT},
        {VIR_ERR_NO_DOMAIN_CHECKPOINT, GUESTBUS_ERROR_NO_OBJECT},
        {VIR_ERR_NO_STORAGE_VOL, GUESTBUS_ERROR_NO_OBJECT},
        {VIR_ERR_NO_NWFILTER_BINDING, GUESTBUS_ERROR_NO_OBJECT},
        {VIR_ERR_NO_SECRET, GUESTBUS_ERROR_NO_OBJECT},
        {VIR_ERR_NO_SUPPORT, GUESTBUS_ERROR_NO_OBJECT},
        {VIR_ERR_NO_CONNECT, GUESTBUS_ERROR_LIBVIRT},
        {VIR_ERR_INTERNAL_ERROR, GUESTBUS_ERROR_LIBVIRT},
        {VIR_ERR_OPERATION_INVALID, GUESTBUS_ERROR_LIBVIRT},
};

/* Has libvirt set an error, whose number and text are changed. */
static void fail(int code, const char *message)
{
        virErrorPtr error;

        virDomainFree(virDomainLookupByName(NULL, ""));
        error = virGetLastError();
        error->code = code;
        /* libvirt frees it. */
        strcpy(error->message, message);
}

static void test_libvirts(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
                fail(codes[i].libvirts, "too bad");
                check_taken(codes[i].code, "too bad");
        }

        fail(VIR_ERR_INTERNAL_ERROR, "too bad");
        virGetLastError()->domain = VIR_FROM_RPC;
        check_taken(GUESTBUS_ERROR_CUT, "too bad");
        fail(VIR_ERR_INTERNAL_ERROR, "\xff!");
        check_taken(GUESTBUS_ERROR_LIBVIRT, "\xef\xbf\xbd!");
        fail(VIR_ERR_INTERNAL_ERROR, "");
        check_taken(GUESTBUS_ERROR_LIBVIRT, "libvirt failed and did not say why");
        check_taken(GUESTBUS_ERROR_LIBVIRT, "libvirt failed and did not say why");
}

static void say_nothing(void *data, virErrorPtr error)
{
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        virInitialize();
        virSetErrorFunc(NULL, say_nothing);
        g_test_add_func("/error/names", test_names);
        g_test_add_func("/error/cut", test_cut);
        g_test_add_func("/error/libvirts", test_libvirts);

        return g_test_run();
}
