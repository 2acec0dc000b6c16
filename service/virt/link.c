/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeping a connection to libvirt open.
 *
 * Each attempt is a Session: it belongs to the job that opens it, then to the link, then to the job that
 * closes it. libvirt may report its end from any thread and at any moment, before the opening is known here
 * too. */

#include "virt/link.h"

#include "base/assert.h"
#include "base/background.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/uri.h"
#include "virt/autoptr.h"
#include "virt/driver.h"
#include "virt/event_loop.h"
#include "virt/socket_watch.h"

#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

/* The first wait after a loss: long enough for a restarting libvirtd to leave, too short to be noticed. */
#define BACKOFF_FIRST_MS 100
/* The longest wait while a hypervisor that was there is away. */
#define BACKOFF_MAX_MS 10000
/* The same for one that was never there. */
#define BACKOFF_NEVER_MS 60000

typedef struct Session {
        gatomicrefcount refs;
        Link *link;
        virConnectPtr conn;
        void *prepared;
        GError *error;
        int code;   /* libvirt's, of @error */
        int reason; /* libvirt's, of the end */
        /* Main thread. */
        gboolean lost;
        gboolean renewing;  /* a job has it */
        gboolean discarded; /* and is to be closed after that */
} Session;

struct Link {
        char *name, *uri;
        const Limits *limits;
        const LinkOwner *owner;
        void *data;

        LinkState state;
        Session *session;  /* while open */
        unsigned sessions; /* that are not freed */
        gboolean forwards; /* it acts for the caller @identity, or for none */
        const Identity *identity;
        GError *error;
        char *logged; /* the last failure that was */
        int close_reason;
        gboolean read_only;
        gboolean was_open;
        gboolean left; /* an attempt is under way that is not wanted any more */
        gboolean shut;
        unsigned backoff_ms;
        unsigned retry_timer;
        gboolean retry_soon; /* the timer is that of a socket that came */
        unsigned slow_timer;
        SocketWatch *watch; /* while not open */

        pthread_mutex_t lock;
        virConnectPtr conn; /* under lock: what workers may use */
};

static void link_closed(Link *link);

static Session *session_new(Link *link)
{
        Session *session = g_new0(Session, 1);

        g_atomic_ref_count_init(&session->refs);
        session->link = link;
        link->sessions++;
        session->reason = -1;
        return session;
}

static Session *session_ref(Session *session)
{
        g_atomic_ref_count_inc(&session->refs);
        return session;
}

static void session_unref(void *data)
{
        Session *session = data;

        ASSERT_MAIN();
        if (!g_atomic_ref_count_dec(&session->refs))
                return;

        session->link->sessions--;
        g_clear_error(&session->error);
        g_free(session);
}

static void session_end(void *data)
{
        Session *session = data;
        Link *link = session->link;

        ASSERT_MAIN();
        session->lost = TRUE;
        if (link->session == session)
                link_closed(link);

        session_unref(session);
}

/* libvirt delivers events that came before the end with a timer, in the next turn of the loop. The end must
 * be reported after them. */
static void session_lost(void *data)
{
        ASSERT_MAIN();
        main_queue_post(session_end, data);
}

/* Any thread: whichever reads the socket when it ends. */
static void session_close_callback(virConnectPtr conn, int reason, void *opaque)
{
        Session *session = opaque;

        /* Before the post, which the main thread reads after. */
        session->reason = reason;
        main_queue_post(session_lost, session_ref(session));
}

/* Whether libvirt accepts the identity of the caller that the link acts for. Worker thread. */
static gboolean link_identify(const Link *link, virConnectPtr conn, GError **error)
{
        if (!link->forwards)
                return TRUE;

        if (link->identity)
                return identity_forward(link->identity, conn, error);

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED,
                    "%s serves only callers whose identity is known", link->uri);
        return FALSE;
}

static virConnectPtr link_connect(const Link *link)
{
        return link->read_only ? virConnectOpenReadOnly(link->uri) : virConnectOpen(link->uri);
}

static void set_lost_early(const Link *link, GError **error)
{
        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                    "connection to %s was lost while it was opened", link->uri);
}

/* Worker thread. */
static void session_prepare(Session *session)
{
        const Link *link = session->link;

        if (link->owner->prepare)
                link->owner->prepare(session->conn, link->data, &session->prepared, &session->error);
}

