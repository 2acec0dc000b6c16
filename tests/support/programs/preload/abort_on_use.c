/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whatever of libvirt or sd-bus is used ends the program. */

#include <stdlib.h>

int virInitialize(void)
{
        abort();
}
int virGetVersion(unsigned long *library, const char *type, unsigned long *of_type)
{
        abort();
}
void *virConnectOpen(const char *name)
{
        abort();
}
void *virConnectOpenReadOnly(const char *name)
{
        abort();
}
int sd_bus_new(void **bus)
{
        abort();
}
