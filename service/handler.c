/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What handlers use. */

#include "call.h"

#include "error.h"
#include "path.h"
#include "text.h"

#include <string.h>

GVariant *call_args(const Call *call)
{
        return call->args;
}

GUnixFDList *call_fds(const Call *call)
{
        return call->fds;
}

virConnectPtr call_connect(const Call *call)
{
        return call->conn;
}

virDomainPtr call_domain(Call *call)
{
        if (!call->domain)
                call->domain = virDomainLookupByUUIDString(call->conn, call->uuid);

        return call->domain;
}

GVariant *call_done(void)
{
        return g_variant_new_tuple(NULL, 0);
}

GVariant *call_failed(GError **error)
{
        error_take_libvirt(error);
        return NULL;
}

GVariant *call_reply_text(char *text, GError **error)
{
        g_autofree char *owned = text;

        return owned ? text_variant(owned) : call_failed(error);
}

GVariant *call_reply_boolean(int value, GError **error)
{
        return value >= 0 ? g_variant_new_boolean(value > 0) : call_failed(error);
}

GVariant *call_domain_path(const Call *call, virDomainPtr domain)
{
        char uuid[VIR_UUID_STRING_BUFLEN] = "";
        g_autofree char *path = NULL;

        /* A local accessor that fails only for what is no domain. */
        virDomainGetUUIDString(domain, uuid);
        path = path_domain(call->connection_path, uuid);
        return g_variant_new_object_path(path);
}

GVariant *call_reply_domain(Call *call, virDomainPtr domain, GError **error)
{
        g_autoptr(virDomain) owned = domain;

        if (!owned)
                return call_failed(error);

        virDomainGetUUIDString(owned, call->touched);
        return call_domain_path(call, owned);
}
