# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another time for the service: a library before the C library's functions says it; nobody touches the machine's
clock. The fixture `clock` is for those who import it."""

import mmap
import struct

import pytest

# CLOCK_REALTIME is so many seconds off as the file OFFSET says; the monotonic clocks are as they are.
OTHER_TIME = r"""
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
"""


@pytest.fixture
def clock(home, preload):
    """clock(seconds) puts the service's clock so far off; clock.env is what the service is started with."""
    path = home / "offset"
    path.write_bytes(struct.pack("=q", 0))
    path.chmod(0o644)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as offset:
        def put(seconds):
            offset[:] = struct.pack("=q", seconds)
        put.env = preload(OTHER_TIME, OFFSET=str(path))
        yield put
