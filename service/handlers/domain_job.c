/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Domain: jobs and migration. */

#include "call/arguments.h"
#include "call/handler.h"
#include "members.h"
#include "virt/typed_params.h"

GVariant *domain_get_job_info(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        virDomainJobInfo info = {};

        if (!domain || virDomainGetJobInfo(domain, &info) < 0)
                return call_failed(error);

        return g_variant_new("(ittttttttttt)", info.type, (guint64)info.timeElapsed,
                             (guint64)info.timeRemaining, (guint64)info.dataTotal,
                             (guint64)info.dataProcessed, (guint64)info.dataRemaining, (guint64)info.memTotal,
                             (guint64)info.memProcessed, (guint64)info.memRemaining, (guint64)info.fileTotal,
                             (guint64)info.fileProcessed, (guint64)info.fileRemaining);
}

GVariant *domain_get_job_stats(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_auto(Params) stats = {};
        guint32 flags;
        int type = 0;

        g_variant_get(call_args(call), "(u)", &flags);
        if (!domain || virDomainGetJobStats(domain, &type, &stats.params, &stats.n, flags) < 0)
                return call_failed(error);

        return g_variant_new("(i@a{sv})", type, typed_params_to_variant(stats.params, stats.n));
}

GVariant *domain_get_control_info(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        virDomainControlInfo info = {};
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        if (!domain || virDomainGetControlInfo(domain, &info, flags) < 0)
                return call_failed(error);

        return g_variant_new("(uut)", info.state, info.details, (guint64)info.stateTime);
}

GVariant *domain_migrate_get_compression_cache(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        unsigned long long size = 0;
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        if (!domain || virDomainMigrateGetCompressionCache(domain, &size, flags) < 0)
                return call_failed(error);

        return g_variant_new_uint64(size);
}

GVariant *domain_migrate_get_max_speed(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        unsigned long bandwidth = 0;
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        if (!domain || virDomainMigrateGetMaxSpeed(domain, &bandwidth, flags) < 0)
                return call_failed(error);

        return g_variant_new_uint64(bandwidth);
}