static void session_open(void *data)
{
        Session *session = data;
        Link *link = session->link;

        ASSERT_WORKER();
        session->conn = link_connect(link);
        if (!session->conn) {
                session->code = virGetLastErrorCode();
                error_take_libvirt(&session->error);
                return;
        }

        /* Nothing is asked in the service's own name. */
        if (!link_identify(link, session->conn, &session->error))
                return;

        /* Drivers inside this process have neither; that is no error. */
        if (link->limits->keepalive_interval > 0)
                virConnectSetKeepAlive(session->conn, (int)link->limits->keepalive_interval,
                                       link->limits->keepalive_count);
        /* Without a free function: a driver that has no such callback says so by forgetting it.
         * session_close() ends the registration, and waits for a callback that is under way. A loss that came
         * before it is not reported: hence the second question. */
        if (virConnectRegisterCloseCallback(session->conn, session_close_callback, session, NULL) < 0) {
                error_take_libvirt(&session->error);
                return;
        }
        /* No error of libvirt's. */
        if (virConnectIsAlive(session->conn) == 0) {
                set_lost_early(link, &session->error);
                return;
        }
        virResetLastError();

        session_prepare(session);
}

/* Worker thread. */
static void session_release(Session *session)
{
        void *prepared = g_steal_pointer(&session->prepared);

        if (prepared)
                session->link->owner->release(session->conn, prepared);
}

static void session_renew(void *data)
{
        ASSERT_WORKER();
        session_release(data);
        session_prepare(data);
}

static void session_close(void *data)
{
        Session *session = data;

        ASSERT_WORKER();
        if (!session->conn)
                return;

        /* Each callback that is still registered keeps the connection and its descriptor. */
        session_release(session);
        virConnectUnregisterCloseCallback(session->conn, session_close_callback);
        virConnectClose(session->conn);
}

static void link_stop_waiting(Link *link)
{
        g_clear_handle_id(&link->retry_timer, g_source_remove);
        g_clear_pointer(&link->watch, socket_watch_free);
}

static gboolean link_retry(gpointer user_data)
{
        Link *link = user_data;

        link->retry_timer = 0;
        link_open(link);
        return G_SOURCE_REMOVE;
}

static void link_socket_appeared(void *data)
{
        Link *link = data;

        link->backoff_ms = BACKOFF_FIRST_MS;
        /* The attempt may have met the socket that was there before. If so, it plans the next one. */
        if (link->state == LINK_OPENING)
                return;

        /* Every file that appears beside the socket calls this: that must not put off the attempt each time.
         */
        if (link->retry_timer && link->retry_soon)
                return;

        /* Not at once: the socket exists a moment before libvirtd listens. Also for a link without a timer,
         * or with a long one. */
        g_clear_handle_id(&link->retry_timer, g_source_remove);
        link->retry_timer = g_timeout_add(link->backoff_ms, link_retry, link);
        link->retry_soon = TRUE;
}

/* Plans the next attempt. */
static void link_wait(Link *link)
{
        unsigned max = link->was_open ? BACKOFF_MAX_MS : BACKOFF_NEVER_MS;

        if (link->shut || link->owner->once)
                return;

        if (!link->watch)
                link->watch = socket_watch_new(link->uri, link_socket_appeared, link);
        /* Where the socket is absent, its coming is the time for the next attempt. */
        if (link->watch && !socket_watch_sees_socket(link->watch))
                return;

        link->retry_timer = g_timeout_add(link->backoff_ms, link_retry, link);
        link->retry_soon = FALSE;
        link->backoff_ms = MIN(link->backoff_ms * 2, max);
}

static void link_discard(Session *session)
{
        if (session->renewing)
                session->discarded = TRUE;
        else
                background_run(session_close, session_unref, session);
}

static void link_set_conn(Link *link, virConnectPtr conn)
{
        HOLD(&link->lock);

        link->conn = conn;
}

void link_close(Link *link)
{
        Session *session = g_steal_pointer(&link->session);

        ASSERT_MAIN();
        link_stop_waiting(link);
        g_clear_handle_id(&link->slow_timer, g_source_remove);
        link->left = link->state == LINK_OPENING;
        if (!session)
                return;

        link_set_conn(link, NULL);
        link->state = LINK_CLOSED;
        link->close_reason = session->reason;
        link_discard(session);
}

