/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* latency ADDRESS URI NAME CONNECTION COUNT
 *
 * How much later than a libvirt client's callback the D-Bus signal for the same event is received. Three
 * clients in one process, a thread and a connection each: one waits for libvirt's lifecycle callbacks, one
 * for DomainEvent of /org/libvirt/CONNECTION, and the main thread suspends and resumes the running guest NAME
 * so that COUNT events happen, one at a time. Each receiver stamps CLOCK_MONOTONIC as the first thing it
 * does. Prints one difference per line, in nanoseconds; it is negative where the signal came first. */

#include <errno.h>
#include <inttypes.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

/* How long the two receivers may take for one event, in seconds. */
#define PATIENCE 20

typedef struct {
        int event;
        int detail;
        int64_t at;
} Stamp;

typedef struct {
        Stamp *stamps;
        size_t n;
        size_t size;
} Series;

typedef struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        Series direct;
        Series bus;
        const char *address;
        char path[64];
        char uuid[VIR_UUID_STRING_BUFLEN];
        char domain_path[160];
        bool bus_ready;
} Bench;

static _Noreturn void fail(const char *what, const char *why)
{
        fprintf(stderr, "latency: %s: %s\n", what, why);
        exit(EXIT_FAILURE);
}

static int64_t now_ns(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void record(Bench *bench, Series *series, int event, int detail, int64_t at)
{
        pthread_mutex_lock(&bench->lock);

        if (series->n < series->size)
                series->stamps[series->n++] = (Stamp){event, detail, at};

        pthread_cond_broadcast(&bench->changed);
        pthread_mutex_unlock(&bench->lock);
}

static void on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *opaque)
{
        int64_t at = now_ns();
        Bench *bench = opaque;
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domain, uuid) == 0 && strcmp(uuid, bench->uuid) == 0)
                record(bench, &bench->direct, event, detail, at);
}

static int on_domain_event(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        int64_t at = now_ns();
        Bench *bench = userdata;
        const char *path;
        int event, detail;

        if (sd_bus_message_read(signal, "oii", &path, &event, &detail) >= 0 &&
            strcmp(path, bench->domain_path) == 0)
                record(bench, &bench->bus, event, detail, at);

        return 0;
}

static void *run_libvirt(void *opaque)
{
        while (virEventRunDefaultImpl() == 0)
                ;

        fail("libvirt's event loop", "ended");
}

static void *run_bus(void *opaque)
{
        Bench *bench = opaque;
        sd_bus *bus = NULL;
        int r;

        if ((r = sd_bus_new(&bus)) < 0 || (r = sd_bus_set_address(bus, bench->address)) < 0 ||
            (r = sd_bus_set_bus_client(bus, true)) < 0 || (r = sd_bus_start(bus)) < 0 ||
            (r = sd_bus_match_signal(bus, NULL, "org.libvirt", bench->path, "org.libvirt.Connect",
                                     "DomainEvent", on_domain_event, bench)) < 0)
                fail("bus", strerror(-r));

        pthread_mutex_lock(&bench->lock);
        bench->bus_ready = true;
        pthread_cond_broadcast(&bench->changed);
        pthread_mutex_unlock(&bench->lock);

        while ((r = sd_bus_process(bus, NULL)) > 0 || (r == 0 && (r = sd_bus_wait(bus, UINT64_MAX)) >= 0))
                ;

        fail("bus", strerror(-r));
}

/* Waits until both receivers have seen @n events, and the match rule is in place. */
static void wait_for(Bench *bench, size_t n)
{
        struct timespec deadline;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += PATIENCE;
        pthread_mutex_lock(&bench->lock);

        while (!bench->bus_ready || bench->direct.n < n || bench->bus.n < n) {
                if (pthread_cond_timedwait(&bench->changed, &bench->lock, &deadline) == ETIMEDOUT) {
                        fprintf(stderr, "latency: after %zu events libvirt delivered %zu and the bus %zu\n",
                                n, bench->direct.n, bench->bus.n);
                        exit(EXIT_FAILURE);
                }
        }

        pthread_mutex_unlock(&bench->lock);
}

static void bench_init(Bench *bench, const char *address, const char *connection, size_t count)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&bench->changed, &attributes);
        pthread_mutex_init(&bench->lock, NULL);
        bench->address = address;
        bench->direct = (Series){calloc(count, sizeof(Stamp)), 0, count};
        bench->bus = (Series){calloc(count, sizeof(Stamp)), 0, count};
        snprintf(bench->path, sizeof(bench->path), "/org/libvirt/%s", connection);
}

static void bench_name_domain(Bench *bench, virDomainPtr domain)
{
        if (virDomainGetUUIDString(domain, bench->uuid) < 0)
                fail("uuid", virGetLastErrorMessage());

        snprintf(bench->domain_path, sizeof(bench->domain_path), "%s/domain/_%s", bench->path, bench->uuid);

        for (char *c = bench->domain_path; *c; c++)
                if (*c == '-')
                        *c = '_';
}

static void drive(Bench *bench, virDomainPtr domain, size_t count)
{
        static const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};

        for (size_t i = 0; i < count; i++) {
                if ((i % 2 == 0 ? virDomainSuspend(domain) : virDomainResume(domain)) < 0)
                        fail("guest", virGetLastErrorMessage());

                wait_for(bench, i + 1);

                /* Not for luck: events as they come in life, to processes that have gone to sleep. */
                nanosleep(&pause, NULL);
        }
}

static void print_differences(const Bench *bench, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const Stamp *direct = &bench->direct.stamps[i], *bus = &bench->bus.stamps[i];

                if (direct->event != bus->event || direct->detail != bus->detail)
                        fail("events", "the bus and libvirt do not agree");

                printf("%" PRId64 "\n", bus->at - direct->at);
        }
}

static virConnectPtr open_libvirt(const char *uri)
{
        virConnectPtr connection = virConnectOpen(uri);

        if (!connection)
                fail(uri, virGetLastErrorMessage());

        return connection;
}

int main(int argc, char *argv[])
{
        Bench bench = {0};
        virConnectPtr listener, actor;
        virDomainPtr domain;
        pthread_t libvirt_thread, bus_thread;
        size_t count;

        if (argc != 6 || virEventRegisterDefaultImpl() < 0) {
                fprintf(stderr, "usage: latency ADDRESS URI NAME CONNECTION COUNT\n");
                return EXIT_FAILURE;
        }

        count = strtoul(argv[5], NULL, 10);
        bench_init(&bench, argv[1], argv[4], count);
        pthread_create(&libvirt_thread, NULL, run_libvirt, &bench);
        listener = open_libvirt(argv[2]);
        actor = open_libvirt(argv[2]);
        domain = virDomainLookupByName(actor, argv[3]);
        if (!domain)
                fail(argv[3], virGetLastErrorMessage());

        bench_name_domain(&bench, domain);
        if (virConnectDomainEventRegisterAny(listener, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                             VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), &bench, NULL) < 0)
                fail("register", virGetLastErrorMessage());

        pthread_create(&bus_thread, NULL, run_bus, &bench);
        wait_for(&bench, 0);
        drive(&bench, domain, count);
        print_differences(&bench, count);

        /* Ends the threads with the process; they have nothing to give back. */
        fflush(stdout);
        _Exit(EXIT_SUCCESS);
}
