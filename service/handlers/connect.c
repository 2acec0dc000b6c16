/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Connect: the members that are more than one call of libvirt with the arguments as they come. */

#include "base/utf8.h"
#include "call/handler.h"
#include "members.h"
#include "virt/autoptr.h"
#include "virt/typed_params.h"

GVariant *connect_get_all_domain_stats(Call *call, GError **error)
{
        g_autoptr(virDomainStatsRecordPtr) records = NULL;
        GVariantBuilder builder;
        guint32 types, flags;
        int n;

        g_variant_get(call_args(call), "(uu)", &types, &flags);
        n = virConnectGetAllDomainStats(call_connect(call), types, &records, flags);
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sa{sv})"));
        for (int i = 0; i < n && records[i]; i++)
                g_variant_builder_add(&builder, "(@s@a{sv})", utf8_variant(virDomainGetName(records[i]->dom)),
                                      typed_params_to_variant(records[i]->params, records[i]->nparams));

        return g_variant_builder_end(&builder);
}
