/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rounds of asking the test driver inside this process. */

#include "base/background.h"
#include "base/log.h"
#include "members.h"
#include "mirror/sync.h"
#include "virt/event_loop.h"
#include "virt/link.h"

#include <dlfcn.h>
#include <string.h>

#define ROOT "/org/libvirt/Test"
#define TEST "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define NEW  "00000000-1111-2222-3333-444444444444"
#define XML                                                                                                  \
        "<domain type='test'><name>new</name><uuid>" NEW "</uuid><memory>1024</memory>"                      \
        "<os><type>hvm</type></os></domain>"

static const Limits limits = {.open_timeout = 10, .keepalive_interval = 5, .keepalive_count = 5};

static Link *test_link;
static Mirror *mirror;
static Sync *tested;
static virConnectPtr plain; /* keeps what the driver has */
static unsigned added, changed, removed;
static unsigned patience, silent; /* in ms; and how often libvirt was */
static gboolean silent_all;       /* when it was asked for everything */
static unsigned applied, applied_told, applied_all, done, done_told;
static gint networks_fail, networks_hang; /* atomic: workers ask */
static gint starting;                     /* the same: all domains are being started */
static Link *networks_link;               /* over which networks are listed, where that is not the same */
static unsigned networks_listed;
static gboolean parks; /* answers are not shown yet */

/* In libvirt's place: networks may have a daemon of their own, which is away while the connection lives, or
 * hangs. */
int virConnectListAllNetworks(virConnectPtr conn, virNetworkPtr **networks, unsigned flags)
{
        int (*list)(virConnectPtr, virNetworkPtr **, unsigned);

        while (g_atomic_int_get(&networks_hang))
                g_usleep(1000);
        if (g_atomic_int_get(&networks_fail))
                return -1;

        *(void **)&list = dlsym(RTLD_NEXT, "virConnectListAllNetworks");
        return list(conn, networks, flags);
}

/* In libvirt's place: the test driver takes no time for a start. */
int virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned flags)
{
        int (*get)(virDomainPtr, int *, int *, unsigned);

        if (g_atomic_int_get(&starting)) {
                *state = VIR_DOMAIN_PAUSED;
                *reason = VIR_DOMAIN_PAUSED_STARTING_UP;
                return 0;
        }

        *(void **)&get = dlsym(RTLD_NEXT, "virDomainGetState");
        return get(domain, state, reason, flags);
}

static void forget(const Item *item)
{
        item_free(mirror_take(mirror, item));
        removed++;
}

static void on_absent(const Kind *kind, GHashTable *leaves, void *data)
{
        g_autoptr(GPtrArray) gone = g_ptr_array_new();
        GHashTableIter iter;
        gpointer leaf, item;

        mirror_iterate(mirror, kind, &iter);
        while (g_hash_table_iter_next(&iter, &leaf, &item))
                if (!g_hash_table_contains(leaves, leaf))
                        g_ptr_array_add(gone, item);
        for (guint i = 0; i < gone->len; i++)
                forget(g_ptr_array_index(gone, i));
}

/* Shows what libvirt answered, as it is. */
static void on_answer(Answer *answer, void *data)
{
        const Item *item = mirror_find_uuid(mirror, answer->kind, answer->uuid);
        guint32 news;

        if (parks)
                return;

        if (!answer->present) {
                if (item)
                        forget(item);
                return;
        }

        if (answer->only_system && !item)
                return;

        mirror_update(mirror, answer->kind, answer->uuid, answer->values, &news);
        memset(answer->values, 0, sizeof answer->values);
        if (!item)
                added++;
        if (!item && answer->kind == &kind_domain)
                sync_add_system(tested, answer->uuid);
        changed += news != 0 ? 1 : 0;
}

static void on_silent(gboolean all, void *data)
{
        silent++;
        silent_all = all;
}

static void on_applying(gboolean all, void *data)
{
}

static void on_applied(gboolean all, gboolean told, void *data)
{
        applied++;
        applied_told += told ? 1 : 0;
        applied_all += all ? 1 : 0;
}

