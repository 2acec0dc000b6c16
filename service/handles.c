/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Remembering handles of domains.
 *
 * Each function of libvirt's takes a handle, and getting one is a round trip: half of the cost of most calls.
 * Handles are safe to share: libvirt counts references atomically, and what it sends to libvirtd is the UUID.
 *
 * Each handle keeps its connection, and whoever drops the last reference to a connection waits for libvirtd
 * to say good-bye. So handles are only ever freed where waiting is allowed: on a worker that is about to ask
 * libvirt anyway, or in a job. */

#include "handles.h"

#include "job.h"

#include <pthread.h>

/* As many domains as libvirt's protocol can list (REMOTE_DOMAIN_LIST_MAX); some 250 bytes each. */
#define HANDLES_MAX 16384

struct Handles {
        pthread_mutex_t lock; /* and not GMutex, which thread sanitizers cannot see into */
        /* All under lock. */
        GHashTable *domains; /* UUID to virDomainPtr */
        virConnectPtr conn;  /* theirs; valid, and of any meaning, only while there are some */
        GPtrArray *retired;  /* handles that wait for a thread that may free them */
        unsigned changes;    /* how often something was forgotten */
        gboolean shut;
};

/* Worker thread. */
static void free_retired(void *data)
{
        GPtrArray *retired = data;

        for (guint i = 0; i < retired->len; i++)
                virDomainFree(g_ptr_array_index(retired, i));
        g_ptr_array_unref(retired);
}

/* Under lock. */
static void retire(Handles *handles, const char *uuid)
{
        gpointer key, domain;

        if (!g_hash_table_steal_extended(handles->domains, uuid, &key, &domain))
                return;

        g_free(key);
        g_ptr_array_add(handles->retired, domain);
}

/* Under lock. */
static void retire_all(Handles *handles)
{
        GHashTableIter iter;
        gpointer domain;

        g_hash_table_iter_init(&iter, handles->domains);
        while (g_hash_table_iter_next(&iter, NULL, &domain))
                g_ptr_array_add(handles->retired, domain);
        g_hash_table_remove_all(handles->domains);
}

/* Under lock. Whichever comes first: which one will not be asked for again, nobody knows. */
static void retire_any(Handles *handles)
{
        GHashTableIter iter;
        gpointer uuid;

        g_hash_table_iter_init(&iter, handles->domains);
        if (g_hash_table_iter_next(&iter, &uuid, NULL))
                retire(handles, uuid);
}

/* Under lock. */
static GPtrArray *take_retired(Handles *handles)
{
        GPtrArray *retired = handles->retired;

        handles->retired = g_ptr_array_new();
        return retired;
}

/* Under lock. */
static void remember(Handles *handles, virConnectPtr conn, const char *uuid, virDomainPtr domain)
{
        if (handles->conn != conn)
                retire_all(handles);
        handles->conn = conn;

        retire(handles, uuid);
        if (g_hash_table_size(handles->domains) >= HANDLES_MAX)
                retire_any(handles);

        virDomainRef(domain);
        g_hash_table_insert(handles->domains, g_strdup(uuid), domain);
}

Handles *handles_new(void)
{
        Handles *handles = g_new0(Handles, 1);

        pthread_mutex_init(&handles->lock, NULL);
        handles->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        handles->retired = g_ptr_array_new();
        return handles;
}

void handles_free(Handles *handles)
{
        if (!handles)
                return;

        g_hash_table_unref(handles->domains);
        g_ptr_array_unref(handles->retired);
        pthread_mutex_destroy(&handles->lock);
        g_free(handles);
}

virDomainPtr handles_find(Handles *handles, virConnectPtr conn, const char *uuid)
{
        virDomainPtr domain = NULL;

        pthread_mutex_lock(&handles->lock);
        if (handles->conn == conn)
                domain = g_hash_table_lookup(handles->domains, uuid);
        if (domain)
                virDomainRef(domain);
        pthread_mutex_unlock(&handles->lock);

        return domain;
}

virDomainPtr handles_look_up(Handles *handles, virConnectPtr conn, const char *uuid)
{
        GPtrArray *retired = NULL;
        virDomainPtr domain;
        unsigned changes;

        pthread_mutex_lock(&handles->lock);
        changes = handles->changes;
        pthread_mutex_unlock(&handles->lock);

        domain = virDomainLookupByUUIDString(conn, uuid);

        pthread_mutex_lock(&handles->lock);
        /* What was forgotten meanwhile may have been this domain, or the connection that it came from. */
        if (!domain)
                retire(handles, uuid);
        else if (!handles->shut && handles->changes == changes)
                remember(handles, conn, uuid, domain);
        /* Not when there is an error to return, which libvirt's destructors would reset. */
        if (domain)
                retired = take_retired(handles);
        pthread_mutex_unlock(&handles->lock);

        if (retired)
                free_retired(retired);

        return domain;
}

void handles_forget(Handles *handles, const char *uuid)
{
        pthread_mutex_lock(&handles->lock);
        handles->changes++;
        retire(handles, uuid);
        pthread_mutex_unlock(&handles->lock);
}

static void nothing_more(void *data)
{
}

void handles_forget_all(Handles *handles)
{
        GPtrArray *retired;

        pthread_mutex_lock(&handles->lock);
        handles->changes++;
        retire_all(handles);
        retired = take_retired(handles);
        pthread_mutex_unlock(&handles->lock);

        job_start(free_retired, nothing_more, retired);
}

void handles_shut(Handles *handles)
{
        pthread_mutex_lock(&handles->lock);
        handles->shut = TRUE;
        pthread_mutex_unlock(&handles->lock);

        handles_forget_all(handles);
}

unsigned handles_size(Handles *handles)
{
        unsigned size;

        pthread_mutex_lock(&handles->lock);
        size = g_hash_table_size(handles->domains);
        pthread_mutex_unlock(&handles->lock);

        return size;
}
