/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices that are made have names of 70,000 characters here; they get them from the driver. */

#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <string.h>

const char *virNodeDeviceGetName(virNodeDevicePtr device)
{
        static const char *(*real)(virNodeDevicePtr);
        static char longer[70000];

        if (!real)
                real = dlsym(RTLD_NEXT, "virNodeDeviceGetName");
        if (strcmp(real(device), "computer") == 0 || strcmp(real(device), "scsi_host1") == 0)
                return real(device);

        memset(longer, 'x', sizeof longer - 1);
        return longer;
}