static void on_listed(const Kind *kind, gboolean told, void *data)
{
        if (networks_link) {
                networks_listed += kind == &kind_network && told ? 1 : 0;
                return;
        }

        g_assert_cmpint(told, ==, kind != &kind_network || !g_atomic_int_get(&networks_fail));
}

static const SyncOwner sync_owner = {.applying = on_applying,
                                     .absent = on_absent,
                                     .answer = on_answer,
                                     .applied = on_applied,
                                     .listed = on_listed,
                                     .silent = on_silent};

static void on_link(Link *link, void *data)
{
}

static void on_link_failed(Link *link, const GError *error, void *data)
{
}

static const LinkOwner link_owner = {.opened = on_link, .lost = on_link, .failed = on_link_failed};

static void on_done(gboolean told, void *data)
{
        done++;
        done_told += told ? 1 : 0;
}

static void finish_jobs(void)
{
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        while (g_main_context_iteration(NULL, FALSE))
                ;
}

/* Until all is asked that is due. */
static void finish_due(void)
{
        while (!sync_is_settled(tested, &kind_domain, TEST) || !sync_is_settled(tested, &kind_domain, NEW) ||
               !sync_is_settled(tested, &kind_network, TEST))
                g_main_context_iteration(NULL, TRUE);
        finish_jobs();
}

static void set_up(gboolean open)
{
        added = changed = removed = applied = applied_told = applied_all = done = done_told = 0;
        plain = virConnectOpen("test:///default");
        g_assert_nonnull(plain);
        test_link = link_new("Test", "test:///default", FALSE, &limits, &link_owner, NULL);
        if (open) {
                link_open(test_link);
                while (link_state(test_link) != LINK_OPEN)
                        g_main_context_iteration(NULL, TRUE);
        }
        mirror = mirror_new(ROOT);
        tested = sync_new(test_link, mirror, patience, &sync_owner, NULL);
}

static void tear_down(void)
{
        sync_stop(tested);
        link_shut(test_link);
        finish_jobs();
        sync_free(tested);
        mirror_free(mirror);
        link_free(test_link);
        g_assert_cmpint(virConnectClose(plain), ==, 0);
}

static const Item *find(const char *uuid)
{
        return mirror_find_uuid(mirror, &kind_domain, uuid);
}

static void define(void)
{
        virDomainPtr domain = virDomainDefineXML(plain, XML);

        g_assert_nonnull(domain);
        virDomainFree(domain);
}

static void undefine(void)
{
        virDomainPtr domain = virDomainLookupByUUIDString(plain, NEW);

        g_assert_cmpint(virDomainUndefine(domain), ==, 0);
        virDomainFree(domain);
}

static void test_all(void)
{
        set_up(TRUE);
        g_assert_false(sync_is_filled(tested));
        sync_all(tested, on_done, NULL);
        g_assert_false(sync_is_settled(tested, &kind_domain, TEST));
        finish_jobs();
        g_assert_cmpuint(done_told, ==, 1);
        g_assert_true(sync_is_filled(tested));
        g_assert_true(sync_is_settled(tested, &kind_domain, TEST));
        g_assert_cmpuint(added, ==, 3);
        for (size_t i = 0; mirrored_kinds[i]; i++)
                g_assert_cmpuint(mirror_size(mirror, mirrored_kinds[i]), ==, 1);
        g_assert_cmpstr(item_string(find(TEST), DOMAIN1_STATE), ==, "running");
        g_assert_true(item_boolean(find(TEST), DOMAIN1_ACTIVE));
        g_assert_true(item_boolean(find(TEST), DOMAIN1_PERSISTENT));

        /* What no list says is not asked for before a client wants to know it; then in a round of its own. */
        g_assert_cmpuint(applied_all, ==, 1);
        g_assert_cmpuint(applied_told, ==, 1);
        g_assert_cmpuint(sync_passes(tested), ==, 1);
        g_assert_false(find(TEST)->system_known);
        sync_want_systems(tested);
        finish_jobs();
        g_assert_cmpuint(sync_passes(tested), ==, 2);
        g_assert_true(find(TEST)->system_known);
        g_assert_cmpstr(item_string(find(TEST), DOMAIN1_OS_TYPE), !=, "");

        /* Once; and of the domains of another connection again. */
        sync_want_systems(tested);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        g_assert_cmpuint(sync_passes(tested), ==, 3);
        sync_forget(tested);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        g_assert_cmpuint(sync_passes(tested), ==, 5);
        g_assert_true(find(TEST)->system_known);
        tear_down();
}

