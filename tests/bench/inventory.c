/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a program gets to know of all domains of a hypervisor. WAY is "managed" (one GetManagedObjects), "each"
 * (ListDomains, then GetAll and GetState of each domain, many in flight: the only way of libvirt-dbus),
 * "state" or "all" (GetAllDomainStats, of the state alone or of all that there is), or "resync" (guestbusd
 * compares all that it knows with libvirt, and must find no difference).
 *
 * inventory populate URI COUNT
 *      Defines or undefines domains until there are so many. Those that run stay.
 * inventory ask ADDRESS NAME WAY COUNT TIMES PID
 *      Asks so many times for the domains of /org/libvirt/NAME, which must be COUNT. Prints what one time
 *      takes: nanoseconds until the last reply is here, and nanoseconds of CPU of process PID.
 * inventory owner ADDRESS
 *      Says "ready", waits until org.libvirt is owned, and prints CLOCK_MONOTONIC of that in nanoseconds.
 * inventory start ADDRESS NAME WAY COUNT
 *      As "owner", then asks until the service knows COUNT domains, and prints the time of the last reply.
 * inventory plain URI WAY COUNT TIMES
 *      As "ask", but by virConnectGetAllDomainStats(), of "state" or "all", with its own CPU time. */

#include "client.h"

#include <inttypes.h>
#include <unistd.h>

#define IN_FLIGHT 64

typedef struct {
        sd_bus *bus;
        const char **paths; /* on loan from the list */
        size_t n, sent, received;
} Each;

static void check(const char *what, int r)
{
        if (r < 0)
                fail(what, strerror(-r));
}

static sd_bus_message *call(sd_bus *bus, const char *path, const char *interface, const char *member,
                            const char *types, unsigned first, unsigned second)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply;

        /* What @types does not name is not looked at. */
        if (sd_bus_call_method(bus, SERVICE, path, interface, member, &error, &reply, types, first, second) <
            0)
                fail(member, error.message);

        return reply;
}