/* The open session is lost, or given up. */
static void link_closed(Link *link)
{
        link_close(link);
        if (link->shut)
                return;

        log_connection(G_LOG_LEVEL_INFO, link->name, link->uri, "a connection to libvirt was lost");
        g_clear_error(&link->error);
        g_set_error(&link->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT, "connection to %s was lost",
                    link->uri);
        link->backoff_ms = BACKOFF_FIRST_MS;
        link->owner->lost(link, link->data);
        link_wait(link);
}

/* Whether libvirt's error says that the hypervisor's own daemon is not there: it names the socket. The error
 * may be that of virtproxyd, which looks for that daemon again, and logs that it is not there, each time that
 * it is asked. */
static gboolean link_misses_daemon(const Link *link)
{
        g_autofree char *socket = hypervisor_socket(link->uri);
        g_autofree char *name = socket ? g_path_get_basename(socket) : NULL;

        return socket && strstr(link->error->message, name) && access(socket, F_OK) != 0;
}

/* There is no such driver, here or in libvirtd, or no daemon that has it: only a call makes sense as the next
 * attempt, or a daemon that appears. FALSE when that cannot be seen. */
static gboolean link_wait_for_daemon(Link *link)
{
        g_autofree char *socket = hypervisor_socket(link->uri);

        link_stop_waiting(link);
        /* A daemon that is there and does not have the driver appears no more. */
        if (link->owner->once || !socket || access(socket, F_OK) == 0)
                return FALSE;

        link->watch = socket_watch_new_at(socket, link_socket_appeared, link);
        /* It may have come meanwhile. */
        if (link->watch && socket_watch_sees_socket(link->watch))
                link_socket_appeared(link);
        return link->watch != NULL;
}

static void link_attempt_failed(Link *link, Session *session)
{
        gboolean absent = session->code == VIR_ERR_NO_CONNECT, misses;
        gboolean left = link->left;

        link->state = LINK_CLOSED;
        link->left = FALSE;
        g_clear_error(&link->error);
        if (session->error)
                link->error = g_error_copy(session->error);
        else
                set_lost_early(link, &link->error);
        misses = link_misses_daemon(link);
        link_discard(session);
        if (link->shut || left)
                return;

        link->owner->failed(link, link->error, link->data);
        if (!absent && !misses)
                link_wait(link);
        else if (!link_wait_for_daemon(link) && !absent)
                link_wait(link);
}

/* Main thread: the job that opens is done. */
static void session_opened(void *data)
{
        Session *session = data;
        Link *link = session->link;

        g_clear_handle_id(&link->slow_timer, g_source_remove);
        if (session->error || session->lost || link->left || link->shut) {
                link_attempt_failed(link, session);
                return;
        }

        link_stop_waiting(link);
        g_clear_error(&link->error);
        g_clear_pointer(&link->logged, g_free);
        link->session = session;
        link->state = LINK_OPEN;
        link->was_open = TRUE;
        link->backoff_ms = BACKOFF_FIRST_MS;
        link_set_conn(link, session->conn);

        link->owner->opened(link, link->data);
}

/* Main thread: the job that renews is done. */
static void session_renewed(void *data)
{
        Session *session = data;
        Link *link = session->link;

        session->renewing = FALSE;
        if (session->discarded)
                link_discard(session);
        else if (session->error)
                link_closed(link);
        else
                link->owner->renewed(link, link->data);
}

void link_renew(Link *link)
{
        Session *session = link->session;

        ASSERT_MAIN();
        if (!session || session->renewing)
                return;

        ASSERT(link->owner->renewed);
        session->renewing = TRUE;
        background_run(session_renew, session_renewed, session);
}

/* Whether the last failure was not logged yet; it is to be now. */
static gboolean link_failed_anew(Link *link)
{
        if (g_strcmp0(link->logged, link->error->message) == 0)
                return FALSE;

        g_free(link->logged);
        link->logged = g_strdup(link->error->message);
        return TRUE;
}

