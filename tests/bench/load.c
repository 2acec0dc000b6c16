/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* load ADDRESS PATHS WHAT IN-FLIGHT CLIENTS MILLISECONDS PID
 *
 * Calls org.libvirt on the bus at ADDRESS for the time given, by so many clients with a bus connection each
 * and so many calls always in flight on each, and prints one line: calls, nanoseconds elapsed, nanoseconds of
 * CPU that process PID spent meanwhile. PATHS, with commas between, are called in turn. WHAT is "state"
 * (Domain.GetState), "active" (Properties.Get of Active, which asks libvirt) or "mirror" (the same of
 * guestbusd's own interface, which does not) or "ping" (Peer.Ping, which does nothing). In C, so that the
 * measuring side is not what limits. */

#include "client.h"

#include <inttypes.h>
#include <poll.h>

typedef struct Load Load;

typedef struct {
        Load *load;
        sd_bus *bus;
} Client;

struct Load {
        Client *clients;
        struct pollfd *polls; /* one for each client */
        size_t n_clients;
        char **paths;
        size_t n_paths, turn;
        const char *interface; /* as in calls[] */
        bool ending;
        uint64_t in_flight, done;
};

#define PEER "org.freedesktop.DBus.Peer"

/* What can be called: its name here, and the interface whose Active is read, PEER, or NULL for GetState. */
static const struct {
        const char *name, *interface;
} calls[] = {
        {"state", NULL},
        {"active", "org.libvirt.Domain"},
        {"mirror", "org.guestbus.Domain1"},
        {"ping", PEER},
};

static const char *find_interface(const char *call)
{
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
                if (strcmp(calls[i].name, call) == 0)
                        return calls[i].interface;

        fail(call, "no such call");
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error);

static void send_call(Client *client)
{
        Load *load = client->load;
        const char *path = load->paths[load->turn++ % load->n_paths];
        int r;

        if (!load->interface)
                r = sd_bus_call_method_async(client->bus, NULL, SERVICE, path, "org.libvirt.Domain",
                                             "GetState", on_reply, client, "u", 0);
        else if (strcmp(load->interface, PEER) == 0)
                r = sd_bus_call_method_async(client->bus, NULL, SERVICE, path, PEER, "Ping", on_reply, client,
                                             NULL);
        else
                r = sd_bus_call_method_async(client->bus, NULL, SERVICE, path,
                                             "org.freedesktop.DBus.Properties", "Get", on_reply, client, "ss",
                                             load->interface, "Active");

        if (r < 0)
                fail("send", strerror(-r));

        load->in_flight++;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        Client *client = userdata;

        /* A benchmark of refusals would be a fast one. */
        if (sd_bus_message_is_method_error(reply, NULL))
                fail("call", sd_bus_message_get_error(reply)->message);

        client->load->in_flight--;
        client->load->done++;

        if (!client->load->ending)
                send_call(client);

        return 1;
}

/* Handles what has come for one client; the end is looked at in between, as it may never run out. */
static void process(Client *client, int64_t deadline)
{
        int r;

        while ((r = sd_bus_process(client->bus, NULL)) > 0)
                if (now_ns(CLOCK_MONOTONIC) >= deadline)
                        client->load->ending = true;

        if (r < 0)
                fail("process", strerror(-r));
}

static void wait_for_any(Load *load)
{
        for (size_t i = 0; i < load->n_clients; i++) {
                load->polls[i].fd = sd_bus_get_fd(load->clients[i].bus);
                load->polls[i].events = (short)sd_bus_get_events(load->clients[i].bus);
        }

        if (poll(load->polls, load->n_clients, 10) < 0)
                fail("poll", strerror(errno));
}

static void run_for(Load *load, unsigned each, int64_t duration_ns)
{
        int64_t deadline = now_ns(CLOCK_MONOTONIC) + duration_ns;
        int64_t given_up = deadline + PATIENCE * INT64_C(1000000000);

        load->ending = false;
        for (size_t i = 0; i < load->n_clients; i++)
                for (unsigned j = 0; j < each; j++)
                        send_call(&load->clients[i]);

        while (load->in_flight > 0) {
                for (size_t i = 0; i < load->n_clients; i++)
                        if (load->polls[i].revents)
                                process(&load->clients[i], deadline);

                wait_for_any(load);
                load->ending = load->ending || now_ns(CLOCK_MONOTONIC) >= deadline;
                if (now_ns(CLOCK_MONOTONIC) > given_up)
                        fail("call", "no answer");
        }
}

static void split_paths(Load *load, char *paths)
{
        for (char *path = strtok(paths, ","); path; path = strtok(NULL, ",")) {
                load->paths = realloc(load->paths, (load->n_paths + 1) * sizeof(char *));
                load->paths[load->n_paths++] = path;
        }

        if (load->n_paths == 0)
                fail("path", "none is given");
}

/* Connects them all, and sees that the bus has let each in: nothing of that is measured. */
static void open_clients(Load *load, const char *address, size_t n)
{
        load->n_clients = n;
        load->clients = calloc(n, sizeof(Client));
        load->polls = calloc(n, sizeof(struct pollfd));

        for (size_t i = 0; i < n; i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                sd_bus *bus = open_bus(address);

                if (sd_bus_call_method(bus, SERVICE, load->paths[0], PEER, "Ping", &error, NULL, NULL) < 0)
                        fail("ping", error.message);

                load->clients[i] = (Client){load, bus};
                load->polls[i].revents = POLLIN;
        }
}

int main(int argc, char *argv[])
{
        Load load = {0};
        clockid_t server;
        int64_t duration, started, elapsed, cpu;
        unsigned each;

        if (argc != 8) {
                fprintf(stderr,
                        "usage: load ADDRESS PATHS state|active|mirror|ping IN-FLIGHT CLIENTS MILLISECONDS"
                        " PID\n");
                return EXIT_FAILURE;
        }

        split_paths(&load, argv[2]);
        load.interface = find_interface(argv[3]);
        each = (unsigned)strtoul(argv[4], NULL, 10);
        duration = strtoll(argv[6], NULL, 10) * 1000000;
        server = cpu_clock(argv[7]);
        open_clients(&load, argv[1], strtoul(argv[5], NULL, 10));

        /* Caches, thread pools and allocators warm up before the clock starts. */
        run_for(&load, each, duration / 10);
        load.done = 0;

        cpu = now_ns(server);
        started = now_ns(CLOCK_MONOTONIC);
        run_for(&load, each, duration);
        elapsed = now_ns(CLOCK_MONOTONIC) - started;
        cpu = now_ns(server) - cpu;

        printf("%" PRIu64 " %" PRId64 " %" PRId64 "\n", load.done, elapsed, cpu);
        for (size_t i = 0; i < load.n_clients; i++)
                sd_bus_flush_close_unref(load.clients[i].bus);

        return EXIT_SUCCESS;
}
