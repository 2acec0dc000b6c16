/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* events ADDRESS URI NAME CONNECTION PID WHAT LISTENERS COUNT NATIVE PACE
 *
 * What events cost the daemon with process id PID. So many listeners, each with a thread and a bus connection
 * of its own, have one match rule for all that is below /org/libvirt, while the main thread makes COUNT
 * events of the running guest NAME: WHAT is "lifecycle" (it is suspended and resumed) or "metadata-change".
 * Each listener must hear of each event once by the signal of org.libvirt, and by the one of org.guestbus too
 * where NATIVE is 1; more or fewer signals of these than events are a failure.
 *
 * PACE "single": the next event comes when all have heard of the last; and a callback of libvirt's has too,
 * so that without any listener the pace is the same. PACE "burst": the daemon is stopped while they are made,
 * and finds all of them when it is let go on.
 *
 * Prints nanoseconds of CPU, how many signals of all kinds a listener received, and nanoseconds until all had
 * heard of all (from when the daemon was let go on). */

#include "client.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>

/* For how many seconds a client of libvirtd can be stopped: it is asked every 5 s, 5 times. */
#define STOPPED 25

typedef struct Bench Bench;

typedef struct {
        Bench *bench;
        bool ready;
        size_t compatible, native, all;
} Listener;

struct Bench {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        size_t direct;
        Listener *listeners;
        size_t n_listeners;
        const char *address, *what;
        bool metadata, native;
        char uuid[VIR_UUID_STRING_BUFLEN];
        char domain_path[160];
};

static void on_direct(Bench *bench, virDomainPtr domain)
{
        char uuid[VIR_UUID_STRING_BUFLEN];

        if (virDomainGetUUIDString(domain, uuid) < 0 || strcmp(uuid, bench->uuid) != 0)
                return;

        pthread_mutex_lock(&bench->lock);
        bench->direct++;
        pthread_cond_broadcast(&bench->changed);
        pthread_mutex_unlock(&bench->lock);
}

static void on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *opaque)
{
        on_direct(opaque, domain);
}

static void on_metadata(virConnectPtr connection, virDomainPtr domain, int type, const char *uri,
                        void *opaque)
{
        on_direct(opaque, domain);
}

/* Whether the signal is libvirt-dbus's for the event that is made. */
static bool is_compatible(const Bench *bench, sd_bus_message *signal)
{
        const char *path = sd_bus_message_get_path(signal);

        if (bench->metadata)
                return sd_bus_message_is_signal(signal, "org.libvirt.Domain", "MetadataChange") > 0 &&
                       strcmp(path, bench->domain_path) == 0;

        return sd_bus_message_is_signal(signal, "org.libvirt.Connect", "DomainEvent") > 0 &&
               sd_bus_message_read(signal, "o", &path) > 0 && strcmp(path, bench->domain_path) == 0;
}

static bool is_native(const Bench *bench, sd_bus_message *signal)
{
        const char *kind;

        return sd_bus_message_is_signal(signal, "org.guestbus.Domain1", "Event") > 0 &&
               strcmp(sd_bus_message_get_path(signal), bench->domain_path) == 0 &&
               sd_bus_message_read(signal, "s", &kind) > 0 && strcmp(kind, bench->what) == 0;
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        Listener *listener = userdata;
        Bench *bench = listener->bench;
        bool compatible = is_compatible(bench, signal), native = is_native(bench, signal);

        pthread_mutex_lock(&bench->lock);
        listener->compatible += compatible;
        listener->native += native;
        listener->all++;

        if (compatible || native)
                pthread_cond_broadcast(&bench->changed);

        pthread_mutex_unlock(&bench->lock);
        return 0;
}

static void *run_listener(void *opaque)
{
        Listener *listener = opaque;
        Bench *bench = listener->bench;
        sd_bus *bus = open_bus(bench->address);
        int r;

        if ((r = sd_bus_add_match(bus, NULL, "type='signal',path_namespace='/org/libvirt'", on_signal,
                                  listener)) < 0)
                fail("match", strerror(-r));

        pthread_mutex_lock(&bench->lock);
        listener->ready = true;
        pthread_cond_broadcast(&bench->changed);
        pthread_mutex_unlock(&bench->lock);

        serve_bus(bus);
}

static bool have_all(const Bench *bench, size_t n)
{
        for (size_t i = 0; i < bench->n_listeners; i++) {
                const Listener *listener = &bench->listeners[i];

                if (!listener->ready || listener->compatible < n || (bench->native && listener->native < n))
                        return false;
        }

        return bench->direct >= n;
}

/* Waits until everybody is ready and has heard of @n events. */
static void wait_for(Bench *bench, size_t n)
{
        struct timespec deadline;

        clock_gettime(CLOCK_MONOTONIC, &deadline);
        deadline.tv_sec += PATIENCE;
        pthread_mutex_lock(&bench->lock);

        while (!have_all(bench, n))
                if (pthread_cond_timedwait(&bench->changed, &bench->lock, &deadline) == ETIMEDOUT)
                        fail("events", "somebody was not told of one");

        pthread_mutex_unlock(&bench->lock);
}

static void check_counts(Bench *bench, size_t count)
{
        pthread_mutex_lock(&bench->lock);

        for (size_t i = 0; i < bench->n_listeners; i++) {
                const Listener *listener = &bench->listeners[i];

                if (listener->compatible != count || listener->native != (bench->native ? count : 0))
                        fail("events", "a listener was told more often than there was something to tell");
        }

        pthread_mutex_unlock(&bench->lock);
}

