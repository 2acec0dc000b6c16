/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Domain: the members that are more than one call of libvirt with the arguments as they come. */

#include "call.h"
#include "members.h"
#include "params.h"
#include "text.h"

GVariant *domain_property_id(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        unsigned id;

        if (!domain)
                return call_failed(error);

        /* libvirt has no number for a domain that does not run, and says so by the largest one. */
        id = virDomainGetID(domain);
        return g_variant_new_uint32(id == (unsigned)-1 ? 0 : id);
}

GVariant *domain_property_scheduler_type(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        int parameters = 0;
        g_autofree char *type = domain ? virDomainGetSchedulerType(domain, &parameters) : NULL;

        return type ? g_variant_new("(@si)", text_variant(type), parameters) : call_failed(error);
}

GVariant *domain_get_state(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        int state = 0, reason = 0;
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        if (!domain || virDomainGetState(domain, &state, &reason, flags) < 0)
                return call_failed(error);

        return g_variant_new("(ii)", state, reason);
}

GVariant *domain_get_stats(Call *call, GError **error)
{
        virDomainPtr domains[] = {call_object(call), NULL};
        virDomainStatsRecordPtr *records = NULL;
        GVariant *stats;
        guint32 types, flags;
        int n;

        g_variant_get(call_args(call), "(uu)", &types, &flags);
        n = domains[0] ? virDomainListGetStats(domains, types, &records, flags) : -1;
        if (n < 0)
                return call_failed(error);

        stats = n > 0 ? params_to_variant(records[0]->params, records[0]->nparams)
                      : params_to_variant(NULL, 0);
        virDomainStatsRecordListFree(records);
        return stats;
}
