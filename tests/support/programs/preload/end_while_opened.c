/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection that is opened as number $NTH ends before its end can be told to the one that opened it. */

#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int number;

int virConnectRegisterCloseCallback(virConnectPtr conn, virConnectCloseFunc func, void *data,
                                    virFreeCallback release)
{
        int (*next)(virConnectPtr, virConnectCloseFunc, void *, virFreeCallback) =
                dlsym(RTLD_NEXT, "virConnectRegisterCloseCallback");

        if (__sync_add_and_fetch(&number, 1) == atoi(getenv("NTH"))) {
                fprintf(stderr, "waiting for the end\n");
                for (int i = 0; i < 6000 && virConnectIsAlive(conn) == 1; i++)
                        usleep(10000);
        }
        return next(conn, func, data, release);
}