static int make_event(const Bench *bench, virDomainPtr domain, size_t number)
{
        char xml[64];

        if (!bench->metadata)
                return number % 2 == 0 ? virDomainSuspend(domain) : virDomainResume(domain);

        snprintf(xml, sizeof(xml), "<bench number='%zu'/>", number);
        return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, xml, "bench", "urn:guestbus:bench",
                                    VIR_DOMAIN_AFFECT_LIVE);
}

static void drive_single(Bench *bench, virDomainPtr domain, size_t count)
{
        static const struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};

        for (size_t i = 0; i < count; i++) {
                if (make_event(bench, domain, i) < 0)
                        fail("guest", virGetLastErrorMessage());

                wait_for(bench, i + 1);

                /* Not for luck: events as they come in life, to processes that have gone to sleep. */
                nanosleep(&pause, NULL);
        }
}

static void signal_daemon(const char *pid, int number)
{
        if (kill((pid_t)strtol(pid, NULL, 10), number) < 0)
                fail(pid, strerror(errno));
}

/* Makes them all, and returns whether it did so before libvirtd gives up a client that says nothing. */
static bool make_burst(const Bench *bench, virDomainPtr domain, size_t count)
{
        int64_t deadline = now_ns(CLOCK_MONOTONIC) + STOPPED * INT64_C(1000000000);

        for (size_t i = 0; i < count; i++)
                if (now_ns(CLOCK_MONOTONIC) > deadline || make_event(bench, domain, i) < 0)
                        return false;

        return true;
}

/* Returns when the daemon was let go on. */
static int64_t drive_burst(Bench *bench, virDomainPtr domain, size_t count, const char *pid)
{
        int64_t began;
        bool made;

        signal_daemon(pid, SIGSTOP);
        made = make_burst(bench, domain, count);
        began = now_ns(CLOCK_MONOTONIC);
        signal_daemon(pid, SIGCONT);
        if (!made)
                fail("burst", "so many events cannot be made here before libvirtd gives the daemon up");

        wait_for(bench, count);
        return began;
}

static void bench_init(Bench *bench, virDomainPtr domain, const char *connection)
{
        pthread_condattr_t attributes;

        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&bench->changed, &attributes);
        pthread_mutex_init(&bench->lock, NULL);

        if (virDomainGetUUIDString(domain, bench->uuid) < 0)
                fail("uuid", virGetLastErrorMessage());

        snprintf(bench->domain_path, sizeof(bench->domain_path), "/org/libvirt/%s/domain/_%s", connection,
                 bench->uuid);

        for (char *c = bench->domain_path; *c; c++)
                if (*c == '-')
                        *c = '_';
}

static void start_threads(Bench *bench, virConnectPtr connection, size_t listeners)
{
        pthread_t thread;
        int id = bench->metadata ? VIR_DOMAIN_EVENT_ID_METADATA_CHANGE : VIR_DOMAIN_EVENT_ID_LIFECYCLE;
        virConnectDomainEventGenericCallback callback = bench->metadata
                                                                ? VIR_DOMAIN_EVENT_CALLBACK(on_metadata)
                                                                : VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle);

        if (virConnectDomainEventRegisterAny(connection, NULL, id, callback, bench, NULL) < 0)
                fail("register", virGetLastErrorMessage());

        bench->listeners = calloc(listeners + 1, sizeof(Listener));
        bench->n_listeners = listeners;
        pthread_create(&thread, NULL, run_libvirt, NULL);

        for (size_t i = 0; i < listeners; i++) {
                bench->listeners[i].bench = bench;
                pthread_create(&thread, NULL, run_listener, &bench->listeners[i]);
        }

        wait_for(bench, 0);
}

int main(int argc, char *argv[])
{
        Bench bench = {0};
        virConnectPtr connection;
        virDomainPtr domain;
        clockid_t server;
        size_t count;
        int64_t cpu, began, elapsed;

        if (argc != 11 || virEventRegisterDefaultImpl() < 0) {
                fprintf(stderr, "usage: events ADDRESS URI NAME CONNECTION PID lifecycle|metadata-change "
                                "LISTENERS COUNT NATIVE single|burst\n");
                return EXIT_FAILURE;
        }

        connection = open_libvirt(argv[2]);
        domain = virDomainLookupByName(connection, argv[3]);
        if (!domain)
                fail(argv[3], virGetLastErrorMessage());

        server = cpu_clock(argv[5]);
        count = strtoul(argv[8], NULL, 10);
        bench.address = argv[1];
        bench.what = argv[6];
        bench.metadata = strcmp(argv[6], "metadata-change") == 0;
        bench.native = strcmp(argv[9], "1") == 0;
        bench_init(&bench, domain, argv[4]);
        start_threads(&bench, connection, strtoul(argv[7], NULL, 10));
        wait_still(server);

        cpu = now_ns(server);
        began = now_ns(CLOCK_MONOTONIC);
        if (strcmp(argv[10], "burst") == 0)
                began = drive_burst(&bench, domain, count, argv[5]);
        else
                drive_single(&bench, domain, count);

        elapsed = now_ns(CLOCK_MONOTONIC) - began;
        wait_still(server);
        cpu = now_ns(server) - cpu;

        check_counts(&bench, count);
        printf("%" PRId64 " %zu %" PRId64 "\n", cpu, bench.n_listeners > 0 ? bench.listeners[0].all : 0,
               elapsed);

        /* Ends the threads with the process; they have nothing to give back. */
        fflush(stdout);
        _Exit(EXIT_SUCCESS);
}