static void test_one(void)
{
        set_up(TRUE);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        added = 0;

        define();
        sync_one(tested, &kind_domain, NEW, ASPECT_DEFINITION, FALSE);
        finish_due();
        g_assert_cmpuint(added, ==, 1);
        g_assert_true(item_boolean(find(NEW), DOMAIN1_PERSISTENT));
        g_assert_cmpstr(item_string(find(NEW), DOMAIN1_STATE), ==, "shutoff");

        undefine();
        g_assert_nonnull(find(NEW));
        sync_one(tested, &kind_domain, NEW, ASPECT_STATE, FALSE);
        finish_due();
        g_assert_null(find(NEW));
        g_assert_cmpuint(removed, ==, 1);
        g_assert_cmpuint(applied_all, ==, 1);
        tear_down();
}

/* However often something is due, and whether something waits for it, one round is enough. */
static void test_coalesces(void)
{
        guint64 before;

        set_up(TRUE);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        before = sync_passes(tested);

        for (unsigned i = 0; i < 1000; i++) {
                sync_one(tested, &kind_domain, TEST, ASPECT_STATE, FALSE);
                sync_one(tested, &kind_network, TEST, ASPECT_STATE, FALSE);
        }
        sync_wait(tested, &kind_domain, TEST, ASPECT_STATE, 0, on_done, NULL);
        g_assert_false(sync_is_settled(tested, &kind_domain, TEST));
        g_assert_cmpuint(done, ==, 0);
        finish_jobs();
        g_assert_cmpuint(done_told, ==, 1);
        g_assert_cmpuint(sync_passes(tested), ==, before + 1);
        g_assert_cmpuint(sync_coalesced(tested), >=, 1990);
        g_assert_cmpuint(changed, ==, 0);
        g_assert_true(sync_is_settled(tested, &kind_domain, TEST));
        tear_down();
}

static void set_up_apart(void)
{
        set_up(TRUE);
        networks_listed = 0;
        networks_link = link_new("Networks", "test:///default", FALSE, &limits, &link_owner, NULL);
        sync_list_over(tested, &kind_network, networks_link);
}

static void tear_down_apart(void)
{
        link_shut(networks_link);
        tear_down();
        g_clear_pointer(&networks_link, link_free);
}

/* Networks have a daemon of their own, which is not there: what has changed one waits for it, and nothing
 * else does. */
static void test_list_over_another_link(void)
{
        set_up_apart();
        sync_all(tested, on_done, NULL);
        finish_jobs();
        g_assert_cmpuint(done_told, ==, 1);
        g_assert_cmpuint(added, ==, 2);
        g_assert_cmpuint(networks_listed, ==, 0);
        g_assert_true(sync_is_settled(tested, &kind_network, TEST));

        sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 10000, on_done, NULL);
        sync_wait(tested, &kind_domain, TEST, ASPECT_STATE, 10000, on_done, NULL);
        while (done < 2 || link_state(networks_link) != LINK_OPEN)
                g_main_context_iteration(NULL, TRUE);
        finish_jobs();
        g_assert_cmpuint(done, ==, 2);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        g_assert_cmpuint(done_told, ==, 3);
        g_assert_cmpuint(added, ==, 3);
        g_assert_cmpuint(networks_listed, >=, 1);
        networks_listed = 0;

        /* What was asked before the loss does not count after it. */
        sync_one(tested, &kind_network, TEST, ASPECT_STATE, TRUE);
        sync_forget_list(tested, &kind_network);
        finish_jobs();
        g_assert_cmpuint(networks_listed, ==, 0);
        g_assert_cmpuint(removed, ==, 0);
        tear_down_apart();
}

