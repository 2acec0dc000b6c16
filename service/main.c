/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* guestbusd: options, configuration, then the service. */

#include "base/config.h"
#include "base/log.h"
#include "bus/spare_descriptors.h"
#include "daemon.h"

#include <errno.h>
#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#define THREADS_UNSET G_MININT

typedef struct Options {
        gboolean system, session, replace, verbose, version, check;
        char *address, *config;
        char **connect;
        int threads;
} Options;

static void options_clear(Options *options)
{
        g_free(options->address);
        g_free(options->config);
        g_strfreev(options->connect);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean options_parse(Options *options, int argc, char **argv, GError **error)
{
        /* FILENAME is the type that takes bytes as they are, so that a wrong one can be quoted. */
        const GOptionEntry entries[] = {
                {"system", 0, 0, G_OPTION_ARG_NONE, &options->system,
                 "Serve on the system bus (default for root)", NULL},
                {"session", 0, 0, G_OPTION_ARG_NONE, &options->session, "Serve on the session bus", NULL},
                {"address", 0, 0, G_OPTION_ARG_FILENAME, &options->address,
                 "Serve on the bus at this D-Bus address", "ADDRESS"},
                {"connect", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &options->connect,
                 "Connect to URI as /org/libvirt/NAME; repeatable, replaces the default list", "NAME=URI"},
                {"config", 0, 0, G_OPTION_ARG_FILENAME, &options->config, "Read this configuration file",
                 "FILE"},
                {"check", 0, 0, G_OPTION_ARG_NONE, &options->check,
                 "Say whether options and configuration make sense, and exit", NULL},
                {"replace", 0, 0, G_OPTION_ARG_NONE, &options->replace,
                 "Take the place of a running instance", NULL},
                {"threads", 't', 0, G_OPTION_ARG_INT, &options->threads,
                 "Run at most this many libvirt calls at once on each connection", "N"},
                {"verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose, "Log more", NULL},
                {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit", NULL},
                {NULL},
        };
        g_autoptr(GOptionContext) context = g_option_context_new("- libvirt on D-Bus");

        g_option_context_add_main_entries(context, entries, NULL);
        if (!g_option_context_parse(context, &argc, &argv, error))
                return FALSE;

        if (argc > 1) {
                g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "unexpected argument \"%s\"; see --help for the options", argv[1]);
                return FALSE;
        }

        return TRUE;
}

static gboolean options_check(const Options *options, GError **error)
{
        if (options->system + options->session + (options->address != NULL) > 1) {
                g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                                    "--system, --session and --address exclude each other");
                return FALSE;
        }

        if (options->address && !g_dbus_is_address(options->address)) {
                g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "\"%s\" is not a D-Bus address such as unix:path=/run/dbus/system_bus_socket",
                            options->address);
                return FALSE;
        }

        return TRUE;
}

/* libvirt-dbus has one pool for everything, and its option may ask for more threads than
 * make a host faster: what is too much is cut, not refused, so that no unit file has to be changed. */
static gboolean apply_threads(Config *config, int threads, GError **error)
{
        if (threads == THREADS_UNSET)
                return TRUE;

        if (threads < 1) {
                g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "--threads is %d, but must be 1 or more", threads);
                return FALSE;
        }

        if (threads > 5)
                g_message("--threads %d: more than 5 make no host faster; using 5", threads);

        return config_set_limit(config, "workers", MIN(threads, 5), error);
}

static gboolean load_files(Config *config, const Options *options, BusKind bus, GError **error)
{
        g_autofree char *directory = NULL;

        if (options->config)
                return config_load(config, options->config, error);

        directory = config_directory(bus);
        return !directory || config_load_directory(config, directory, error);
}

static gboolean load_config(Config *config, const Options *options, BusKind bus, GError **error)
{
        if (!load_files(config, options, bus, error))
                return FALSE;

        if (options->connect)
                config_clear_connections(config);
        for (char **each = options->connect; each && *each; each++)
                if (!config_add_connection_option(config, *each, error))
                        return FALSE;

        if (!config->connections_given)
                config_add_default_connections(config, bus);

        return config_complete(config, error) && apply_threads(config, options->threads, error);
}

static void print_version(void)
{
        unsigned long libvirt = 0;

        virGetVersion(&libvirt, NULL, NULL);
        printf("guestbusd %s (libvirt %lu.%lu.%lu)\n", GUESTBUS_VERSION, libvirt / 1000000,
               libvirt / 1000 % 1000, libvirt % 1000);
}

/* glibc gives each thread a heap of its own, which keeps the most that it ever held. Two for all of them cost
 * the calls nothing that can be measured. */
static void limit_heaps(void)
{
        mallopt(M_ARENA_MAX, 2);
}

/* What the unit says with NoNewPrivileges=, for where the bus starts the service without systemd. Not for a
 * user's service: libvirt starts that user's own libvirtd from within it, whose guests need set-uid helpers.
 * Not for root's: it has nothing to gain, and what it may start the same way changes to its AppArmor profile.
 */
static void give_up_gains(BusKind bus)
{
        if (bus == BUS_SYSTEM && geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                g_warning("failed to rule out new privileges: %s", g_strerror(errno));
}

static gboolean run(const Options *options, BusKind bus, const Config *config, GError **error)
{
        const DaemonOptions service = {
                .bus = bus,
                .address = options->address,
                .replace = options->replace,
        };

        give_up_gains(bus);

        if (virInitialize() < 0) {
                g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "libvirt cannot be initialized: %s",
                            virGetLastErrorMessage());
                return FALSE;
        }

        return daemon_run(config, &service, error);
}

/* For programs that install a file: neither a bus nor libvirt is needed. */
static int check(Config *config, const Options *options, BusKind bus)
{
        g_autoptr(GError) error = NULL;

        if (load_config(config, options, bus, &error))
                return EXIT_SUCCESS;

        fprintf(stderr, "guestbusd: %s\n", error->message);
        return EX_CONFIG;
}

/* Without a word, root means the system. */
static BusKind bus_kind(const Options *options)
{
        return options->system || (!options->session && geteuid() == 0) ? BUS_SYSTEM : BUS_SESSION;
}

/* What only a human can mend has statuses of its own: the service manager does not try again. */
int main(int argc, char **argv)
{
        g_auto(Options) options = {.threads = THREADS_UNSET};
        g_autoptr(Config) config = config_new();
        g_autoptr(GError) error = NULL;

        log_init(LOG_NOTICE);
        if (!options_parse(&options, argc, argv, &error) || !options_check(&options, &error)) {
                log_fatal("%s", error->message);
                return EX_USAGE;
        }

        if (options.version) {
                print_version();
                return EXIT_SUCCESS;
        }

        if (options.check)
                return check(config, &options, bus_kind(&options));

        if (options.verbose)
                log_set_level(LOG_DEBUG);
        /* A peer that closes its end is an error of that write, not of the process. */
        signal(SIGPIPE, SIG_IGN);
        spare_descriptors_init();
        limit_heaps();

        if (!load_config(config, &options, bus_kind(&options), &error)) {
                log_fatal("%s", error->message);
                return EX_CONFIG;
        }

        if (!run(&options, bus_kind(&options), config, &error)) {
                log_fatal("%s", error->message);
                return EXIT_FAILURE;
        }

        return EXIT_SUCCESS;
}
