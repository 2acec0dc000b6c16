/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Domain: the members that are more than one call of libvirt with the arguments as they come. */

#include "call/handler.h"
#include "members.h"
#include "virt/autoptr.h"
#include "virt/typed_params.h"

/* What virDomainGetID() returns for a domain that does not run. */
#define NO_ID ((unsigned)-1)

/* The four properties that come with a look-up: libvirt reads them from the handle. */

GVariant *domain_property_active(Call *call, GError **error)
{
        virDomainPtr domain = call_object_now(call);

        /* virDomainIsActive() looks at the same number, one round trip later. */
        return domain ? g_variant_new_boolean(virDomainGetID(domain) != NO_ID) : call_failed(error);
}

GVariant *domain_property_id(Call *call, GError **error)
{
        virDomainPtr domain = call_object_now(call);
        unsigned id = domain ? virDomainGetID(domain) : NO_ID;

        return domain ? g_variant_new_uint32(id == NO_ID ? 0 : id) : call_failed(error);
}

GVariant *domain_property_name(Call *call, GError **error)
{
        virDomainPtr domain = call_object_now(call);

        return domain ? call_reply_text(virDomainGetName(domain), error) : call_failed(error);
}

GVariant *domain_property_uuid(Call *call, GError **error)
{
        virDomainPtr domain = call_object_now(call);
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (!domain || virDomainGetUUIDString(domain, uuid) < 0)
                return call_failed(error);

        return g_variant_new_string(uuid);
}

GVariant *domain_get_stats(Call *call, GError **error)
{
        virDomainPtr domains[] = {call_object(call), NULL};
        g_autoptr(virDomainStatsRecordPtr) records = NULL;
        guint32 types, flags;
        int n;

        g_variant_get(call_args(call), "(uu)", &types, &flags);
        n = domains[0] ? virDomainListGetStats(domains, types, &records, flags) : -1;
        if (n < 0)
                return call_failed(error);

        /* Of a domain that is gone libvirt returns none, and no error. */
        if (n == 0)
                return call_object_now(call) ? typed_params_to_variant(NULL, 0) : call_failed(error);

        return typed_params_to_variant(records[0]->params, records[0]->nparams);
}
