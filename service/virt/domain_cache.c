/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Remembering handles of domains.
 *
 * Each function of libvirt's takes a handle, and getting one is a round trip: half of the cost of most calls.
 * Handles are safe to share: libvirt counts references atomically, and what it sends to libvirtd is the UUID.
 *
 * Each handle keeps its connection, and the thread that drops the last reference to a connection waits for
 * libvirtd to say good-bye. So handles are only ever freed where waiting is allowed: on a worker that is
 * about to ask libvirt anyway, or in a job. */

#include "virt/domain_cache.h"

#include "base/assert.h"
#include "base/background.h"
#include "base/lock.h"
#include "base/thread.h"

/* As many domains as libvirt's protocol can list (REMOTE_DOMAIN_LIST_MAX); some 250 bytes each. */
#define HANDLES_MAX 16384

struct DomainCache {
        pthread_mutex_t lock;
        /* All under lock. */
        GHashTable *domains; /* UUID to virDomainPtr */
        virConnectPtr conn;  /* theirs; valid, and of any meaning, only while there are some */
        GPtrArray *retired;  /* handles that wait for a thread that may free them */
        unsigned changes;    /* how often something was forgotten */
        gboolean shut;
};

static void free_retired(void *data)
{
        GPtrArray *retired = data;

        ASSERT_WORKER();
        for (guint i = 0; i < retired->len; i++)
                virDomainFree(g_ptr_array_index(retired, i));
        g_ptr_array_unref(retired);
}

/* Under lock. */
static void retire(DomainCache *domain_cache, const char *uuid)
{
        gpointer key, domain;

        if (!g_hash_table_steal_extended(domain_cache->domains, uuid, &key, &domain))
                return;

        g_free(key);
        g_ptr_array_add(domain_cache->retired, domain);
}

/* Under lock. */
static void retire_all(DomainCache *domain_cache)
{
        GHashTableIter iter;
        gpointer domain;

        g_hash_table_iter_init(&iter, domain_cache->domains);
        while (g_hash_table_iter_next(&iter, NULL, &domain))
                g_ptr_array_add(domain_cache->retired, domain);
        g_hash_table_remove_all(domain_cache->domains);
}

/* Under lock. Any will do: it is not known which one will not be needed again. */
static void retire_any(DomainCache *domain_cache)
{
        GHashTableIter iter;
        gpointer uuid;

        g_hash_table_iter_init(&iter, domain_cache->domains);
        if (g_hash_table_iter_next(&iter, &uuid, NULL))
                retire(domain_cache, uuid);
}

/* Under lock. */
static GPtrArray *take_retired(DomainCache *domain_cache)
{
        GPtrArray *retired = domain_cache->retired;

        domain_cache->retired = g_ptr_array_new();
        return retired;
}

/* Under lock. */
static void remember(DomainCache *domain_cache, virConnectPtr conn, const char *uuid, virDomainPtr domain)
{
        if (domain_cache->conn != conn)
                retire_all(domain_cache);
        domain_cache->conn = conn;

        retire(domain_cache, uuid);
        if (g_hash_table_size(domain_cache->domains) >= HANDLES_MAX)
                retire_any(domain_cache);

        virDomainRef(domain);
        g_hash_table_insert(domain_cache->domains, g_strdup(uuid), domain);
}

DomainCache *domain_cache_new(void)
{
        DomainCache *domain_cache = g_new0(DomainCache, 1);

        ASSERT_MAIN();
        pthread_mutex_init(&domain_cache->lock, NULL);
        domain_cache->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        domain_cache->retired = g_ptr_array_new();
        return domain_cache;
}

void domain_cache_free(DomainCache *domain_cache)
{
        ASSERT_MAIN();
        if (!domain_cache)
                return;

        ASSERT(domain_cache->shut && g_hash_table_size(domain_cache->domains) == 0);
        g_hash_table_unref(domain_cache->domains);
        g_ptr_array_unref(domain_cache->retired);
        pthread_mutex_destroy(&domain_cache->lock);
        g_free(domain_cache);
}

virDomainPtr domain_cache_find(DomainCache *domain_cache, virConnectPtr conn, const char *uuid)
{
        virDomainPtr domain = NULL;
        HOLD(&domain_cache->lock);

        if (domain_cache->conn == conn)
                domain = g_hash_table_lookup(domain_cache->domains, uuid);
        if (domain)
                virDomainRef(domain);

        return domain;
}

static unsigned read_changes(DomainCache *domain_cache)
{
        HOLD(&domain_cache->lock);

        return domain_cache->changes;
}

/* Takes the answer of libvirt, @domain or NULL, to a question that was asked after so many @changes. Returns
 * handles to free, or NULL. */
static GPtrArray *take_answer(DomainCache *domain_cache, virConnectPtr conn, const char *uuid,
                              virDomainPtr domain, unsigned changes)
{
        HOLD(&domain_cache->lock);

        /* Nothing is freed when there is an error to return, which libvirt's destructors would reset. */
        if (!domain) {
                retire(domain_cache, uuid);
                return NULL;
        }

        /* What was forgotten meanwhile may have been this domain, or the connection that it came from. */
        if (!domain_cache->shut && domain_cache->changes == changes)
                remember(domain_cache, conn, uuid, domain);

        return take_retired(domain_cache);
}

virDomainPtr domain_cache_look_up(DomainCache *domain_cache, virConnectPtr conn, const char *uuid)
{
        GPtrArray *retired;
        virDomainPtr domain;
        unsigned changes;

        ASSERT_WORKER();
        changes = read_changes(domain_cache);
        domain = virDomainLookupByUUIDString(conn, uuid);
        retired = take_answer(domain_cache, conn, uuid, domain, changes);
        if (retired)
                free_retired(retired);

        return domain;
}

void domain_cache_forget(DomainCache *domain_cache, const char *uuid)
{
        HOLD(&domain_cache->lock);

        domain_cache->changes++;
        retire(domain_cache, uuid);
}

static void nothing_more(void *data)
{
}

static void forget_all(DomainCache *domain_cache, gboolean shut)
{
        HOLD(&domain_cache->lock);

        domain_cache->shut |= shut;
        domain_cache->changes++;
        retire_all(domain_cache);
        background_run(free_retired, nothing_more, take_retired(domain_cache));
}

void domain_cache_forget_all(DomainCache *domain_cache)
{
        ASSERT_MAIN();
        forget_all(domain_cache, FALSE);
}

void domain_cache_shut(DomainCache *domain_cache)
{
        ASSERT_MAIN();
        forget_all(domain_cache, TRUE);
}

unsigned domain_cache_size(DomainCache *domain_cache)
{
        HOLD(&domain_cache->lock);

        return g_hash_table_size(domain_cache->domains);
}