/* It does not come back in time, or the connection is lost, or the end comes. */
static void test_a_list_that_is_away(void)
{
        set_up_apart();
        sync_all(tested, NULL, NULL);
        finish_jobs();
        link_shut(networks_link);
        sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 20, on_done, NULL);
        while (done < 1)
                g_main_context_iteration(NULL, TRUE);
        sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 60000, on_done, NULL);
        sync_forget(tested);
        g_assert_cmpuint(done, ==, 2);
        sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 60000, on_done, NULL);
        sync_forget_list(tested, &kind_network);
        g_assert_cmpuint(done, ==, 3);
        sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 60000, on_done, NULL);
        sync_stop(tested);
        g_assert_cmpuint(done, ==, 4);
        g_assert_cmpuint(done_told, ==, 0);
        tear_down_apart();
}

/* What comes in a row is asked about some twenty times a second, and the last of it, too. */
static void test_rests(void)
{
        guint64 before;
        gint64 began;

        set_up(TRUE);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        before = sync_passes(tested);
        began = g_get_monotonic_time();
        while (sync_passes(tested) < before + 5) {
                sync_one(tested, &kind_domain, TEST, ASPECT_STATE, FALSE);
                g_main_context_iteration(NULL, FALSE);
        }
        g_assert_cmpint(g_get_monotonic_time() - began, >, 4 * 45000);
        finish_due();
        tear_down();
}

/* What is only to be confirmed waits for a second, and is asked with what is due before. */
static void test_confirms(void)
{
        guint64 before;
        gint64 began;

        set_up(TRUE);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        before = sync_passes(tested);
        began = g_get_monotonic_time();
        sync_confirm(tested, TEST);
        sync_confirm(tested, NEW);
        while (sync_passes(tested) == before)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(g_get_monotonic_time() - began, >, 900000);
        g_assert_cmpuint(sync_passes(tested), ==, before + 1);
        g_assert_true(sync_is_settled(tested, &kind_domain, TEST));

        sync_confirm(tested, TEST);
        sync_wait(tested, &kind_domain, NEW, ASPECT_STATE, 0, on_done, NULL);
        finish_jobs();
        g_assert_true(sync_is_settled(tested, &kind_domain, TEST));
        g_assert_cmpuint(sync_passes(tested), ==, before + 2);
        tear_down();
}

/* Many are asked for by a list, which also shows what is gone. */
static void test_many_are_a_list(void)
{
        set_up(TRUE);
        define();
        sync_all(tested, NULL, NULL);
        finish_jobs();
        g_assert_nonnull(find(NEW));
        undefine();
        /* The first begins a round of its own. */
        sync_one(tested, &kind_domain, TEST, ASPECT_STATE, FALSE);
        for (unsigned i = 0; i < 100; i++) {
                g_autofree char *uuid = g_strdup_printf("00000000-1111-2222-3333-%012u", i);

                sync_one(tested, &kind_domain, uuid, ASPECT_STATE, FALSE);
        }
        finish_due();
        g_assert_null(find(NEW));
        g_assert_cmpuint(mirror_size(mirror, &kind_domain), ==, 1);
        g_assert_cmpuint(applied_all, ==, 1);
        tear_down();
}

/* When nobody can be asked nothing changes, and who waits is told so. */
static void test_nobody_to_ask(void)
{
        set_up(FALSE);
        sync_all(tested, on_done, NULL);
        sync_wait(tested, &kind_domain, TEST, ASPECT_STATE, 0, on_done, NULL);
        finish_jobs();
        g_assert_cmpuint(done, ==, 2);
        g_assert_cmpuint(done_told, ==, 0);
        g_assert_cmpuint(applied, >, 0);
        g_assert_cmpuint(applied_told, ==, 0);
        g_assert_cmpuint(applied_all, ==, 0);
        g_assert_false(sync_is_filled(tested));
        g_assert_cmpuint(added + changed + removed, ==, 0);
        tear_down();
}

static void test_what_is_there_stays(void)
{
        set_up(TRUE);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        link_shut(test_link);
        sync_forget(tested);
        g_assert_false(find(TEST)->system_known);
        sync_wait(tested, &kind_domain, TEST, ASPECT_STATE, 0, on_done, NULL);
        sync_all(tested, on_done, NULL);
        finish_jobs();
        g_assert_cmpuint(done, ==, 2);
        g_assert_cmpuint(done_told, ==, 0);
        g_assert_cmpuint(removed, ==, 0);
        g_assert_nonnull(find(TEST));
        g_assert_true(sync_is_filled(tested));
        tear_down();
        sync_free(NULL);
}

