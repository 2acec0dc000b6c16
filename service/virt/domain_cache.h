/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

/* The domains that were looked up on one link to libvirt, by UUID, so that the next call need not ask again.
 *
 * A handle identifies a domain, and that remains true. The name and the number in it are from the time of the
 * look-up, and it does not say whether the domain still exists: look it up again for these. */

typedef struct DomainCache DomainCache;

/* Main thread, as domain_cache_free(). */
DomainCache *domain_cache_new(void);

/* Frees what was shut, once no job runs and no worker uses it. NULL is fine. */
void domain_cache_free(DomainCache *domain_cache);

/* The handle of @uuid, a lower-case UUID, that was looked up on @conn before, as a reference of the caller's;
 * NULL, without an error of libvirt's, where there is none. Does not ask libvirt. Any thread. */
virDomainPtr domain_cache_find(DomainCache *domain_cache, virConnectPtr conn, const char *uuid);

/* Asks libvirt, and remembers the answer. Returns a reference of the caller's, or NULL and libvirt's error.
 * Worker thread. */
virDomainPtr domain_cache_look_up(DomainCache *domain_cache, virConnectPtr conn, const char *uuid);

/* Forgets one domain. Any thread: libvirt is not asked, not even to let go of the handle. */
void domain_cache_forget(DomainCache *domain_cache, const char *uuid);

/* Forgets all, and with them their connection, for which a job is started. Main thread. */
void domain_cache_forget_all(DomainCache *domain_cache);

/* The same, and nothing is remembered from then on. Main thread. */
void domain_cache_shut(DomainCache *domain_cache);

/* How many are remembered. Any thread. */
unsigned domain_cache_size(DomainCache *domain_cache);
