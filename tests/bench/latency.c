/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* latency ADDRESS URI NAME CONNECTION COUNT LISTENERS
 *
 * How much later than a libvirt client's callback the D-Bus signal for the same event is received. The
 * clients are in one process, a thread and a connection each: one waits for libvirt's lifecycle callbacks,
 * LISTENERS for DomainEvent of /org/libvirt/CONNECTION, and the main thread suspends and resumes the running
 * guest NAME so that COUNT events happen, one at a time. Each receiver stamps CLOCK_MONOTONIC as the first
 * thing it does. Prints one difference per line, of each event and listener, in nanoseconds; it is negative
 * where the signal came first. */

#include "client.h"

#include <inttypes.h>
#include <pthread.h>

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

typedef struct Bench Bench;

typedef struct {
        Bench *bench;
        Series series;
        bool ready;
} Listener;

struct Bench {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        Series direct;
        Listener *listeners;
        size_t n_listeners;
        const char *address;
        char path[64];
        char uuid[VIR_UUID_STRING_BUFLEN];
        char domain_path[160];
};

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
        int64_t at = now_ns(CLOCK_MONOTONIC);
        Bench *bench = opaque;
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domain, uuid) == 0 && strcmp(uuid, bench->uuid) == 0)
                record(bench, &bench->direct, event, detail, at);
}

static int on_domain_event(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        int64_t at = now_ns(CLOCK_MONOTONIC);
        Listener *listener = userdata;
        const char *path;
        int event, detail;

        if (sd_bus_message_read(signal, "oii", &path, &event, &detail) >= 0 &&
            strcmp(path, listener->bench->domain_path) == 0)
                record(listener->bench, &listener->series, event, detail, at);

        return 0;
}

static void *run_bus(void *opaque)
{
        Listener *listener = opaque;
        Bench *bench = listener->bench;
        sd_bus *bus = open_bus(bench->address);
        int r;

        if ((r = sd_bus_match_signal(bus, NULL, SERVICE, bench->path, "org.libvirt.Connect", "DomainEvent",
                                     on_domain_event, listener)) < 0)
                fail("bus", strerror(-r));

        pthread_mutex_lock(&bench->lock);
        listener->ready = true;
        pthread_cond_broadcast(&bench->changed);
        pthread_mutex_unlock(&bench->lock);

        serve_bus(bus);
}

static bool have_all(const Bench *bench, size_t n)
{
        for (size_t i = 0; i < bench->n_listeners; i++)
                if (!bench->listeners[i].ready || bench->listeners[i].series.n < n)
                        return false;

        return bench->direct.n >= n;
}

/* Waits until all receivers have seen @n events, and the match rules are in place. */
static void wait_for(Bench *bench, size_t n)
{
        struct timespec deadline;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += PATIENCE;
        pthread_mutex_lock(&bench->lock);

        while (!have_all(bench, n)) {
                if (pthread_cond_timedwait(&bench->changed, &bench->lock, &deadline) == ETIMEDOUT) {
                        fprintf(stderr, "latency: after %zu events libvirt delivered %zu and the bus %zu\n",
                                n, bench->direct.n, bench->listeners[0].series.n);
                        exit(EXIT_FAILURE);
                }
        }

        pthread_mutex_unlock(&bench->lock);
}

static void bench_init(Bench *bench, const char *address, const char *connection, size_t count,
                       size_t listeners)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&bench->changed, &attributes);
        pthread_mutex_init(&bench->lock, NULL);
        bench->address = address;
        bench->direct = (Series){calloc(count, sizeof(Stamp)), 0, count};
        bench->listeners = calloc(listeners, sizeof(Listener));
        bench->n_listeners = listeners;
        for (size_t i = 0; i < listeners; i++)
                bench->listeners[i] = (Listener){bench, {calloc(count, sizeof(Stamp)), 0, count}, false};
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

static void print_differences(const Bench *bench, const Listener *listener, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const Stamp *direct = &bench->direct.stamps[i], *bus = &listener->series.stamps[i];

                if (direct->event != bus->event || direct->detail != bus->detail)
                        fail("events", "the bus and libvirt do not agree");

                printf("%" PRId64 "\n", bus->at - direct->at);
        }
}

int main(int argc, char *argv[])
{
        Bench bench = {0};
        virConnectPtr listener, actor;
        virDomainPtr domain;
        pthread_t libvirt_thread, bus_thread;
        size_t count;

        if (argc != 7 || virEventRegisterDefaultImpl() < 0) {
                fprintf(stderr, "usage: latency ADDRESS URI NAME CONNECTION COUNT LISTENERS\n");
                return EXIT_FAILURE;
        }

        count = strtoul(argv[5], NULL, 10);
        bench_init(&bench, argv[1], argv[4], count, strtoul(argv[6], NULL, 10));
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

        for (size_t i = 0; i < bench.n_listeners; i++)
                pthread_create(&bus_thread, NULL, run_bus, &bench.listeners[i]);
        wait_for(&bench, 0);
        drive(&bench, domain, count);
        for (size_t i = 0; i < bench.n_listeners; i++)
                print_differences(&bench, &bench.listeners[i], count);

        /* Ends the threads with the process; they have nothing to give back. */
        fflush(stdout);
        _Exit(EXIT_SUCCESS);
}