static void set_persistent(const char *uuid, gboolean persistent)
{
        GVariant *values[N_DOMAIN1] = {};

        values[DOMAIN1_PERSISTENT] = g_variant_ref_sink(g_variant_new_boolean(persistent));
        mirror_update(mirror, &kind_domain, uuid, values, NULL);
}

/* There is no event for the moment in which a transient domain that has stopped goes. */
static void test_what_cannot_last_is_asked_again(void)
{
        virDomainPtr domain;

        set_up(TRUE);
        define();
        domain = virDomainLookupByUUIDString(plain, NEW);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        g_assert_false(item_boolean(find(NEW), DOMAIN1_ACTIVE));

        /* It is asked once, as any. */
        sync_wait(tested, &kind_domain, NEW, ASPECT_LIFE, 0, on_done, NULL);
        finish_jobs();
        g_assert_true(sync_is_settled(tested, &kind_domain, NEW));

        set_persistent(NEW, FALSE);
        sync_wait(tested, &kind_domain, NEW, ASPECT_LIFE, 0, on_done, NULL);
        finish_jobs();
        g_assert_nonnull(find(NEW));
        undefine();
        while (find(NEW))
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(removed, ==, 1);
        virDomainFree(domain);
        tear_down();
}

static gboolean on_late(gpointer data)
{
        *(gboolean *)data = TRUE;
        return G_SOURCE_REMOVE;
}

/* What is not answered is asked for again, in a while; and the rest goes on meanwhile. */
static void test_what_is_not_answered_holds_up_nothing(void)
{
        gint64 began = g_get_monotonic_time();
        gboolean late = FALSE;
        unsigned timer, tenths;
        guint64 rounds;

        set_up(TRUE);
        g_atomic_int_set(&networks_fail, TRUE);
        sync_want_systems(tested);
        sync_all(tested, NULL, NULL);
        timer = g_timeout_add_seconds(60, on_late, &late);
        while (!late && (!find(TEST) || !find(TEST)->system_known))
                g_main_context_iteration(NULL, TRUE);

        rounds = sync_passes(tested);
        while (!late && sync_passes(tested) == rounds)
                g_main_context_iteration(NULL, TRUE);
        g_assert_false(late);
        g_source_remove(timer);

        /* The list, the system, and the next questions about networks: after a tenth of a second, two, four,
         * ... */
        tenths = (unsigned)((g_get_monotonic_time() - began) / 100000);
        g_assert_cmpuint(sync_passes(tested), <=, 4 + g_bit_storage(tenths));

        g_atomic_int_set(&networks_fail, FALSE);
        while (mirror_size(mirror, &kind_network) == 0)
                g_main_context_iteration(NULL, TRUE);
        tear_down();
}

/* Who waits with a deadline is told at that, others when there is an answer; whether it waits for the round
 * that hangs or for the next. */
static void test_deadlines(void)
{
        gint64 began = g_get_monotonic_time();

        set_up(TRUE);
        g_atomic_int_set(&networks_hang, TRUE);
        for (unsigned i = 0; i < 2; i++) {
                sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 50 + 50 * i, on_done, NULL);
                sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 0, on_done, NULL);
        }
        while (done < 2)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpint(g_get_monotonic_time() - began, >=, 100000);
        g_assert_cmpuint(done_told, ==, 0);

        g_atomic_int_set(&networks_hang, FALSE);
        finish_jobs();
        g_assert_cmpuint(done, ==, 4);
        g_assert_cmpuint(done_told, ==, 2);

        /* Nobody is told twice, and a deadline that is to come keeps nothing. */
        for (unsigned i = 0; i < 2; i++)
                sync_wait(tested, &kind_network, TEST, ASPECT_STATE, 60000, on_done, NULL);
        finish_jobs();
        g_assert_cmpuint(done, ==, 6);
        g_assert_cmpuint(done_told, ==, 4);
        tear_down();
}

static unsigned heard, applied_when_heard;

static void on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *data)
{
        heard++;
        applied_when_heard = applied;
}

