/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Domain: scheduler, CPU pinning, IO threads, performance events. */

#include "call/arguments.h"
#include "call/handler.h"
#include "members.h"
#include "virt/autoptr.h"
#include "virt/typed_params.h"

/* How many CPUs the host has, those that are offline included: so many bits has each CPU map. -1 on failure.
 */
static int host_cpus(const Call *call)
{
        return virNodeGetCPUMap(call_connect(call), NULL, NULL, 0);
}

GVariant *domain_get_scheduler_parameters(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_auto(Params) result = {};
        g_autofree char *type = domain ? virDomainGetSchedulerType(domain, &result.n) : NULL;
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        /* Unlike similar functions, this one does not return how many there are. */
        if (!type || !params_allocate(&result) ||
            virDomainGetSchedulerParametersFlags(domain, result.params, &result.n, flags) < 0)
                return call_failed(error);

        return typed_params_to_variant(result.params, result.n);
}

/* libvirt takes the CPUs of the guest as text: "0,3,4". */
static char *cpu_list(const Bitmap *cpus)
{
        GString *list = g_string_new(NULL);

        for (int i = 0; i < cpus->n * 8; i++)
                if (VIR_CPU_USED(cpus->bits, i))
                        g_string_append_printf(list, "%s%d", list->len > 0 ? "," : "", i);

        return g_string_free(list, FALSE);
}

GVariant *domain_set_guest_vcpus(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_auto(Bitmap) cpus = {};
        g_autofree char *list = NULL;
        guint32 flags;
        gint32 state;

        if (!domain)
                return call_failed(error);
        if (!call_bitmap(call, 0, &cpus, error))
                return NULL;

        g_variant_get_child(call_args(call), 1, "i", &state);
        g_variant_get_child(call_args(call), 2, "u", &flags);
        list = cpu_list(&cpus);
        return virDomainSetGuestVcpus(domain, list, state, flags) < 0 ? call_failed(error) : call_done();
}

GVariant *domain_get_emulator_pin_info(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        int n = domain ? host_cpus(call) : -1;
        g_autofree unsigned char *map = g_malloc0(n > 0 ? VIR_CPU_MAPLEN(n) : 1);
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        if (n < 0 || virDomainGetEmulatorPinInfo(domain, map, VIR_CPU_MAPLEN(n), flags) < 0)
                return call_failed(error);

        return bits_to_variant(map, (unsigned)n);
}

GVariant *domain_get_vcpu_pin_info(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        virDomainInfo info = {};
        int n = domain && virDomainGetInfo(domain, &info) == 0 ? host_cpus(call) : -1;
        size_t length = n > 0 ? VIR_CPU_MAPLEN(n) : 1;
        g_autofree unsigned char *maps = g_malloc0_n(MAX(info.nrVirtCpu, 1), length);
        GVariantBuilder builder;
        guint32 flags;

        g_variant_get(call_args(call), "(u)", &flags);
        if (n < 0 || virDomainGetVcpuPinInfo(domain, info.nrVirtCpu, maps, (int)length, flags) < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("aab"));
        for (unsigned i = 0; i < info.nrVirtCpu; i++)
                g_variant_builder_add_value(&builder,
                                            bits_to_variant(VIR_GET_CPUMAP(maps, length, i), (unsigned)n));

        return g_variant_builder_end(&builder);
}

GVariant *domain_get_io_thread_info(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        int cpus = domain ? host_cpus(call) : -1;
        g_autofree virDomainIOThreadInfoPtr *threads = NULL;
        GVariantBuilder builder;
        guint32 flags;
        int n;

        g_variant_get(call_args(call), "(u)", &flags);
        n = cpus >= 0 ? virDomainGetIOThreadInfo(domain, &threads, flags) : -1;
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(uab)"));
        for (int i = 0; i < n; i++) {
                g_autoptr(virDomainIOThreadInfo) thread = threads[i];
                unsigned bits = MIN((unsigned)cpus, (unsigned)thread->cpumaplen * 8);

                g_variant_builder_add(&builder, "(u@ab)", thread->iothread_id,
                                      bits_to_variant(thread->cpumap, bits));
        }

        return g_variant_builder_end(&builder);
}

/* libvirt's own limit of the CPUs in one answer (REMOTE_DOMAIN_GET_CPU_STATS_NCPUS_MAX). */
#define CPU_STATS_MAX 128

GVariant *domain_get_cpu_stats(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_auto(Params) stats = {};
        GVariantBuilder builder;
        guint32 count, flags;
        int each, n = 0;
        gint32 start;

        if (!domain)
                return call_failed(error);

        g_variant_get(call_args(call), "(iuu)", &start, &count, &flags);
        if (count > CPU_STATS_MAX)
                return call_invalid(error, "%u CPUs are asked for, but at most %d go at once", count,
                                    CPU_STATS_MAX);

        /* First how many statistics each CPU has. Of a CPU that is offline they stay empty. */
        each = virDomainGetCPUStats(domain, NULL, 0, start, 1, flags);
        if (each >= 0) {
                stats.n = each * (int)MAX(count, 1);
                params_allocate(&stats);
                n = virDomainGetCPUStats(domain, stats.params, (unsigned)each, start, count, flags);
        }
        if (each < 0 || n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
        for (guint32 i = 0; i < count; i++)
                g_variant_builder_add_value(&builder, typed_params_to_variant(stats.params + i * each, n));

        return g_variant_builder_end(&builder);
}
