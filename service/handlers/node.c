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

/* libvirt's own limit of the numbers in one answer about the host's cells (REMOTE_NODE_MAX_CELLS). */
#define CELLS_MAX 1024

static GVariant *cells_reply(int n, const unsigned long long *numbers, GError **error)
{
        GVariantBuilder builder;

        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("at"));
        for (int i = 0; i < n; i++)
                g_variant_builder_add(&builder, "t", (guint64)numbers[i]);

        return g_variant_builder_end(&builder);
}

GVariant *connect_node_get_cells_free_memory(Call *call, GError **error)
{
        unsigned long long bytes[CELLS_MAX];
        gint32 start, count;

        g_variant_get(call_args(call), "(ii)", &start, &count);
        if (count > CELLS_MAX)
                return call_invalid(error, "%d cells are asked for, but at most %d go at once", count,
                                    CELLS_MAX);

        return cells_reply(virNodeGetCellsFreeMemory(call_connect(call), bytes, start, count), bytes, error);
}

GVariant *connect_node_get_free_pages(Call *call, GError **error)
{
        g_autoptr(GVariant) pages = g_variant_get_child_value(call_args(call), 0);
        unsigned long long counts[CELLS_MAX];
        gsize n;
        const guint32 *sizes = g_variant_get_fixed_array(pages, &n, sizeof(guint32));
        guint32 cells, flags;
        gint32 start;

        g_variant_get(call_args(call), "(@auiuu)", NULL, &start, &cells, &flags);
        if (n > CELLS_MAX || (guint64)n * cells > CELLS_MAX)
                return call_invalid(error,
                                    "%" G_GSIZE_FORMAT
                                    " sizes of pages of %u cells are asked for, but at most "
                                    "%d numbers go at once",
                                    n, cells, CELLS_MAX);

        return cells_reply(virNodeGetFreePages(call_connect(call), (unsigned)n, (unsigned *)sizes, start,
                                               cells, counts, flags),
                           counts, error);
}

GVariant *connect_node_alloc_pages(Call *call, GError **error)
{
        g_autoptr(GVariant) pages = g_variant_get_child_value(call_args(call), 0);
        unsigned n = (unsigned)g_variant_n_children(pages);
        g_autofree unsigned *sizes = g_new0(unsigned, n + 1);
        g_autofree unsigned long long *counts = g_new0(unsigned long long, n + 1);
        guint32 cells, flags;
        gint32 start;

        for (unsigned i = 0; i < n; i++) {
                guint64 count;

                g_variant_get_child(pages, i, "{ut}", &sizes[i], &count);
                counts[i] = count;
        }

        g_variant_get(call_args(call), "(@a{ut}iuu)", NULL, &start, &cells, &flags);
        return call_reply_int32(virNodeAllocPages(call_connect(call), n, sizes, counts, start, cells, flags),
                                error);
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
