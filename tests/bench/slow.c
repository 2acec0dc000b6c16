/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* slow ADDRESS SLOW-PATH FAST-PATH COUNT MILLISECONDS
 *
 * What fast calls feel of slow ones. COUNT clients with a bus connection each call Domain.Reset of SLOW-PATH,
 * whose guest must not answer meanwhile; then another client calls Domain.GetState of FAST-PATH for the time
 * given, one call after the other. Prints the nanoseconds that each of its calls took, one per line. A call
 * that has no answer by the end took at least as long as it has waited, and is printed so. That a slow call
 * was answered is a failure. */

#include "client.h"

#include <inttypes.h>

#define MS INT64_C(1000000)

/* How long the slow calls have to get where they wait. */
#define AHEAD (100 * MS)

static int on_slow(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *failure = sd_bus_message_get_error(reply);

        fail("slow call", failure ? failure->message : "it was fast");
}

static int on_fast(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        if (sd_bus_message_is_method_error(reply, NULL))
                fail("fast call", sd_bus_message_get_error(reply)->message);

        *(bool *)userdata = true;
        return 1;
}

/* Lets the client work until @done (NULL: never), or until then. */
static void work_until(sd_bus *bus, const bool *done, int64_t deadline)
{
        int64_t now;

        while (!(done && *done) && (now = now_ns(CLOCK_MONOTONIC)) < deadline) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, (uint64_t)(deadline - now) / 1000 + 1);
                if (r < 0)
                        fail("bus", strerror(-r));
        }
}

static sd_bus *send_slow(const char *address, const char *path)
{
        sd_bus *bus = open_bus(address);
        int r = sd_bus_call_method_async(bus, NULL, SERVICE, path, "org.libvirt.Domain", "Reset", on_slow,
                                         NULL, "u", 0);

        if (r < 0 || (r = sd_bus_flush(bus)) < 0)
                fail("send", strerror(-r));

        return bus;
}

/* Returns how long it took, or has taken by then. */
static int64_t call_fast(sd_bus *bus, const char *path, int64_t deadline)
{
        int64_t began = now_ns(CLOCK_MONOTONIC);
        sd_bus_slot *slot = NULL;
        bool done = false;
        int r = sd_bus_call_method_async(bus, &slot, SERVICE, path, "org.libvirt.Domain", "GetState", on_fast,
                                         &done, "u", 0);

        if (r < 0)
                fail("send", strerror(-r));

        work_until(bus, &done, deadline);
        sd_bus_slot_unref(slot);
        return now_ns(CLOCK_MONOTONIC) - began;
}

int main(int argc, char *argv[])
{
        sd_bus **slow, *fast;
        size_t count;
        int64_t deadline;

        if (argc != 6) {
                fprintf(stderr, "usage: slow ADDRESS SLOW-PATH FAST-PATH COUNT MILLISECONDS\n");
                return EXIT_FAILURE;
        }

        /* Once without a limit: what there is to warm up does not count. */
        fast = open_bus(argv[1]);
        call_fast(fast, argv[3], now_ns(CLOCK_MONOTONIC) + PATIENCE * 1000 * MS);

        count = strtoul(argv[4], NULL, 10);
        slow = calloc(count + 1, sizeof(sd_bus *));
        for (size_t i = 0; i < count; i++)
                slow[i] = send_slow(argv[1], argv[2]);

        work_until(fast, NULL, now_ns(CLOCK_MONOTONIC) + AHEAD);
        deadline = now_ns(CLOCK_MONOTONIC) + strtoll(argv[5], NULL, 10) * MS;
        while (now_ns(CLOCK_MONOTONIC) < deadline)
                printf("%" PRId64 "\n", call_fast(fast, argv[3], deadline));

        /* What has come for them meanwhile is found here. */
        for (size_t i = 0; i < count; i++)
                work_until(slow[i], NULL, now_ns(CLOCK_MONOTONIC) + MS);

        fflush(stdout);
        _Exit(EXIT_SUCCESS);
}