static size_t count_domains(sd_bus_message *reply, const char *root)
{
        char prefix[128];
        const char *path;
        size_t n = 0;
        int r;

        snprintf(prefix, sizeof(prefix), "%s/domain/", root);
        check("reply", sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"));

        while ((r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
                check("path", sd_bus_message_read(reply, "o", &path));
                check("object", sd_bus_message_skip(reply, "a{sa{sv}}"));
                check("object", sd_bus_message_exit_container(reply));
                n += strncmp(path, prefix, strlen(prefix)) == 0;
        }

        check("reply", r);
        return n;
}

/* Returns how many domains there are; *@at is when the reply came: counting is not part of it. */
static size_t ask_managed(sd_bus *bus, const char *root, int64_t *at)
{
        sd_bus_message *reply = call(bus, "/org/libvirt", "org.freedesktop.DBus.ObjectManager",
                                     "GetManagedObjects", NULL, 0, 0);
        size_t n;

        *at = now_ns(CLOCK_MONOTONIC);
        n = count_domains(reply, root);
        sd_bus_message_unref(reply);
        return n;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Each *each = userdata;

        if (sd_bus_message_is_method_error(reply, NULL))
                fail("call", sd_bus_message_get_error(reply)->message);

        each->received++;
        return 1;
}

/* Even ones are GetAll, odd ones GetState. */
static void send_next(Each *each)
{
        const char *path = each->paths[each->sent / 2];
        int r;

        if (each->sent % 2 == 0)
                r = sd_bus_call_method_async(each->bus, NULL, SERVICE, path,
                                             "org.freedesktop.DBus.Properties", "GetAll", on_reply, each, "s",
                                             "org.libvirt.Domain");
        else
                r = sd_bus_call_method_async(each->bus, NULL, SERVICE, path, "org.libvirt.Domain", "GetState",
                                             on_reply, each, "u", 0);

        check("send", r);
        each->sent++;
}

static size_t ask_each(sd_bus *bus, const char *root, int64_t *at)
{
        Each each = {.bus = bus};
        sd_bus_message *list = call(bus, root, "org.libvirt.Connect", "ListDomains", "u", 0, 0);

        check("list", sd_bus_message_enter_container(list, 'a', "o"));
        for (const char *path; sd_bus_message_read(list, "o", &path) > 0; each.n++) {
                each.paths = reallocarray(each.paths, each.n + 1, sizeof(char *));
                each.paths[each.n] = path;
        }

        while (each.received < 2 * each.n) {
                int r;

                while (each.sent < 2 * each.n && each.sent - each.received < IN_FLIGHT)
                        send_next(&each);

                check("process", r = sd_bus_process(bus, NULL));
                if (r == 0)
                        check("wait", sd_bus_wait(bus, UINT64_MAX));
        }

        *at = now_ns(CLOCK_MONOTONIC);
        free(each.paths);
        sd_bus_message_unref(list);
        return each.n;
}

static unsigned stats_of(const char *way)
{
        return strcmp(way, "state") == 0 ? VIR_DOMAIN_STATS_STATE : 0;
}

static size_t ask_stats(sd_bus *bus, const char *root, const char *way, int64_t *at)
{
        sd_bus_message *reply =
                call(bus, root, "org.libvirt.Connect", "GetAllDomainStats", "uu", stats_of(way), 0);
        size_t n = 0;
        int r;

        *at = now_ns(CLOCK_MONOTONIC);
        check("reply", sd_bus_message_enter_container(reply, 'a', "(sa{sv})"));
        while ((r = sd_bus_message_skip(reply, "(sa{sv})")) > 0)
                n++;

        if (r < 0 && r != -ENXIO)
                fail("record", strerror(-r));

        sd_bus_message_unref(reply);
        return n;
}

static size_t ask_resync(sd_bus *bus, const char *root, int64_t *at, size_t expected)
{
        sd_bus_message *reply = call(bus, root, "org.guestbus.Connection1", "Resync", NULL, 0, 0);
        uint32_t added, changed, removed;

        *at = now_ns(CLOCK_MONOTONIC);
        check("reply", sd_bus_message_read(reply, "uuu", &added, &changed, &removed));
        if (added + changed + removed > 0)
                fail("resync", "it found a difference");

        sd_bus_message_unref(reply);
        return expected;
}

/* Returns how many domains there are, as far as the way tells. */
static size_t ask(sd_bus *bus, const char *way, const char *root, int64_t *at, size_t expected)
{
        if (strcmp(way, "managed") == 0)
                return ask_managed(bus, root, at);
        if (strcmp(way, "each") == 0)
                return ask_each(bus, root, at);
        if (strcmp(way, "resync") == 0)
                return ask_resync(bus, root, at, expected);

        return ask_stats(bus, root, way, at);
}

static void check_count(size_t is, size_t expected)
{
        if (is != expected) {
                fprintf(stderr, "inventory: %zu domains of %zu\n", is, expected);
                exit(EXIT_FAILURE);
        }
}

static int run_ask(const char *address, const char *root, const char *way, const char *count, int64_t times,
                   const char *pid)
{
        clockid_t server = cpu_clock(pid);
        sd_bus *bus = open_bus(address);
        int64_t elapsed = 0, cpu = 0;

        wait_still(server);

        for (int64_t i = 0; i < times; i++) {
                int64_t began_cpu = now_ns(server), began = now_ns(CLOCK_MONOTONIC), ended;
                size_t n = ask(bus, way, root, &ended, strtoul(count, NULL, 10));

                /* The daemon's own end of it, such as freeing the reply, may come after the reply. */
                wait_still(server);
                elapsed += ended - began;
                cpu += now_ns(server) - began_cpu;
                check_count(n, strtoul(count, NULL, 10));
        }

        printf("%" PRId64 " %" PRId64 "\n", elapsed / times, cpu / times);
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}

static int on_owner(sd_bus_message *signal, void *userdata, sd_bus_error *error)
{
        *(bool *)userdata = true;
        return 0;
}

/* Returns when it was so. */
static int64_t wait_for_owner(sd_bus *bus)
{
        bool there = false;

        check("match", sd_bus_add_match(bus, NULL,
                                        "type='signal',sender='org.freedesktop.DBus',"
                                        "member='NameOwnerChanged',arg0='" SERVICE "'",
                                        on_owner, &there));
        printf("ready\n");
        fflush(stdout);

        while (!there) {
                int r;

                check("process", r = sd_bus_process(bus, NULL));
                if (r == 0)
                        check("wait", sd_bus_wait(bus, UINT64_MAX));
        }

        return now_ns(CLOCK_MONOTONIC);
}

static int run_owner(const char *address)
{
        sd_bus *bus = open_bus(address);

        printf("%" PRId64 "\n", wait_for_owner(bus));
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}

static int run_start(const char *address, const char *root, const char *way, const char *count)
{
        sd_bus *bus = open_bus(address);
        size_t expected = strtoul(count, NULL, 10);
        int64_t at;

        wait_for_owner(bus);
        while (ask(bus, way, root, &at, expected) != expected)
                ;

        printf("%" PRId64 "\n", at);
        sd_bus_flush_close_unref(bus);
        return EXIT_SUCCESS;
}

static int run_plain(const char *uri, const char *way, const char *count, int64_t times)
{
        virConnectPtr connection = open_libvirt(uri);
        int64_t elapsed = 0, cpu = 0;

        for (int64_t i = 0; i < times; i++) {
                int64_t began_cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID), began = now_ns(CLOCK_MONOTONIC);
                virDomainStatsRecordPtr *records;
                int n = virConnectGetAllDomainStats(connection, stats_of(way), &records, 0);

                if (n < 0)
                        fail("stats", virGetLastErrorMessage());

                elapsed += now_ns(CLOCK_MONOTONIC) - began;
                virDomainStatsRecordListFree(records);
                cpu += now_ns(CLOCK_PROCESS_CPUTIME_ID) - began_cpu;
                check_count((size_t)n, strtoul(count, NULL, 10));
        }

        printf("%" PRId64 " %" PRId64 "\n", elapsed / times, cpu / times);
        return EXIT_SUCCESS;
}

static void define(virConnectPtr connection, size_t number)
{
        char xml[512];
        virDomainPtr domain;

        /* A number of its own: of those that were defined before, any may be left. */
        snprintf(xml, sizeof(xml),
                 "<domain type='qemu'><name>inventory-%d-%zu</name><memory unit='MiB'>32</memory>"
                 "<vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os><devices>"
                 "<emulator>/usr/bin/qemu-system-x86_64</emulator><memballoon model='none'/>"
                 "</devices></domain>",
                 (int)getpid(), number);
        domain = virDomainDefineXML(connection, xml);
        if (!domain)
                fail("define", virGetLastErrorMessage());

        virDomainFree(domain);
}

static int run_populate(const char *uri, size_t count)
{
        virConnectPtr connection = open_libvirt(uri);
        virDomainPtr *inactive;
        int n = virConnectListAllDomains(connection, NULL, 0);
        int n_inactive = virConnectListAllDomains(connection, &inactive, VIR_CONNECT_LIST_DOMAINS_INACTIVE);

        if (n < 0 || n_inactive < 0)
                fail("list", virGetLastErrorMessage());

        for (size_t i = 0; i < (size_t)n_inactive; i++) {
                if ((size_t)n > count) {
                        if (virDomainUndefine(inactive[i]) < 0)
                                fail("undefine", virGetLastErrorMessage());

                        n--;
                }

                virDomainFree(inactive[i]);
        }

        free(inactive);
        for (; (size_t)n < count; n++)
                define(connection, (size_t)n);

        check_count((size_t)n, count);
        return EXIT_SUCCESS;
}

static const char *root_of(const char *name)
{
        static char root[64];

        snprintf(root, sizeof(root), "/org/libvirt/%s", name);
        return root;
}

int main(int argc, char *argv[])
{
        const char *what = argc > 1 ? argv[1] : "";

        if (argc == 4 && strcmp(what, "populate") == 0)
                return run_populate(argv[2], strtoul(argv[3], NULL, 10));
        if (argc == 3 && strcmp(what, "owner") == 0)
                return run_owner(argv[2]);
        if (argc == 8 && strcmp(what, "ask") == 0)
                return run_ask(argv[2], root_of(argv[3]), argv[4], argv[5], strtoll(argv[6], NULL, 10),
                               argv[7]);
        if (argc == 6 && strcmp(what, "start") == 0)
                return run_start(argv[2], root_of(argv[3]), argv[4], argv[5]);
        if (argc == 6 && strcmp(what, "plain") == 0)
                return run_plain(argv[2], argv[3], argv[4], strtoll(argv[5], NULL, 10));

        fprintf(stderr, "usage: inventory populate|ask|owner|start|plain ...\n");
        return EXIT_FAILURE;
}