static gboolean link_slow(gpointer user_data)
{
        Link *link = user_data;

        link->slow_timer = 0;
        g_clear_error(&link->error);
        g_set_error(&link->error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT,
                    "%s does not answer: connecting to it takes longer than %u s", link->uri,
                    link->limits->open_timeout);
        if (link_failed_anew(link))
                log_connection(G_LOG_LEVEL_WARNING, link->name, link->uri, "%s", link->error->message);
        link->owner->failed(link, link->error, link->data);
        return G_SOURCE_REMOVE;
}

Link *link_new(const char *name, const char *uri, gboolean read_only, const Limits *limits,
               const LinkOwner *owner, void *data)
{
        Link *link = g_new0(Link, 1);

        ASSERT_MAIN();
        link->name = g_strdup(name);
        link->uri = g_strdup(uri);
        link->read_only = read_only;
        link->limits = limits;
        link->owner = owner;
        link->data = data;
        link->backoff_ms = BACKOFF_FIRST_MS;
        pthread_mutex_init(&link->lock, NULL);
        return link;
}

void link_forward(Link *link, const Identity *identity)
{
        ASSERT_MAIN();
        ASSERT(link->state == LINK_CLOSED && !link->was_open);
        link->forwards = TRUE;
        link->identity = identity;
}

void link_open(Link *link)
{
        ASSERT_MAIN();
        if (link->state == LINK_OPEN || link->shut || (link->state == LINK_OPENING && !link->left))
                return;

        /* The watch stays: a libvirtd that starts during the attempt may be too late for it. */
        g_clear_handle_id(&link->retry_timer, g_source_remove);
        g_clear_error(&link->error);
        link->slow_timer = g_timeout_add_seconds(link->limits->open_timeout, link_slow, link);
        /* The attempt that was given up is the next one. */
        if (!link->left)
                background_run(session_open, session_opened, session_new(link));
        link->state = LINK_OPENING;
        link->left = FALSE;
}

void link_shut(Link *link)
{
        ASSERT_MAIN();
        link->shut = TRUE;
        link_stop_waiting(link);
        g_clear_handle_id(&link->slow_timer, g_source_remove);
        if (link->session)
                link_closed(link);
}

gboolean link_is_busy(const Link *link)
{
        ASSERT_MAIN();
        return link->sessions > 0;
}

void link_free(Link *link)
{
        ASSERT_MAIN();
        if (!link)
                return;

        ASSERT(link->shut && link->sessions == 0);
        g_clear_error(&link->error);
        pthread_mutex_destroy(&link->lock);
        g_free(link->logged);
        g_free(link->name);
        g_free(link->uri);
        g_free(link);
}

LinkState link_state(const Link *link)
{
        ASSERT_MAIN();
        return link->state;
}

void link_log_failure(Link *link)
{
        ASSERT_MAIN();
        if (link_failed_anew(link))
                log_connection(link->was_open ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_INFO, link->name, link->uri,
                               "failed to connect: %s", link->error->message);
}

const GError *link_error(const Link *link)
{
        ASSERT_MAIN();
        return link->error;
}

const void *link_prepared(const Link *link)
{
        ASSERT_MAIN();
        ASSERT(link->session && !link->session->renewing);
        return link->session->prepared;
}

int link_close_reason(const Link *link)
{
        ASSERT_MAIN();
        return link->close_reason;
}

virConnectPtr link_acquire(Link *link, GError **error)
{
        HOLD(&link->lock);

        if (link->conn && virConnectRef(link->conn) == 0)
                return link->conn;

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIBVIRT, "not connected to %s", link->uri);
        return NULL;
}

/* Whether it is libvirt's test driver in this process, where another connection may be to another world. */
static gboolean link_is_inside(const Link *link)
{
        g_autoptr(GUri) parsed = uri_parse(link->uri);

        return parsed && strcmp(g_uri_get_scheme(parsed), "test") == 0;
}

virConnectPtr link_connect_aside(Link *link, int *socket, GError **error)
{
        g_autoptr(virConnect) conn = NULL;

        ASSERT_WORKER();
        *socket = -1;
        if (link_is_inside(link))
                return link_acquire(link, error);

        event_loop_refuse(socket);
        conn = link_connect(link);
        event_loop_refuse(NULL);
        if (!conn) {
                error_take_libvirt(error);
                return NULL;
        }

        return link_identify(link, conn, error) ? g_steal_pointer(&conn) : NULL;
}

const char *link_uri(const Link *link)
{
        return link->uri;
}
