/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links with one worker each.
 *
 * libvirt's client library lets the threads of one connection take turns at its socket, each waking the next:
 * five threads on one connection take a third more time of the processors per call than one thread on each
 * of five connections. And libvirtd runs five requests of one client and then stops reading from it: five
 * calls that hang take their connection with them. And before 10.4 the library crashes where its keep-alive
 * gives up a connection that several threads wait on (CVE-2024-4418). So a link runs one call at a time, and
 * there are more of them when calls wait.
 *
 * At rest one link is open. More are opened when calls may run that no link is free for (queue.c says which
 * may), and closed when they are not needed any more. */

#include "call/links.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "call/handler.h"
#include "call/queue.h"

/* What uses the processors of a host well, measured: three links on two of them, five from four on. libvirtd
 * works for each of its clients on a thread of its own, and clients of the service take their part as well.
 */
#define PROCESSORS_AND 1
#define SHORT_FEWEST   3
#define SHORT_MOST     5

/* How often is looked whether calls are held up, while some wait. */
#define LOOK_MS (QUEUE_HELD_MS / 2)

/* An attempt that failed this short a time ago answers for the next one: nothing has changed since. */
#define RETRY_AFTER_US (100 * G_TIME_SPAN_MILLISECOND)

/* A further link that was refused, as libvirtd does when it has too many clients, is not tried for so long.
 */
#define FURTHER_AFTER_US (1 * G_TIME_SPAN_SECOND)

/* Each link has keep-alive messages and keeps a client's place in libvirtd: it is closed after so long
 * without a call. */
#define IDLE_S 30

typedef struct Worker {
        Links *links;
        gboolean reader;
        Link *link;
        DomainCache *domain_cache;

        /* All under lock, but @call for the thread that runs it. */
        gboolean open;     /* as the link */
        Call *call;        /* that it runs; NULL when it has none */
        gboolean renewing; /* main thread: the link is opened anew for that call */
        gint64 since;      /* it has none; monotonic, us */
} Worker;

/* The links for readers, or for all others. */
typedef struct Group {
        GPtrArray *workers; /* of Worker; under lock for all but the main thread, which alone adds to it */
        gint64 failed_at;   /* an attempt to open the first one, or the events' */
        gint64 refused_at;  /* the same, a further one */
} Group;

struct Links {
        LinksConfig config;
        GThreadPool *pool; /* of Worker that have a call */
        Group groups[2];
        unsigned timer, idle_timer;

        pthread_mutex_t lock;
        Queue *queue;     /* under lock */
        gboolean watched; /* under lock: the main thread looks, or will, after what is ready */
};

static Worker *worker_at(const Group *group, unsigned i)
{
        return g_ptr_array_index(group->workers, i);
}

static gboolean is_first(const Worker *worker)
{
        return worker == worker_at(&worker->links->groups[worker->reader], 0);
}

/* Under lock. */
static gboolean is_any_ready(const Queue *queue)
{
        return queue_ready(queue, FALSE) + queue_ready(queue, TRUE) > 0;
}

/* Gives the worker the next call, if there is one for it. Under lock. */
static gboolean take(Worker *worker, gint64 now)
{
        worker->call = queue_take(worker->links->queue, worker->reader, now);
        return worker->call != NULL;
}

/* The first one in the order of their opening: what is not needed is idle, and closed in the end. Under lock.
 */
static Worker *find_idle(const Group *group)
{
        for (unsigned i = 0; i < group->workers->len; i++) {
                Worker *worker = worker_at(group, i);

                if (worker->open && !worker->call)
                        return worker;
        }

        return NULL;
}

/* A worker that has just been given a call, or NULL. Under lock. */
static Worker *assign(Links *links)
{
        for (unsigned reader = 0; reader < 2; reader++)
                if (queue_ready(links->queue, reader) > 0) {
                        Worker *worker = find_idle(&links->groups[reader]);

                        if (worker && take(worker, g_get_monotonic_time()))
                                return worker;
                }

        return NULL;
}

static Worker *assign_locked(Links *links)
{
        HOLD(&links->lock);

        return assign(links);
}

static void start(Worker *worker)
{
        handing_over(worker);
        g_thread_pool_push(worker->links->pool, worker, NULL);
}

/* Begins what can be. Any thread. */
static void start_all(Links *links)
{
        Worker *worker;

        while ((worker = assign_locked(links)))
                start(worker);
}

static void on_waiting(void *data);

