/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt gives each kind of object functions of the same shape and of its own type; the macros here make one
 * table of them. Paths have UUIDs where libvirt has them, names elsewhere. */

#include "virt/kind.h"

#include "bus/path.h"
#include "members.h"

#include <stdlib.h>
#include <string.h>

static char *uuid_key(const char *leaf)
{
        char uuid[VIR_UUID_STRING_BUFLEN];

        return path_leaf_to_uuid(leaf, uuid) ? g_strdup(uuid) : NULL;
}

#define DEFINE_FREE(symbol, Type)                                                                            \
        static void symbol##_free(void *object)                                                              \
        {                                                                                                    \
                vir##Type##Free(object);                                                                     \
        }

#define DEFINE_LIST(symbol, Type, list_all)                                                                  \
        static int symbol##_list(virConnectPtr conn, unsigned flags, void ***objects)                        \
        {                                                                                                    \
                vir##Type##Ptr *list = NULL;                                                                 \
                int n = list_all(conn, &list, flags);                                                        \
                                                                                                             \
                *objects = (void **)list;                                                                    \
                return n;                                                                                    \
        }

#define DEFINE_KIND(symbol, collection_name, symbol_key, ...)                                                \
        const Kind kind_##symbol = {.collection = collection_name,                                           \
                                    .interface = &interface_##symbol,                                        \
                                    .key = symbol_key,                                                       \
                                    .lookup = symbol##_lookup,                                               \
                                    .path = symbol##_path,                                                   \
                                    .free = symbol##_free,                                                   \
                                    .list = symbol##_list,                                                   \
                                    __VA_ARGS__};

#define DEFINE_NAME(symbol, get_name)                                                                        \
        static const char *symbol##_name(void *object)                                                       \
        {                                                                                                    \
                return get_name(object);                                                                     \
        }

