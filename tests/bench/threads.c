/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* threads URI NAME THREADS MILLISECONDS
 *
 * What plain libvirt reaches: so many threads call virDomainGetState() of the domain NAME for the time given,
 * all on one connection. Prints one line: calls, nanoseconds elapsed, nanoseconds of its own CPU. */

#include "client.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct {
        virDomainPtr domain;
        atomic_bool ending;
        atomic_uint_fast64_t done;
} Bench;

static void *run_thread(void *opaque)
{
        Bench *bench = opaque;
        uint64_t done = 0;

        while (!atomic_load_explicit(&bench->ending, memory_order_relaxed)) {
                int state, reason;

                if (virDomainGetState(bench->domain, &state, &reason, 0) < 0)
                        fail("state", virGetLastErrorMessage());

                done++;
        }

        atomic_fetch_add(&bench->done, done);
        return NULL;
}

static void run_for(Bench *bench, size_t n, int64_t duration)
{
        const struct timespec pause = {duration / 1000000000, duration % 1000000000};
        pthread_t *threads = calloc(n, sizeof(pthread_t));

        atomic_store(&bench->ending, false);
        atomic_store(&bench->done, 0);
        for (size_t i = 0; i < n; i++)
                if (pthread_create(&threads[i], NULL, run_thread, bench) != 0)
                        fail("thread", "cannot be started");

        nanosleep(&pause, NULL);
        atomic_store(&bench->ending, true);
        for (size_t i = 0; i < n; i++)
                pthread_join(threads[i], NULL);

        free(threads);
}

int main(int argc, char *argv[])
{
        Bench bench = {0};
        int64_t duration, started, elapsed, cpu;
        size_t n;

        if (argc != 5) {
                fprintf(stderr, "usage: threads URI NAME THREADS MILLISECONDS\n");
                return EXIT_FAILURE;
        }

        bench.domain = virDomainLookupByName(open_libvirt(argv[1]), argv[2]);
        if (!bench.domain)
                fail(argv[2], virGetLastErrorMessage());

        n = strtoul(argv[3], NULL, 10);
        duration = strtoll(argv[4], NULL, 10) * 1000000;
        run_for(&bench, n, duration / 10);

        cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        started = now_ns(CLOCK_MONOTONIC);
        run_for(&bench, n, duration);
        elapsed = now_ns(CLOCK_MONOTONIC) - started;
        cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        printf("%" PRIuFAST64 " %" PRId64 " %" PRId64 "\n", atomic_load(&bench.done), elapsed, cpu);
        return EXIT_SUCCESS;
}