/* Whether the main thread has to be told that something is ready. */
static gboolean begin_watch(Links *links)
{
        HOLD(&links->lock);

        if (!is_any_ready(links->queue) || links->watched)
                return FALSE;

        links->watched = TRUE;
        return TRUE;
}

/* What is ready may need another worker, or a link. Worker thread. */
static void look_after_others(Links *links)
{
        start_all(links);
        if (begin_watch(links))
                main_queue_post(on_waiting, links);
}

/* The call was run. Returns whether there is another one, and in @others whether more are ready. */
static gboolean end_call(Worker *worker, gboolean *others)
{
        HOLD(&worker->links->lock);
        Queue *queue = worker->links->queue;
        Call *call = worker->call;
        gint64 now = g_get_monotonic_time();
        gboolean more;

        queue_end(queue, call);
        /* Before anybody can have the lane's next call, so that this one is completed first; and its lane may
         * end with it. */
        main_queue_post(worker->links->config.completed, call);
        worker->since = now;
        worker->call = NULL;
        more = worker->open && take(worker, now);
        *others = is_any_ready(queue);
        return more;
}

/* Worker thread. */
static gboolean next_call(Worker *worker)
{
        gboolean others, more = end_call(worker, &others);

        if (others)
                look_after_others(worker->links);

        return more;
}

static void run_call(Worker *worker)
{
        Call *call = worker->call;

        call->link = worker->link;
        call->domain_cache = worker->domain_cache;
        call->cut = FALSE;
        call_run(call);
        /* Its event, which would say so, comes when it comes. */
        if (call->member && call->member->changes && call->object.key)
                links_forget(worker->links, call->object.key);
}

/* Libvirt's modular daemons ask one another over connections of their own, one for each client. When such a
 * connection is lost, for its daemon was started anew, this client's calls to that daemon fail for good. A
 * link that is opened anew has a new one. */
static gboolean is_cut(const Worker *worker)
{
        const Call *call = worker->call;

        return call->cut && !call->again && !worker->links->config.shared;
}

static void on_cut(void *data);

/* Worker thread. */
static void run_calls(void *data, void *user_data)
{
        Worker *worker = data;

        ASSERT_WORKER();
        taken_over(worker);
        do {
                run_call(worker);
                if (is_cut(worker)) {
                        handing_over(worker);
                        main_queue_post(on_cut, worker);
                        return;
                }
        } while (next_call(worker));
        handing_over(worker->links);
}

static void set_open(Worker *worker, gboolean open)
{
        HOLD(&worker->links->lock);

        worker->open = open;
        worker->since = g_get_monotonic_time();
}

static gboolean any_open(const Group *group)
{
        /* Only the main thread opens and closes. */
        for (unsigned i = 0; i < group->workers->len; i++)
                if (worker_at(group, i)->open)
                        return TRUE;

        return FALSE;
}

static GList *take_refused(Links *links, gboolean reader)
{
        HOLD(&links->lock);

        return queue_refuse(links->queue, reader);
}

static void fail(const Links *links, Call *call, const GError *error)
{
        call->error = g_error_copy(error);
        links->config.completed(call);
}

/* What waits for a link of the group, and there will be none. */
static void refuse(Links *links, gboolean reader, const GError *error)
{
        g_autoptr(GList) calls = NULL;

        if (any_open(&links->groups[reader]))
                return;

        calls = take_refused(links, reader);
        for (GList *each = calls; each; each = each->next)
                fail(links, each->data, error);
}

/* Whether it had no call for long; then it gets none any more. */
static gboolean retire(Worker *worker)
{
        HOLD(&worker->links->lock);

        if (!worker->open || worker->call ||
            g_get_monotonic_time() - worker->since < IDLE_S * G_TIME_SPAN_SECOND)
                return FALSE;

        worker->open = FALSE;
        return TRUE;
}

/* Closes what is not needed any more. */
static gboolean on_idle(gpointer user_data)
{
        Links *links = user_data;
        gboolean left = FALSE;

        for (unsigned reader = 0; reader < 2; reader++)
                for (unsigned i = 1; i < links->groups[reader].workers->len; i++) {
                        Worker *worker = worker_at(&links->groups[reader], i);

                        if (retire(worker)) {
                                link_close(worker->link);
                                domain_cache_forget_all(worker->domain_cache);
                        }
                        left = left || worker->open;
                }

        if (!left)
                links->idle_timer = 0;
        return left;
}

static void consider(Links *links);

