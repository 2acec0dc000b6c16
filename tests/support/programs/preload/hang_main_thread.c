/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The main thread comes by here whenever something is on the bus. Where $HANGS is a file, it makes that $HUNG
 * and stays for as long as there is one. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sd_bus_process(void *bus, void **message)
{
        int (*next)(void *, void **) = (int (*)(void *, void **))dlsym(RTLD_NEXT, "sd_bus_process");

        if (gettid() == getpid() && rename(getenv("HANGS"), getenv("HUNG")) == 0)
                while (access(getenv("HUNG"), F_OK) == 0)
                        usleep(10000);
        return next(bus, message);
}
