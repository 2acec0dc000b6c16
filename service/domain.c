/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Domain: the members that are more than one call of libvirt with the arguments as they come. */

#include "call.h"
#include "members.h"
#include "params.h"
#include "text.h"

GVariant *domain_property_autostart(Call *call, GError **error)
{
        virDomainPtr domain = call_domain(call);
        int autostart = 0;

        if (!domain || virDomainGetAutostart(domain, &autostart) < 0)
                return call_failed(error);

        return g_variant_new_boolean(autostart != 0);
}

GVariant *domain_property_autostart_set(Call *call, GError **error)
{
        virDomainPtr domain = call_domain(call);
        gboolean autostart;

        g_variant_get(call_args(call), "(b)", &autostart);

        return domain && virDomainSetAutostart(domain, autostart) == 0 ? call_done() : call_failed(error);
}

GVariant *domain_property_id(Call *call, GError **error)
{
        virDomainPtr domain = call_domain(call);
        unsigned id;

        if (!domain)
                return call_failed(error);

        /* libvirt has no number for a domain that does not run, and says so by the largest one. */
        id = virDomainGetID(domain);
        return g_variant_new_uint32(id == (unsigned)-1 ? 0 : id);
}

GVariant *domain_property_name(Call *call, GError **error)
{
        virDomainPtr domain = call_domain(call);

        return domain ? text_variant(virDomainGetName(domain)) : call_failed(error);
}

GVariant *domain_property_scheduler_type(Call *call, GError **error)
{
        virDomainPtr domain = call_domain(call);
        int parameters = 0;
        g_autofree char *type = domain ? virDomainGetSchedulerType(domain, &parameters) : NULL;

        return type ? g_variant_new("(@si)", text_variant(type), parameters) : call_failed(error);
}

GVariant *domain_property_uuid(Call *call, GError **error)
{
        virDomainPtr domain = call_domain(call);
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (!domain || virDomainGetUUIDString(domain, uuid) < 0)
                return call_failed(error);

        return g_variant_new_string(uuid);
}

GVariant *domain_get_state(Call *call, GError **error)
{
        virDomainPtr domain = call_domain(call);
        int state = 0, reason = 0;
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        if (!domain || virDomainGetState(domain, &state, &reason, flags) < 0)
                return call_failed(error);

        return g_variant_new("(ii)", state, reason);
}

GVariant *domain_get_stats(Call *call, GError **error)
{
        virDomainPtr domains[] = {call_domain(call), NULL};
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