/* Whether the call that was cut has changed nothing: it only asks, or was not sent to that daemon at all. */
static gboolean may_run_again(const Call *call)
{
        return call->type == CALL_GET || call->type == CALL_GET_ALL || call->type == CALL_INTROSPECT ||
               (call->type == CALL_METHOD && call->member->access == ACCESS_MONITOR) ||
               strstr(call->error->message, "client socket is closed");
}

/* Ends the call whose link was to be opened anew. */
static void end_cut(Worker *worker)
{
        gboolean others;

        worker->renewing = FALSE;
        end_call(worker, &others);
}

/* Main thread. */
static void on_cut(void *data)
{
        Worker *worker = data;

        taken_over(worker);
        set_open(worker, FALSE);
        domain_cache_forget_all(worker->domain_cache);
        link_close(worker->link);
        link_open(worker->link);
        worker->call->again = TRUE;
        worker->renewing = may_run_again(worker->call) && link_state(worker->link) == LINK_OPENING;
        if (!worker->renewing)
                end_cut(worker);
}

static void on_opened(Link *link, void *data)
{
        Worker *worker = data;
        Links *links = worker->links;

        set_open(worker, TRUE);
        if (worker->renewing) {
                worker->renewing = FALSE;
                g_clear_error(&worker->call->error);
                start(worker);
        }
        if (!is_first(worker) && !links->idle_timer)
                links->idle_timer = g_timeout_add_seconds(IDLE_S / 3, on_idle, links);
        consider(links);
}

/* The events' link says by itself whether libvirtd is gone, or just this client was not wanted. */
static void on_lost(Link *link, void *data)
{
        Worker *worker = data;

        set_open(worker, FALSE);
        domain_cache_forget_all(worker->domain_cache);
}

static void on_failed(Link *link, const GError *error, void *data)
{
        Worker *worker = data;
        Group *group = &worker->links->groups[worker->reader];

        if (worker->renewing)
                end_cut(worker);
        /* Otherwise that link's own failure says as much. */
        if (link_state(worker->links->config.events_link) == LINK_OPEN)
                link_log_failure(link);

        if (!is_first(worker)) {
                group->refused_at = g_get_monotonic_time();
                return;
        }

        group->failed_at = g_get_monotonic_time();
        refuse(worker->links, worker->reader, error);
}

/* The first of a group is kept open. */
static const LinkOwner first_owner = {.opened = on_opened, .lost = on_lost, .failed = on_failed};
static const LinkOwner further_owner = {
        .once = TRUE, .opened = on_opened, .lost = on_lost, .failed = on_failed};

static void append(Links *links, Group *group, Worker *worker)
{
        HOLD(&links->lock);

        g_ptr_array_add(group->workers, worker);
}

static Worker *add_worker(Links *links, gboolean reader)
{
        const LinksConfig *config = &links->config;
        Group *group = &links->groups[reader];
        const LinkOwner *owner = group->workers->len == 0 ? &first_owner : &further_owner;
        Worker *worker = g_new0(Worker, 1);

        worker->links = links;
        worker->reader = reader;
        worker->domain_cache = domain_cache_new();
        worker->link = config->shared
                               ? config->events_link
                               : link_new(config->name, config->uri, reader, config->limits, owner, worker);
        if (config->forward && !config->shared)
                link_forward(worker->link, config->identity);

        append(links, group, worker);
        return worker;
}

static void worker_free(void *data)
{
        Worker *worker = data;

        if (!worker->links->config.shared)
                link_free(worker->link);
        domain_cache_free(worker->domain_cache);
        g_free(worker);
}

Links *links_new(const LinksConfig *config)
{
        Links *links = g_new0(Links, 1);
        unsigned warranted = CLAMP(g_get_num_processors() + PROCESSORS_AND, SHORT_FEWEST, SHORT_MOST);

        links->config = *config;
        pthread_mutex_init(&links->lock, NULL);
        links->queue = queue_new(MIN(config->limits->workers, warranted));
        links->pool = g_thread_pool_new(run_calls, NULL, QUEUE_RUNNING_MOST, FALSE, NULL);
        for (unsigned reader = 0; reader < 2; reader++) {
                Group *group = &links->groups[reader];

                group->workers = g_ptr_array_new_with_free_func(worker_free);
                /* g_get_monotonic_time() may be small on a machine that has just started. */
                group->failed_at = group->refused_at = G_MININT64 / 2;
                add_worker(links, reader);
        }
        handing_over(links);
        return links;
}

