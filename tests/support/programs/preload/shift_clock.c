/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The realtime clock is so many seconds off as the file $OFFSET says; the monotonic clocks are as they are.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void map(void)
{
        int fd = open(getenv("OFFSET"), O_RDONLY | O_CLOEXEC);

        offset = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
        int (*next)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
        int r = next(clock, now);

        if (r == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
                now->tv_sec += *offset;
        return r;
}

int gettimeofday(struct timeval *now, void *zone)
{
        int (*next)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
        int r = next(now, zone);

        if (r == 0 && offset)
                now->tv_sec += *offset;
        return r;
}

time_t time(time_t *result)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        if (result)
                *result = now.tv_sec;
        return now.tv_sec;
}
