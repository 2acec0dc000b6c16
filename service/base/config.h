/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* The configuration: connections and limits. It is read once and constant from then on: any thread may read
 * it. */

/* Everything that a client can make grow has one of these. The reasons for the defaults stand in config.c. */
typedef struct Limits {
        unsigned workers;               /* short calls to libvirt at once, per connection */
        unsigned calls_per_sender;      /* calls in flight, per bus name */
        unsigned calls_total;           /* calls in flight, all callers together */
        unsigned request_bytes;         /* arguments of one call */
        unsigned monitor_request_bytes; /* the same of a caller that may only monitor */
        unsigned pending_bytes;         /* arguments of all calls in flight */
        unsigned reply_bytes;           /* one reply or signal */
        unsigned error_bytes;           /* the message of an error reply */
        unsigned output_bytes;          /* messages that the bus has not read; 0: any */
        unsigned bus_timeout;           /* s that it may read nothing while some wait; 0: for ever */
        unsigned open_timeout;          /* s that calls wait for a connection that is being opened */
        unsigned events_kept;           /* events that GetEvents can return, per connection */
        unsigned events_bytes;          /* the same, in bytes */
        unsigned decision_age;       /* s that a decision to manage is good for; 0: until something changes */
        unsigned streams;            /* transfers and consoles at once */
        unsigned views;              /* callers at once that are forwarded to libvirt */
        unsigned view_idle;          /* s that what was opened for a caller outlives its last bus name */
        unsigned check_interval;     /* s between comparisons of everything with libvirt; 0: none are made */
        unsigned poll_interval;      /* the same where libvirt has no events of changes; 0: no more */
        unsigned keepalive_interval; /* s between libvirt's keep-alive messages; 0: none are sent */
        unsigned keepalive_count;    /* unanswered ones before a connection counts as lost */
} Limits;

typedef struct ConnectionConfig {
        char *name; /* last element of the object's path */
        char *uri;
        gboolean forward; /* each caller is served as libvirt serves that caller */
} ConnectionConfig;

typedef struct Config {
        GPtrArray *connections;     /* of ConnectionConfig */
        gboolean connections_given; /* by a file or an option: there is no built-in list, also where it is
                                       empty */
        char **forward;     /* the names of those to forward callers to, or NULL; see config_complete() */
        char *forward_file; /* which says so */
        Limits limits;
} Config;

typedef enum BusKind {
        BUS_SYSTEM,
        BUS_SESSION,
} BusKind;

/* The default limits and no connections. Free with config_free(). */
Config *config_new(void);
void config_free(Config *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* Reads @path: group [connections] of NAME=URI, [identity] and [limits]. Keys win over those of files that
 * were read before. The first file with [connections] replaces the list that is there, also with none; in
 * later ones NAME= takes a connection away. What it does not know is an error that says where it
 * is and what would be right. */
gboolean config_load(Config *config, const char *path, GError **error);

/* Reads guestbusd.conf in @directory, and then what ends in .conf in guestbusd.conf.d there, by name, as far
 * as they are there. */
gboolean config_load_directory(Config *config, const char *directory, GError **error);

/* Where those of a service on that kind of bus are: the host's or the user's, or what GUESTBUS_CONFIG_DIR
 * says. NULL when that is empty: none are read. Free with g_free(). */
char *config_directory(BusKind kind);

/* Leaves no connection, and none of the built-in list to be added. */
void config_clear_connections(Config *config);

/* Adds a connection. An error when @name is no element of an object path, @uri is no URI, or the name is
 * taken. */
gboolean config_add_connection(Config *config, const char *name, const char *uri, GError **error);

/* Adds one from the command line's form NAME=URI. */
gboolean config_add_connection_option(Config *config, const char *option, GError **error);

/* Sets the limit that the configuration file calls @name, within its bounds. */
gboolean config_set_limit(Config *config, const char *name, guint64 value, GError **error);

/* When all connections are there: marks those that callers are forwarded to. An error where one of them is
 * not there, or where libvirt runs its driver in this process, which does not check the identity of callers.
 */
gboolean config_complete(Config *config, GError **error);

/* Adds the drivers that libvirt knows for that kind of bus, under the names that clients expect. */
void config_add_default_connections(Config *config, BusKind kind);