/* Why calls that come now need not wait, or NULL. */
static const GError *hopeless(const Links *links, const Group *group)
{
        const Link *link = links->config.events_link;

        if (link_state(link) == LINK_OPEN)
                link = worker_at(group, 0)->link;

        /* An attempt that is under way has an error only when it takes too long. */
        if (link_state(link) == LINK_OPENING || g_get_monotonic_time() - group->failed_at < RETRY_AFTER_US)
                return link_error(link);

        return NULL;
}

/* Nothing of the group is open. */
static void open_first(Links *links, gboolean reader)
{
        const Group *group = &links->groups[reader];
        const GError *error = hopeless(links, group);

        if (error)
                refuse(links, reader, error);
        /* A call is a good reason not to wait for the time of the next attempt. */
        else if (link_state(links->config.events_link) != LINK_OPEN)
                link_open(links->config.events_link);
        else
                link_open(worker_at(group, 0)->link);
}

static unsigned count_startable(Links *links, gboolean reader)
{
        HOLD(&links->lock);

        return queue_startable(links->queue, reader, g_get_monotonic_time());
}

/* How many links more the calls that may run have a use for. */
static unsigned count_wanted(Links *links, gboolean reader)
{
        unsigned wanted = count_startable(links, reader), opening = 0;

        for (unsigned i = 0; i < links->groups[reader].workers->len; i++)
                opening += link_state(worker_at(&links->groups[reader], i)->link) == LINK_OPENING;

        return wanted > opening ? wanted - opening : 0;
}

/* One that is neither open nor being opened, and not the first, which opens itself. */
static Worker *find_closed(const Group *group)
{
        for (unsigned i = 1; i < group->workers->len; i++) {
                Worker *worker = worker_at(group, i);

                if (link_state(worker->link) == LINK_CLOSED && !link_is_busy(worker->link))
                        return worker;
        }

        return NULL;
}

static void open_further(Links *links, gboolean reader)
{
        Group *group = &links->groups[reader];
        Worker *worker = links->config.shared ? NULL : find_closed(group);

        if (!worker && group->workers->len >= QUEUE_RUNNING_MOST)
                return;

        if (!worker)
                worker = add_worker(links, reader);
        if (links->config.shared)
                set_open(worker, TRUE);
        else
                link_open(worker->link);
}

static void open_wanted(Links *links, gboolean reader)
{
        const Group *group = &links->groups[reader];

        if (g_get_monotonic_time() - group->refused_at < FURTHER_AFTER_US)
                return;

        for (unsigned wanted = count_wanted(links, reader); wanted > 0; wanted--)
                open_further(links, reader);
        if (links->config.shared)
                start_all(links);
}

static gboolean is_ready(Links *links, gboolean reader)
{
        HOLD(&links->lock);

        return queue_ready(links->queue, reader) > 0;
}

static gboolean on_look(gpointer user_data)
{
        consider(user_data);
        return G_SOURCE_CONTINUE;
}

static gboolean has_to_watch(Links *links)
{
        HOLD(&links->lock);

        links->watched = is_any_ready(links->queue);
        return links->watched;
}

/* Looks again as long as something is ready, for what is held up gives room. */
static void watch(Links *links)
{
        if (!has_to_watch(links))
                g_clear_handle_id(&links->timer, g_source_remove);
        else if (!links->timer)
                links->timer = g_timeout_add(LOOK_MS, on_look, links);
}

/* Sees to all that is ready. */
static void consider(Links *links)
{
        start_all(links);
        for (unsigned reader = 0; reader < 2; reader++)
                if (is_ready(links, reader)) {
                        if (any_open(&links->groups[reader]))
                                open_wanted(links, reader);
                        else
                                open_first(links, reader);
                }
        watch(links);
}

static void on_waiting(void *data)
{
        consider(data);
}

/* Where readers share a link that is not read-only, libvirt would not refuse what it refuses others. */
static gboolean asks_for_secrets(const Links *links, const Call *call)
{
        g_autoptr(GVariant) flags = NULL;

        if (!call->reader || !links->config.shared || !call->member || call->type != CALL_METHOD ||
            call->member->secure_flags == 0)
                return FALSE;

        flags = g_variant_get_child_value(call->args, call->member->secure_argument);
        return (g_variant_get_uint32(flags) & call->member->secure_flags) != 0;
}

