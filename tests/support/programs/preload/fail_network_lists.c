/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Networks cannot be listed while the file $NO_NETWORKS is there. */

#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <stdlib.h>
#include <unistd.h>

int virConnectListAllNetworks(virConnectPtr conn, virNetworkPtr **nets, unsigned flags)
{
        int (*real)(virConnectPtr, virNetworkPtr **, unsigned) = dlsym(RTLD_NEXT, __func__);

        if (access(getenv("NO_NETWORKS"), F_OK) != 0)
                return real(conn, nets, flags);

        virNetworkFree(virNetworkLookupByName(conn, "")); /* sets libvirt's error */
        return -1;
}