/* The answer is there, and then an event; the main loop finds both at once. */
static void test_events_come_before_answers(void)
{
        int id;

        set_up(TRUE);
        heard = 0;
        id = virConnectDomainEventRegisterAny(plain, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                              VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), NULL, NULL);
        g_assert_cmpint(id, >=, 0);
        finish_jobs();

        sync_all(tested, on_done, NULL);
        while (!g_main_context_pending(NULL))
                g_thread_yield();
        define();
        while (applied == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(heard, ==, 1);
        g_assert_cmpuint(applied_when_heard, ==, 0);

        undefine();
        g_assert_cmpint(virConnectDomainEventDeregisterAny(plain, id), ==, 0);
        tear_down();
}

/* A state that does not last is asked about again, also while the answer waits to be shown: nothing tells
 * that it is over. */
static void test_starting(void)
{
        virDomainPtr domain;
        guint64 before;

        set_up(TRUE);
        sync_all(tested, NULL, NULL);
        finish_due();
        domain = virDomainCreateXML(plain, XML, 0);
        g_assert_nonnull(domain);
        g_atomic_int_set(&starting, TRUE);
        parks = TRUE;
        sync_one(tested, &kind_domain, NEW, ASPECT_LIFE, TRUE);
        finish_jobs();
        g_assert_false(sync_is_settled(tested, &kind_domain, NEW));
        before = sync_passes(tested);
        while (sync_passes(tested) == before)
                g_main_context_iteration(NULL, TRUE);
        g_assert_null(find(NEW));
        g_atomic_int_set(&starting, FALSE);
        parks = FALSE;
        finish_due();
        g_assert_cmpstr(item_string(find(NEW), DOMAIN1_STATE), ==, "running");
        g_assert_cmpint(virDomainDestroy(domain), ==, 0);
        virDomainFree(domain);
        tear_down();
}

/* libvirt does not answer a pass: the owner is told, and nothing is lost when it answers after all. */
static void test_silence(void)
{
        patience = 50;
        set_up(TRUE);
        sync_all(tested, NULL, NULL);
        finish_jobs();
        silent = 0;
        silent_all = FALSE;
        g_atomic_int_set(&networks_hang, TRUE);
        sync_one(tested, &kind_network, TEST, ASPECT_STATE, TRUE);
        while (silent == 0)
                g_main_context_iteration(NULL, TRUE);
        g_assert_false(silent_all);
        g_atomic_int_set(&networks_hang, FALSE);
        finish_jobs();

        g_atomic_int_set(&networks_hang, TRUE);
        sync_all(tested, on_done, NULL);
        while (!silent_all)
                g_main_context_iteration(NULL, TRUE);
        g_atomic_int_set(&networks_hang, FALSE);
        finish_jobs();
        g_assert_cmpuint(done_told, ==, 1);
        tear_down();
        patience = 0;
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        log_init(FALSE);
        g_assert_cmpint(virInitialize(), ==, 0);
        main_queue_init();
        event_loop_register();
        g_test_add_func("/sync/all", test_all);
        g_test_add_func("/sync/one", test_one);
        g_test_add_func("/sync/coalesces", test_coalesces);
        g_test_add_func("/sync/rests", test_rests);
        g_test_add_func("/sync/confirms", test_confirms);
        g_test_add_func("/sync/many-are-a-list", test_many_are_a_list);
        g_test_add_func("/sync/nobody-to-ask", test_nobody_to_ask);
        g_test_add_func("/sync/what-is-there-stays", test_what_is_there_stays);
        g_test_add_func("/sync/what-cannot-last-is-asked-again", test_what_cannot_last_is_asked_again);
        g_test_add_func("/sync/what-is-not-answered-holds-up-nothing",
                        test_what_is_not_answered_holds_up_nothing);
        g_test_add_func("/sync/deadlines", test_deadlines);
        g_test_add_func("/sync/events-come-before-answers", test_events_come_before_answers);
        g_test_add_func("/sync/silence", test_silence);
        g_test_add_func("/sync/list-over-another-link", test_list_over_another_link);
        g_test_add_func("/sync/a-list-that-is-away", test_a_list_that_is_away);
        g_test_add_func("/sync/starting", test_starting);
        r = g_test_run();
        main_queue_shutdown();
        return r;
}
