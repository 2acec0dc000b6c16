/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* While $FAILS is a file with a number in it, sd_bus_process() fails with that, so many times as the next
 * number says. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int sd_bus_process(void *bus, void **message)
{
        int (*next)(void *, void **) = (int (*)(void *, void **))dlsym(RTLD_NEXT, "sd_bus_process");
        static int number, left;
        FILE *file = left > 0 ? NULL : fopen(getenv("FAILS"), "r");

        if (file) {
                if (fscanf(file, "%d %d", &number, &left) != 2)
                        left = 0;
                fclose(file);
                unlink(getenv("FAILS"));
        }
        if (left == 0)
                return next(bus, message);
        left--;
        return -number;
}
