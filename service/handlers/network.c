/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Network: the members that are more than one call of libvirt with the arguments as they come. */

#include "base/utf8.h"
#include "call/handler.h"
#include "members.h"
#include "virt/autoptr.h"

static GVariant *lease_variant(const virNetworkDHCPLease *lease)
{
        return g_variant_new("(@sxi@s@s@su@s@s)", utf8_variant(lease->iface), (gint64)lease->expirytime,
                             lease->type, utf8_variant(lease->mac), utf8_variant(lease->iaid),
                             utf8_variant(lease->ipaddr), lease->prefix, utf8_variant(lease->hostname),
                             utf8_variant(lease->clientid));
}

GVariant *network_get_dhcp_leases(Call *call, GError **error)
{
        virNetworkPtr network = call_object(call);
        g_autofree virNetworkDHCPLeasePtr *leases = NULL;
        GVariantBuilder builder;
        const char *mac;
        guint32 flags;
        int n;

        g_variant_get(call_args(call), "(&su)", &mac, &flags);
        n = network ? virNetworkGetDHCPLeases(network, call_nullable(mac), &leases, flags) : -1;
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sxisssuss)"));
        for (int i = 0; i < n; i++) {
                g_autoptr(virNetworkDHCPLease) lease = leases[i];

                g_variant_builder_add_value(&builder, lease_variant(lease));
        }

        return g_variant_builder_end(&builder);
}
