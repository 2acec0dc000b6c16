/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of errors on the bus.
 *
 * Everything that libvirt refuses has one name, with libvirt's message unchanged, because clients match that
 * text. Bad requests get the names that D-Bus itself has for them. */

#include "base/error.h"

#include "base/thread.h"
#include "base/utf8.h"

#include <gio/gio.h>
#include <libvirt/virterror.h>

G_DEFINE_QUARK(guestbus_error, guestbus_error)

static gboolean says_no_object(int code)
{
        switch (code) {
        case VIR_ERR_NO_DOMAIN:
        case VIR_ERR_NO_DOMAIN_CHECKPOINT:
        case VIR_ERR_NO_DOMAIN_SNAPSHOT:
        case VIR_ERR_NO_INTERFACE:
        case VIR_ERR_NO_NETWORK:
        case VIR_ERR_NO_NODE_DEVICE:
        case VIR_ERR_NO_NWFILTER:
        case VIR_ERR_NO_NWFILTER_BINDING:
        case VIR_ERR_NO_SECRET:
        case VIR_ERR_NO_STORAGE_POOL:
        case VIR_ERR_NO_STORAGE_VOL:
        /* A driver that does not know the kind has none of it. */
        case VIR_ERR_NO_SUPPORT:
                return TRUE;
        default:
                return FALSE;
        }
}

static GuestbusError code_of(const virError *last)
{
        if (last && says_no_object(last->code))
                return GUESTBUS_ERROR_NO_OBJECT;

        return last && last->domain == VIR_FROM_RPC && last->code == VIR_ERR_INTERNAL_ERROR
                       ? GUESTBUS_ERROR_CUT
                       : GUESTBUS_ERROR_LIBVIRT;
}

void error_take_libvirt(GError **error)
{
        virErrorPtr last = virGetLastError();
        g_autofree char *message = utf8_make_valid(last ? last->message : NULL);

        g_set_error_literal(error, GUESTBUS_ERROR, code_of(last),
                            *message ? message : "libvirt failed and did not say why");
        virResetLastError();
}

static const char *error_name(const GError *error)
{
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
                return SD_BUS_ERROR_INVALID_ARGS;
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE) ||
            g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES))
                return SD_BUS_ERROR_LIMITS_EXCEEDED;

        if (error->domain != GUESTBUS_ERROR)
                return SD_BUS_ERROR_FAILED;

        switch ((GuestbusError)error->code) {
        case GUESTBUS_ERROR_LIBVIRT:
        case GUESTBUS_ERROR_NO_OBJECT:
        case GUESTBUS_ERROR_CUT:
                return "org.libvirt.Error";
        case GUESTBUS_ERROR_INVALID_ARGS:
                return SD_BUS_ERROR_INVALID_ARGS;
        case GUESTBUS_ERROR_UNKNOWN_OBJECT:
                return SD_BUS_ERROR_UNKNOWN_OBJECT;
        case GUESTBUS_ERROR_UNKNOWN_METHOD:
                return SD_BUS_ERROR_UNKNOWN_METHOD;
        case GUESTBUS_ERROR_LIMITS_EXCEEDED:
                return SD_BUS_ERROR_LIMITS_EXCEEDED;
        case GUESTBUS_ERROR_GONE:
                return "org.guestbus.Error.Gone";
        case GUESTBUS_ERROR_TIMEOUT:
                return "org.guestbus.Error.Timeout";
        case GUESTBUS_ERROR_ACCESS_DENIED:
                return SD_BUS_ERROR_ACCESS_DENIED;
        case GUESTBUS_ERROR_INTERACTIVE:
                return SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED;
        case GUESTBUS_ERROR_DESCRIPTOR:
                return SD_BUS_ERROR_IO_ERROR;
        case GUESTBUS_ERROR_FAILED:
                break;
        }

        return SD_BUS_ERROR_FAILED;
}

int error_to_bus(const GError *error, size_t max, sd_bus_error *reply)
{
        g_autofree char *message = utf8_clip(error->message, max);

        ASSERT_MAIN();
        return sd_bus_error_set(reply, error_name(error), message);
}