static void refuse_secrets(const Links *links, Call *call)
{
        g_autoptr(GError) error = NULL;

        g_set_error(&error, GUESTBUS_ERROR, GUESTBUS_ERROR_ACCESS_DENIED,
                    "operation forbidden: %s with these flags takes the right to manage", call->member->name);
        fail(links, call, error);
}

/* The worker that was given it, or another call, and in @waiting whether some are ready still. */
static Worker *enter(Links *links, Call *call, gboolean *waiting)
{
        HOLD(&links->lock);
        Worker *worker;

        queue_push(links->queue, call);
        worker = assign(links);
        *waiting = is_any_ready(links->queue);
        return worker;
}

void links_submit(Links *links, Call *call)
{
        Worker *worker;
        gboolean waiting;

        ASSERT_MAIN();
        if (asks_for_secrets(links, call)) {
                refuse_secrets(links, call);
                return;
        }

        call->lane = lane_enter(call->peer, call->path);
        worker = enter(links, call, &waiting);
        if (worker)
                start(worker);
        if (waiting)
                consider(links);
}

/* Those that share the events' link. */
static void set_all_open(Links *links, gboolean open)
{
        for (unsigned reader = 0; reader < 2; reader++)
                for (unsigned i = 0; i < links->groups[reader].workers->len; i++) {
                        Worker *worker = worker_at(&links->groups[reader], i);

                        set_open(worker, open);
                        if (!open)
                                domain_cache_forget_all(worker->domain_cache);
                }
}

void links_follow(Links *links, gboolean eager)
{
        ASSERT_MAIN();
        if (links->config.shared)
                set_all_open(links, TRUE);
        else if (eager)
                link_open(worker_at(&links->groups[FALSE], 0)->link);
        consider(links);
}

void links_lost(Links *links)
{
        ASSERT_MAIN();
        if (links->config.shared)
                set_all_open(links, FALSE);
}

void links_failed(Links *links, const GError *error)
{
        ASSERT_MAIN();
        for (unsigned reader = 0; reader < 2; reader++) {
                links->groups[reader].failed_at = g_get_monotonic_time();
                refuse(links, reader, error);
        }
}

void links_forget(Links *links, const char *uuid)
{
        HOLD(&links->lock);

        for (unsigned reader = 0; reader < 2; reader++)
                for (unsigned i = 0; i < links->groups[reader].workers->len; i++)
                        domain_cache_forget(worker_at(&links->groups[reader], i)->domain_cache, uuid);
}

gboolean links_withdraw(Links *links, Call *call)
{
        HOLD(&links->lock);

        ASSERT_MAIN();
        return queue_withdraw(links->queue, call);
}

static GList *withdraw_all(Links *links)
{
        HOLD(&links->lock);

        return queue_withdraw_all(links->queue);
}

void links_shut(Links *links, const GError *error)
{
        g_autoptr(GList) calls = withdraw_all(links);

        ASSERT_MAIN();
        for (GList *each = calls; each; each = each->next)
                fail(links, each->data, error);

        /* What is on its way to on_waiting() arrives there, and finds nothing. */
        if (links->timer)
                watch(links);
        g_clear_handle_id(&links->idle_timer, g_source_remove);
        for (unsigned reader = 0; reader < 2; reader++)
                for (unsigned i = 0; i < links->groups[reader].workers->len; i++) {
                        Worker *worker = worker_at(&links->groups[reader], i);

                        if (worker->renewing)
                                end_cut(worker);
                        domain_cache_shut(worker->domain_cache);
                        if (!links->config.shared)
                                link_shut(worker->link);
                }
}

static gboolean is_watched(Links *links)
{
        HOLD(&links->lock);

        return links->watched;
}

gboolean links_is_busy(Links *links)
{
        ASSERT_MAIN();
        if (is_watched(links))
                return TRUE;

        for (unsigned reader = 0; !links->config.shared && reader < 2; reader++)
                for (unsigned i = 0; i < links->groups[reader].workers->len; i++)
                        if (link_is_busy(worker_at(&links->groups[reader], i)->link))
                                return TRUE;

        return FALSE;
}

void links_free(Links *links)
{
        ASSERT_MAIN();
        if (!links)
                return;

        g_thread_pool_free(links->pool, FALSE, TRUE);
        taken_over(links);
        for (unsigned reader = 0; reader < 2; reader++)
                g_ptr_array_unref(links->groups[reader].workers);
        queue_free(links->queue);
        pthread_mutex_destroy(&links->lock);
        g_free(links);
}
