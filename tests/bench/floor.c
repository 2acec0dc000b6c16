/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* floor URI...: the least that a program can be that watches these hypervisors. It opens each, says "ready",
 * and runs libvirt's own event loop until it is ended. Its memory is what guestbusd's is compared with. */

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char *argv[])
{
        if (virEventRegisterDefaultImpl() < 0)
                return EXIT_FAILURE;

        for (int i = 1; i < argc; i++) {
                if (!virConnectOpen(argv[i])) {
                        fprintf(stderr, "floor: %s: %s\n", argv[i], virGetLastErrorMessage());
                        return EXIT_FAILURE;
                }
        }

        printf("ready\n");
        fflush(stdout);

        while (virEventRunDefaultImpl() == 0)
                ;

        return EXIT_FAILURE;
}
