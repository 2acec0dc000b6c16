/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Connect: the host and its devices. */

#include "base/utf8.h"
#include "call/arguments.h"
#include "call/handler.h"
#include "members.h"

GVariant *connect_node_get_cpu_map(Call *call, GError **error)
{
        g_autofree unsigned char *map = NULL;
        guint32 flags;
        int n;

        g_variant_get(call_args(call), "(u)", &flags);
        n = virNodeGetCPUMap(call_connect(call), &map, NULL, flags);
        return n < 0 ? call_failed(error) : bits_to_variant(map, (unsigned)n);
}

/* Statistics of CPUs and of memory differ in the names of their types alone: first how many there are, then
 * they. */
#define DEFINE_NODE_STATS(handler, Stats, get)                                                               \
        GVariant *handler(Call *call, GError **error)                                                        \
        {                                                                                                    \
                g_autofree Stats *stats = NULL;                                                              \
                GVariantBuilder builder;                                                                     \
                guint32 flags;                                                                               \
                gint32 which;                                                                                \
                int n = 0;                                                                                   \
                                                                                                             \
                g_variant_get(call_args(call), "(iu)", &which, &flags);                                      \
                if (get(call_connect(call), which, NULL, &n, flags) < 0)                                     \
                        return call_failed(error);                                                           \
                                                                                                             \
                stats = g_new0(Stats, MAX(n, 1));                                                            \
                if (n > 0 && get(call_connect(call), which, stats, &n, flags) < 0)                           \
                        return call_failed(error);                                                           \
                                                                                                             \
                g_variant_builder_init(&builder, G_VARIANT_TYPE("a{st}"));                                   \
                for (int i = 0; i < n; i++)                                                                  \
                        g_variant_builder_add(&builder, "{@st}", utf8_variant(stats[i].field),               \
                                              (guint64)stats[i].value);                                      \
                                                                                                             \
                return g_variant_builder_end(&builder);                                                      \
        }

DEFINE_NODE_STATS(connect_node_get_cpu_stats, virNodeCPUStats, virNodeGetCPUStats)
DEFINE_NODE_STATS(connect_node_get_memory_stats, virNodeMemoryStats, virNodeGetMemoryStats)

GVariant *connect_node_get_free_memory(Call *call, GError **error)
{
        unsigned long long bytes = virNodeGetFreeMemory(call_connect(call));

        /* No host has no free memory at all: 0 is how this function reports a failure. */
        return bytes > 0 ? g_variant_new_uint64(bytes) : call_failed(error);
}

GVariant *node_device_list_caps(Call *call, GError **error)
{
        virNodeDevicePtr device = call_object(call);
        int n = device ? virNodeDeviceNumOfCaps(device) : -1;
        g_auto(GStrv) names = g_new0(char *, MAX(n, 0) + 1);
        GVariantBuilder builder;

        /* Between the two calls the device may lose capabilities. */
        n = n > 0 ? virNodeDeviceListCaps(device, names, n) : n;
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        for (int i = 0; i < n; i++)
                g_variant_builder_add_value(&builder, utf8_variant(names[i]));

        return g_variant_builder_end(&builder);
}
