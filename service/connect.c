/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Connect: the members that are more than one call of libvirt with the arguments as they come. */

#include "call.h"
#include "members.h"

#include <stdlib.h>

static GVariant *version(int result, unsigned long number, GError **error)
{
        return result < 0 ? call_failed(error) : g_variant_new_uint64(number);
}

GVariant *connect_property_lib_version(Call *call, GError **error)
{
        unsigned long number = 0;
        int result = virConnectGetLibVersion(call_connect(call), &number);

        return version(result, number, error);
}

GVariant *connect_property_version(Call *call, GError **error)
{
        unsigned long number = 0;
        int result = virConnectGetVersion(call_connect(call), &number);

        return version(result, number, error);
}

GVariant *connect_list_domains(Call *call, GError **error)
{
        virDomainPtr *domains = NULL;
        GVariantBuilder paths;
        guint32 flags;
        int n;

        g_variant_get(call_args(call), "(u)", &flags);
        n = virConnectListAllDomains(call_connect(call), &domains, flags);
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&paths, G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
        for (int i = 0; i < n; i++) {
                g_variant_builder_add_value(&paths, call_domain_path(call, domains[i]));
                virDomainFree(domains[i]);
        }
        free(domains);

        return g_variant_builder_end(&paths);
}
