/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Domain: information from the guest, its keyboard and its screen. */

#include "base/utf8.h"
#include "call/handler.h"
#include "members.h"
#include "virt/autoptr.h"

#include <unistd.h>

static GVariant *addresses(const virDomainInterface *interface)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(isu)"));
        for (unsigned i = 0; i < interface->naddrs; i++)
                g_variant_builder_add(&builder, "(i@su)", interface->addrs[i].type,
                                      utf8_variant(interface->addrs[i].addr), interface->addrs[i].prefix);

        return g_variant_builder_end(&builder);
}

GVariant *domain_interface_addresses(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_autofree virDomainInterfacePtr *interfaces = NULL;
        GVariantBuilder builder;
        guint32 source, flags;
        int n;

        g_variant_get(call_args(call), "(uu)", &source, &flags);
        n = domain ? virDomainInterfaceAddresses(domain, &interfaces, source, flags) : -1;
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ssa(isu))"));
        for (int i = 0; i < n; i++) {
                g_autoptr(virDomainInterface) interface = interfaces[i];

                g_variant_builder_add(&builder, "(@s@s@a(isu))", utf8_variant(interface->name),
                                      utf8_variant(interface->hwaddr), addresses(interface));
        }

        return g_variant_builder_end(&builder);
}

static GVariant *aliases(const virDomainFSInfo *info)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        for (size_t i = 0; i < info->ndevAlias; i++)
                g_variant_builder_add_value(&builder, utf8_variant(info->devAlias[i]));

        return g_variant_builder_end(&builder);
}

GVariant *domain_get_fs_info(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_autofree virDomainFSInfoPtr *systems = NULL;
        GVariantBuilder builder;
        guint32 flags;
        int n;

        g_variant_get(call_args(call), "(u)", &flags);
        n = domain ? virDomainGetFSInfo(domain, &systems, flags) : -1;
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sssas)"));
        for (int i = 0; i < n; i++) {
                g_autoptr(virDomainFSInfo) info = systems[i];

                g_variant_builder_add(&builder, "(@s@s@s@as)", utf8_variant(info->mountpoint),
                                      utf8_variant(info->name), utf8_variant(info->fstype), aliases(info));
        }

        return g_variant_builder_end(&builder);
}

GVariant *domain_send_key(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_autoptr(GVariant) keys = g_variant_get_child_value(call_args(call), 2);
        guint32 codeset, holdtime, flags;
        gsize n;
        const guint32 *codes = g_variant_get_fixed_array(keys, &n, sizeof(guint32));

        if (!domain)
                return call_failed(error);

        if (n > VIR_DOMAIN_SEND_KEY_MAX_KEYS)
                return call_invalid(error,
                                    "%" G_GSIZE_FORMAT " key codes are given, but at most %d go at once", n,
                                    VIR_DOMAIN_SEND_KEY_MAX_KEYS);

        g_variant_get(call_args(call), "(uu@auu)", &codeset, &holdtime, NULL, &flags);
        return virDomainSendKey(domain, codeset, holdtime, (guint32 *)codes, (int)n, flags) < 0
                       ? call_failed(error)
                       : call_done();
}

GVariant *domain_open_graphics_fd(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        guint32 index, flags;
        int fd, handle;

        g_variant_get(call_args(call), "(uu)", &index, &flags);
        fd = domain ? virDomainOpenGraphicsFD(domain, index, flags) : -1;
        if (fd < 0)
                return call_failed(error);

        handle = call_add_fd(call, fd, error);
        return handle >= 0 ? g_variant_new_handle(handle) : NULL;
}

/* A conversation with a device of the domain, which one of libvirt's two functions for that begins. */
static GVariant *open_device(Call *call, int (*begin)(virDomainPtr, const char *, virStreamPtr, unsigned),
                             GError **error)
{
        g_autoptr(Pump) pump = NULL;
        g_autoptr(virDomain) domain = NULL;
        g_autoptr(GVariant) reply = NULL;
        const char *name;
        guint32 flags;

        g_variant_get(call_args(call), "(&su)", &name, &flags);
        pump = call_open_interactive_pump(call, &reply, error);
        if (!pump)
                return NULL;

        domain = call_object_of_pump(call, pump);
        if (!domain || begin(domain, call_nullable(name), pump_stream(pump), flags) < 0)
                return call_failed(error);

        call_take_pump(call, g_steal_pointer(&pump));
        return g_steal_pointer(&reply);
}

GVariant *domain_open_console(Call *call, GError **error)
{
        return open_device(call, virDomainOpenConsole, error);
}

GVariant *domain_open_channel(Call *call, GError **error)
{
        return open_device(call, virDomainOpenChannel, error);
}

GVariant *domain_screenshot(Call *call, GError **error)
{
        g_autoptr(Pump) pump = NULL;
        g_autoptr(virDomain) domain = NULL;
        g_autofree char *type = NULL;
        guint32 screen, flags;

        g_variant_get(call_args(call), "(huu)", NULL, &screen, &flags);
        pump = call_open_pump(call, 0, CALLER_FILE_WRITE, FALSE, error);
        if (!pump)
                return NULL;

        domain = call_object_of_pump(call, pump);
        type = domain ? virDomainScreenshot(domain, pump_stream(pump), screen, flags) : NULL;
        if (!type)
                return call_failed(error);

        call_take_pump(call, g_steal_pointer(&pump));
        return utf8_variant(type);
}

GVariant *domain_get_security_label_list(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_autofree virSecurityLabelPtr labels = NULL;
        int n = domain ? virDomainGetSecurityLabelList(domain, &labels) : -1;
        GVariantBuilder builder;

        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sb)"));
        for (int i = 0; i < n; i++)
                g_variant_builder_add(&builder, "(@sb)", utf8_variant(labels[i].label),
                                      labels[i].enforcing != 0);

        return g_variant_builder_end(&builder);
}

GVariant *domain_memory_stats(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
        GVariantBuilder builder;
        guint32 flags;
        int n;

        g_variant_get(call_args(call), "(u)", &flags);
        n = domain ? virDomainMemoryStats(domain, stats, G_N_ELEMENTS(stats), flags) : -1;
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a{it}"));
        for (int i = 0; i < n; i++)
                g_variant_builder_add(&builder, "{it}", stats[i].tag, (guint64)stats[i].val);

        return g_variant_builder_end(&builder);
}
