/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the measuring programs have in common. A failure ends the program: a figure that is missing is better
 * than one that is wrong. */

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#define SERVICE "org.libvirt"

/* How long a daemon may take for what is waited for, in seconds. */
#define PATIENCE 60

static inline _Noreturn void fail(const char *what, const char *why)
{
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
        exit(EXIT_FAILURE);
}

static inline int64_t now_ns(clockid_t clock)
{
        struct timespec t;

        if (clock_gettime(clock, &t) < 0)
                fail("clock", strerror(errno));

        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The CPU time of a process: nanoseconds from the scheduler, all threads, ended ones included.
 * (/proc/PID/stat has ticks of 10 ms; /proc/PID/schedstat has the first thread alone.) */
static inline clockid_t cpu_clock(const char *pid)
{
        clockid_t clock;

        if (clock_getcpuclockid((pid_t)strtol(pid, NULL, 10), &clock) != 0)
                fail(pid, "no such process");

        return clock;
}

/* Waits until the process has nothing left to do, which shows when it used no CPU for a while. */
static inline void wait_still(clockid_t clock)
{
        const char *still = getenv("BENCH_STILL_MS");
        struct timespec pause = {.tv_nsec = (still ? strtol(still, NULL, 10) : 100) * 1000 * 1000};
        int64_t deadline = now_ns(CLOCK_MONOTONIC) + PATIENCE * INT64_C(1000000000);

        for (int64_t before = -1, now; (now = now_ns(clock)) != before; before = now) {
                if (now_ns(CLOCK_MONOTONIC) > deadline)
                        fail("daemon", "does not come to rest");

                nanosleep(&pause, NULL);
        }
}

/* Connects, or returns NULL where too many others are about to. */
static inline sd_bus *try_bus(const char *address)
{
        sd_bus *bus = NULL;
        int r;

        if ((r = sd_bus_new(&bus)) < 0 || (r = sd_bus_set_address(bus, address)) < 0 ||
            (r = sd_bus_set_bus_client(bus, true)) < 0 || (r = sd_bus_start(bus)) < 0) {
                if (r != -EAGAIN)
                        fail("bus", strerror(-r));

                return sd_bus_unref(bus);
        }

        return bus;
}

static inline sd_bus *open_bus(const char *address)
{
        static const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
        int64_t deadline = now_ns(CLOCK_MONOTONIC) + PATIENCE * INT64_C(1000000000);
        sd_bus *bus;

        while (!(bus = try_bus(address))) {
                if (now_ns(CLOCK_MONOTONIC) > deadline)
                        fail("bus", "it takes nobody");

                nanosleep(&pause, NULL);
        }

        return bus;
}

/* Serves the bus from here on. */
static inline _Noreturn void serve_bus(sd_bus *bus)
{
        int r;

        while ((r = sd_bus_process(bus, NULL)) > 0 || (r == 0 && (r = sd_bus_wait(bus, UINT64_MAX)) >= 0))
                ;

        fail("bus", strerror(-r));
}

/* The thread of libvirt's event loop. */
static inline void *run_libvirt(void *opaque)
{
        while (virEventRunDefaultImpl() == 0)
                ;

        fail("libvirt's event loop", "ended");
}

static inline virConnectPtr open_libvirt(const char *uri)
{
        virConnectPtr connection = virConnectOpen(uri);

        if (!connection)
                fail(uri, virGetLastErrorMessage());

        return connection;
}