#define DEFINE_BY_UUID(symbol, Type, collection_name, list_all, ...)                                         \
        DEFINE_FREE(symbol, Type)                                                                            \
        DEFINE_LIST(symbol, Type, list_all)                                                                  \
        static void *symbol##_lookup(virConnectPtr conn, const char *key, virDomainPtr *domain)              \
        {                                                                                                    \
                return vir##Type##LookupByUUIDString(conn, key);                                             \
        }                                                                                                    \
        static int symbol##_uuid(void *object, char *uuid)                                                   \
        {                                                                                                    \
                unsigned char raw[VIR_UUID_BUFLEN];                                                          \
                                                                                                             \
                if (vir##Type##GetUUID(object, raw) < 0)                                                     \
                        return -1;                                                                           \
                                                                                                             \
                path_uuid_text(raw, uuid);                                                                   \
                return 0;                                                                                    \
        }                                                                                                    \
        static char *symbol##_path(const char *connection_path, void *object)                                \
        {                                                                                                    \
                char uuid[VIR_UUID_STRING_BUFLEN] = "";                                                      \
                                                                                                             \
                symbol##_uuid(object, uuid);                                                                 \
                return path_uuid(connection_path, collection_name, uuid);                                    \
        }                                                                                                    \
        DEFINE_KIND(symbol, collection_name, uuid_key, .uuid = symbol##_uuid, __VA_ARGS__)

#define DEFINE_BY_NAME(symbol, Type, collection_name, find, get_name, list_all, ...)                         \
        DEFINE_FREE(symbol, Type)                                                                            \
        DEFINE_LIST(symbol, Type, list_all)                                                                  \
        static void *symbol##_lookup(virConnectPtr conn, const char *key, virDomainPtr *domain)              \
        {                                                                                                    \
                return find(conn, key);                                                                      \
        }                                                                                                    \
        static char *symbol##_path(const char *connection_path, void *object)                                \
        {                                                                                                    \
                return path_name(connection_path, collection_name, get_name(object));                        \
        }                                                                                                    \
        DEFINE_KIND(symbol, collection_name, path_unescape, __VA_ARGS__)

DEFINE_NAME(domain, virDomainGetName)
DEFINE_NAME(network, virNetworkGetName)
DEFINE_NAME(node_device, virNodeDeviceGetName)
DEFINE_NAME(nw_filter, virNWFilterGetName)
DEFINE_NAME(storage_pool, virStoragePoolGetName)

DEFINE_BY_UUID(domain, Domain, "domain", virConnectListAllDomains, .name = domain_name,
               .native = &interface_domain1)
DEFINE_BY_UUID(network, Network, "network", virConnectListAllNetworks, .name = network_name,
               .native = &interface_network1)
DEFINE_BY_UUID(nw_filter, NWFilter, "nwfilter", virConnectListAllNWFilters, .name = nw_filter_name)
DEFINE_BY_UUID(secret, Secret, "secret", virConnectListAllSecrets, .native = &interface_secret1)
DEFINE_BY_UUID(storage_pool, StoragePool, "storagepool", virConnectListAllStoragePools,
               .name = storage_pool_name, .native = &interface_storage_pool1)

DEFINE_BY_NAME(node_device, NodeDevice, "nodedev", virNodeDeviceLookupByName, virNodeDeviceGetName,
               virConnectListAllNodeDevices, .name = node_device_name, .native = &interface_node_device1)
DEFINE_BY_NAME(nw_filter_binding, NWFilterBinding, "nwfilterbinding", virNWFilterBindingLookupByPortDev,
               virNWFilterBindingGetPortDev, virConnectListAllNWFilterBindings, .native = NULL)

/* A list of lists: what @list gives for each of the @n_outer objects. One that fails is left out: it went
 * away meanwhile. Frees @outer and what is in it. */
static int list_inner(void **outer, int n_outer, void (*free_outer)(void *), int (*list)(void *, void ***),
                      void ***objects)
{
        GArray *all = g_array_new(FALSE, FALSE, sizeof(void *));

        for (int i = 0; i < n_outer && outer[i]; i++) {
                void **inner = NULL;
                int n = list(outer[i], &inner);

                if (n > 0)
                        g_array_append_vals(all, inner, (guint)n);
                free(inner);
                free_outer(outer[i]);
        }

        free(outer);
        n_outer = (int)all->len;
        *objects = calloc(all->len + 1, sizeof(void *));
        if (all->len > 0)
                memcpy(*objects, all->data, all->len * sizeof(void *));
        g_array_unref(all);
        return n_outer;
}

static int list_volumes(void *pool, void ***objects)
{
        return virStoragePoolListAllVolumes(pool, (virStorageVolPtr **)objects, 0);
}

static int storage_vol_list(virConnectPtr conn, unsigned flags, void ***objects)
{
        virStoragePoolPtr *pools = NULL;
        int n = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);

        return n < 0 ? -1 : list_inner((void **)pools, n, storage_pool_free, list_volumes, objects);
}

static void *storage_vol_lookup(virConnectPtr conn, const char *key, virDomainPtr *domain)
{
        return virStorageVolLookupByKey(conn, key);
}

static char *storage_vol_path(const char *connection_path, void *object)
{
        return path_name(connection_path, "storagevol", virStorageVolGetKey(object));
}

DEFINE_FREE(storage_vol, StorageVol)
DEFINE_KIND(storage_vol, "storagevol", path_unescape, .native = NULL)

/* What is in a domain has no UUID, and its name is one only there: its key is both, "UUID/name". */
static char *in_domain_key(const char *leaf)
{
        g_autofree char *domain = g_strndup(leaf, VIR_UUID_STRING_BUFLEN);
        g_autofree char *name = NULL;
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (!path_leaf_to_uuid(domain, uuid) || leaf[VIR_UUID_STRING_BUFLEN] != '_')
                return NULL;

        name = path_unescape(leaf + VIR_UUID_STRING_BUFLEN + 1);
        return name ? g_strdup_printf("%s/%s", uuid, name) : NULL;
}

static virDomainPtr domain_of_key(virConnectPtr conn, const char *key)
{
        g_autofree char *uuid = g_strndup(key, VIR_UUID_STRING_BUFLEN - 1);

        return virDomainLookupByUUIDString(conn, uuid);
}

static char *in_domain_path(const char *connection_path, const char *collection, virDomainPtr owner,
                            const char *name)
{
        g_autofree char *leaf = path_escape(name);
        g_autofree char *domain = domain_path(connection_path, owner);

        return g_strdup_printf("%s/%s/%s_%s", connection_path, collection, strrchr(domain, '/') + 1, leaf);
}

/* The domain is not freed by the look-up: that would reset libvirt's last error, which says why there is no
 * such object. */
#define DEFINE_IN_DOMAIN(symbol, Type, collection_name, list_all, domains_with)                              \
        DEFINE_FREE(symbol, Type)                                                                            \
        static void *symbol##_lookup(virConnectPtr conn, const char *key, virDomainPtr *domain)              \
        {                                                                                                    \
                *domain = domain_of_key(conn, key);                                                          \
                return *domain ? vir##Type##LookupByName(*domain, key + VIR_UUID_STRING_BUFLEN, 0) : NULL;   \
        }                                                                                                    \
        static char *symbol##_path(const char *connection_path, void *object)                                \
        {                                                                                                    \
                return in_domain_path(connection_path, collection_name, vir##Type##GetDomain(object),        \
                                      vir##Type##GetName(object));                                           \
        }                                                                                                    \
        static int symbol##_list_of(void *domain, void ***objects)                                           \
        {                                                                                                    \
                return list_all(domain, (vir##Type##Ptr **)objects, 0);                                      \
        }                                                                                                    \
        static int symbol##_list(virConnectPtr conn, unsigned flags, void ***objects)                        \
        {                                                                                                    \
                virDomainPtr *domains = NULL;                                                                \
                int n = virConnectListAllDomains(conn, &domains, domains_with);                              \
                                                                                                             \
                return n < 0 ? -1 : list_inner((void **)domains, n, domain_free, symbol##_list_of, objects); \
        }                                                                                                    \
        DEFINE_KIND(symbol, collection_name, in_domain_key, .in_domain = TRUE)

DEFINE_IN_DOMAIN(domain_checkpoint, DomainCheckpoint, "domaincheckpoint", virDomainListAllCheckpoints,
                 VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT)
DEFINE_IN_DOMAIN(domain_snapshot, DomainSnapshot, "domainsnapshot", virDomainListAllSnapshots,
                 VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT)

/* The connection is its own object; it is found with its path. */
const Kind kind_connect = {.interface = &interface_connect, .native = &interface_connection1};
