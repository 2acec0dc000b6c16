/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* load ADDRESS PATH WHAT IN-FLIGHT MILLISECONDS PID
 *
 * Calls org.libvirt on the bus at ADDRESS for the time given, with so many calls always in flight, and prints
 * one line: calls, nanoseconds elapsed, nanoseconds of CPU that process PID spent meanwhile. WHAT is "state"
 * (Domain.GetState) or "active" (Properties.Get of Active). In C, so that the measuring side is not what
 * limits.
 *
 * The CPU time is the process clock of PID, clock_getcpuclockid(): nanoseconds from the scheduler, all
 * threads, ended ones included. (/proc/PID/stat has ticks of 10 ms; /proc/PID/schedstat has the first thread
 * alone.) */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

typedef struct {
        sd_bus *bus;
        const char *path;
        bool active;
        bool ending;
        unsigned in_flight;
        uint64_t done;
} Load;

static _Noreturn void fail(const char *what, int r)
{
        fprintf(stderr, "load: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static int64_t now_ns(clockid_t clock)
{
        struct timespec t;

        if (clock_gettime(clock, &t) < 0)
                fail("clock_gettime", -1);

        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error);

static void send_call(Load *load)
{
        int r;

        if (load->active)
                r = sd_bus_call_method_async(load->bus, NULL, "org.libvirt", load->path,
                                             "org.freedesktop.DBus.Properties", "Get", on_reply, load, "ss",
                                             "org.libvirt.Domain", "Active");
        else
                r = sd_bus_call_method_async(load->bus, NULL, "org.libvirt", load->path, "org.libvirt.Domain",
                                             "GetState", on_reply, load, "u", 0);

        if (r < 0)
                fail("send", r);

        load->in_flight++;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Load *load = userdata;

        /* A benchmark of refusals would be a fast one. */
        if (sd_bus_message_is_method_error(reply, NULL)) {
                fprintf(stderr, "load: %s\n", sd_bus_message_get_error(reply)->message);
                exit(EXIT_FAILURE);
        }

        load->in_flight--;
        load->done++;

        if (!load->ending)
                send_call(load);

        return 1;
}

static void run_until(Load *load, int64_t deadline)
{
        load->ending = false;

        while (!load->ending || load->in_flight > 0) {
                int r = sd_bus_process(load->bus, NULL);

                if (r < 0)
                        fail("process", r);

                if (r == 0 && (r = sd_bus_wait(load->bus, 10 * 1000 * 1000)) < 0)
                        fail("wait", r);

                load->ending = load->ending || now_ns(CLOCK_MONOTONIC) >= deadline;
        }
}

static sd_bus *open_bus(const char *address)
{
        sd_bus *bus = NULL;
        int r;

        if ((r = sd_bus_new(&bus)) < 0 || (r = sd_bus_set_address(bus, address)) < 0 ||
            (r = sd_bus_set_bus_client(bus, true)) < 0 || (r = sd_bus_start(bus)) < 0)
                fail("connect", r);

        return bus;
}

static void run_for(Load *load, unsigned calls, int64_t duration_ns)
{
        int64_t deadline = now_ns(CLOCK_MONOTONIC) + duration_ns;

        for (unsigned i = 0; i < calls; i++)
                send_call(load);

        run_until(load, deadline);
}

int main(int argc, char *argv[])
{
        Load load = {0};
        clockid_t server;
        int64_t duration, started, elapsed, cpu;
        unsigned calls;

        if (argc != 7) {
                fprintf(stderr, "usage: load ADDRESS PATH state|active IN-FLIGHT MILLISECONDS PID\n");
                return EXIT_FAILURE;
        }

        load.bus = open_bus(argv[1]);
        load.path = argv[2];
        load.active = strcmp(argv[3], "active") == 0;
        calls = (unsigned)strtoul(argv[4], NULL, 10);
        duration = strtoll(argv[5], NULL, 10) * 1000000;

        if (clock_getcpuclockid((pid_t)strtol(argv[6], NULL, 10), &server) != 0) {
                fprintf(stderr, "load: no process %s\n", argv[6]);
                return EXIT_FAILURE;
        }

        /* Caches, thread pools and allocators warm up before the clock starts. */
        run_for(&load, calls, duration / 10);
        load.done = 0;

        cpu = now_ns(server);
        started = now_ns(CLOCK_MONOTONIC);
        run_for(&load, calls, duration);
        elapsed = now_ns(CLOCK_MONOTONIC) - started;
        cpu = now_ns(server) - cpu;

        printf("%" PRIu64 " %" PRId64 " %" PRId64 "\n", load.done, elapsed, cpu);
        sd_bus_flush_close_unref(load.bus);
        return EXIT_SUCCESS;
}
