/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Registering for events of the kinds that $REFUSED names is not supported, as with ESX, Hyper-V, VMware and
 * OpenVZ. */

#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

static int refuse(void)
{
        virDomainFree(virDomainLookupByName(NULL, "")); /* an error, whose number is changed */
        virGetLastError()->code = VIR_ERR_NO_SUPPORT;
        return -1;
}

#define REFUSE(kind, object, word)                                                                           \
        int virConnect##kind##EventRegisterAny(virConnectPtr conn, object one, int id,                       \
                                               virConnect##kind##EventGenericCallback callback,              \
                                               void *opaque, virFreeCallback release)                        \
        {                                                                                                    \
                int (*real)(virConnectPtr, object, int, virConnect##kind##EventGenericCallback, void *,      \
                            virFreeCallback) = dlsym(RTLD_NEXT, __func__);                                   \
                return strstr(getenv("REFUSED"), word) ? refuse()                                            \
                                                       : real(conn, one, id, callback, opaque, release);     \
        }

REFUSE(Domain, virDomainPtr, "domain")
REFUSE(Network, virNetworkPtr, "network")
REFUSE(StoragePool, virStoragePoolPtr, "storagepool")
