/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a pass asks of the test driver inside this process, and what it makes of the answers. */

#include "as-worker.h"
#include "base/background.h"
#include "base/log.h"
#include "base/main_queue.h"
#include "members.h"
#include "mirror/pass.h"
#include "virt/event_loop.h"
#include "virt/link.h"

#include <dlfcn.h>
#include <libvirt/virterror.h>
#include <string.h>

#define TEST "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define NONE "00000000-0000-0000-0000-000000000001"
#define MANY 40

static const Limits limits = {.open_timeout = 10, .keepalive_interval = 5, .keepalive_count = 5};

static Link *test_link;
static DomainCache *domain_cache;
static virConnectPtr plain; /* keeps what the driver has */
static Pass *pass;
static unsigned asked;   /* questions so far */
static gboolean failing; /* libvirt does not answer a question about a state */

/* In libvirt's place: counts. */
#define COUNT(result, name, parameters, arguments)                                                           \
        result name parameters                                                                               \
        {                                                                                                    \
                result(*next) parameters;                                                                    \
                                                                                                             \
                asked++;                                                                                     \
                *(void **)&next = dlsym(RTLD_NEXT, #name);                                                   \
                return next arguments;                                                                       \
        }

COUNT(virDomainPtr, virDomainLookupByUUIDString, (virConnectPtr conn, const char *uuid), (conn, uuid))
COUNT(char *, virDomainGetOSType, (virDomainPtr domain), (domain))
COUNT(int, virDomainIsPersistent, (virDomainPtr domain), (domain))
COUNT(int, virDomainGetAutostart, (virDomainPtr domain, int *autostart), (domain, autostart))
COUNT(int, virConnectListAllDomains, (virConnectPtr conn, virDomainPtr **domains, unsigned flags),
      (conn, domains, flags))
COUNT(int, virConnectGetAllDomainStats,
      (virConnectPtr conn, unsigned stats, virDomainStatsRecordPtr **records, unsigned flags),
      (conn, stats, records, flags))

int virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned flags)
{
        int (*next)(virDomainPtr, int *, int *, unsigned);

        asked++;
        *(void **)&next = dlsym(RTLD_NEXT, "virDomainGetState");
        if (!failing)
                return next(domain, state, reason, flags);

        virResetLastError();
        return -1;
}

static void on_link(Link *link, void *data)
{
}

static void on_link_failed(Link *link, const GError *error, void *data)
{
}

static const LinkOwner link_owner = {.opened = on_link, .lost = on_link, .failed = on_link_failed};

static void finish_jobs(void)
{
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
        while (g_main_context_iteration(NULL, FALSE))
                ;
}

static void set_up(void)
{
        plain = virConnectOpen("test:///default");
        g_assert_nonnull(plain);
        test_link = link_new("Test", "test:///default", FALSE, &limits, &link_owner, NULL);
        link_open(test_link);
        while (link_state(test_link) != LINK_OPEN)
                g_main_context_iteration(NULL, TRUE);
        domain_cache = domain_cache_new();
        pass = pass_new(test_link, domain_cache, NULL);
        asked = 0;
        failing = FALSE;
}

static void tear_down(void)
{
        pass_free(pass);
        domain_cache_shut(domain_cache);
        link_shut(test_link);
        finish_jobs();
        domain_cache_free(domain_cache);
        link_free(test_link);
        g_assert_cmpint(virConnectClose(plain), ==, 0);
}

/* Another pass, of which the answers are looked at after that. */
static void ask_about(const char *uuid, Aspects aspects)
{
        pass_free(pass);
        pass = pass_new(test_link, domain_cache, NULL);
        if (uuid)
                g_hash_table_insert(pass->dirty.domains, g_strdup(uuid), GUINT_TO_POINTER(aspects));
        asked = 0;
}

static void ask(void)
{
        AS_WORKER;

        pass_ask(pass);
}

static const Answer *answer_of(const char *uuid)
{
        for (guint i = 0; i < pass->answers->len; i++) {
                const Answer *answer = &g_array_index(pass->answers, Answer, i);

                if (answer->kind == &kind_domain && strcmp(answer->uuid, uuid) == 0)
                        return answer;
        }

        return NULL;
}

/* No more than what can have changed. */
static void test_aspects(void)
{
        const Answer *answer;

        set_up();
        ask_about(TEST, ASPECT_LIFE);
        ask();
        answer = answer_of(TEST);
        g_assert_cmpuint(asked, ==, 2); /* the look-up, the state */
        g_assert_cmpstr(g_variant_get_string(answer->values[DOMAIN1_STATE], NULL), ==, "running");
        g_assert_true(g_variant_get_boolean(answer->values[DOMAIN1_ACTIVE]));
        g_assert_cmpstr(g_variant_get_string(answer->values[DOMAIN1_NAME], NULL), ==, "test");
        g_assert_null(answer->values[DOMAIN1_PERSISTENT]);

        /* The handle is known by now; what it says of the domain may be old. */
        ask_about(TEST, ASPECT_STATE);
        ask();
        answer = answer_of(TEST);
        g_assert_cmpuint(asked, ==, 1);
        g_assert_nonnull(answer->values[DOMAIN1_STATE]);
        g_assert_null(answer->values[DOMAIN1_NAME]);
        g_assert_null(answer->values[DOMAIN1_ACTIVE]);

        ask_about(TEST, ASPECT_DEFINITION);
        ask();
        answer = answer_of(TEST);
        g_assert_cmpuint(asked, ==, 5);
        g_assert_true(g_variant_get_boolean(answer->values[DOMAIN1_PERSISTENT]));
        g_assert_nonnull(answer->values[DOMAIN1_AUTOSTART]);
        g_assert_nonnull(answer->values[DOMAIN1_OS_TYPE]);
        tear_down();
}

/* What no list tells, alone. */
static void test_system(void)
{
        const Answer *answer;

        set_up();
        g_ptr_array_add(pass->systems, g_strdup(TEST));
        g_ptr_array_add(pass->systems, g_strdup(NONE));
        ask();
        g_assert_no_error(pass->error);
        g_assert_cmpuint(pass->answers->len, ==, 1);
        answer = answer_of(TEST);
        g_assert_true(answer->only_system);
        g_assert_nonnull(answer->values[DOMAIN1_OS_TYPE]);
        for (unsigned i = 0; i < N_DOMAIN1; i++)
                g_assert_true(i == DOMAIN1_OS_TYPE || !answer->values[i]);
        tear_down();
}

/* That a domain is gone is an answer; that libvirt did not answer is none. */
static void test_no_answer(void)
{
        set_up();
        ask_about(NONE, ASPECT_DEFINITION);
        ask();
        g_assert_false(answer_of(NONE)->present);
        g_assert_cmpuint(g_hash_table_size(pass->failed), ==, 0);

        ask_about(TEST, ASPECT_LIFE);
        failing = TRUE;
        ask();
        g_assert_no_error(pass->error);
        g_assert_null(answer_of(TEST));
        g_assert_true(g_hash_table_contains(pass->failed, TEST));
        tear_down();
}

static void define_many(void)
{
        for (unsigned i = 0; i < MANY; i++) {
                g_autofree char *xml =
                        g_strdup_printf("<domain type='test'><name>d%u</name>"
                                        "<uuid>00000000-1111-2222-3333-%012u</uuid>"
                                        "<memory>1024</memory><os><type>hvm</type></os></domain>",
                                        i, i);
                virDomainPtr domain = virDomainDefineXML(plain, xml);

                g_assert_nonnull(domain);
                virDomainFree(domain);
        }
}

/* As many questions, however many there are. */
static void test_lists(void)
{
        g_autoptr(GHashTable) leaves = NULL;
        unsigned few;

        set_up();
        ask_about(NULL, 0);
        pass->dirty.list[mirrored_index(&kind_domain)] = TRUE;
        ask();
        few = asked;
        g_assert_cmpuint(pass->answers->len, ==, 1);

        define_many();
        ask_about(NULL, 0);
        pass->dirty.list[mirrored_index(&kind_domain)] = TRUE;
        ask();
        g_assert_true(pass->listed[mirrored_index(&kind_domain)]);
        g_assert_false(pass->listed[mirrored_index(&kind_network)]);
        g_assert_cmpuint(pass->answers->len, ==, MANY + 1);
        g_assert_cmpuint(asked, <=,
                         few + MANY); /* this driver has no statistics: the state of each, in here */
        g_assert_true(g_variant_get_boolean(answer_of(TEST)->values[DOMAIN1_PERSISTENT]));
        g_assert_null(answer_of(TEST)->values[DOMAIN1_OS_TYPE]);

        leaves = pass_leaves(pass, &kind_domain);
        g_assert_cmpuint(g_hash_table_size(leaves), ==, MANY + 1);
        tear_down();
}

/* First what is gone, then what is known, then what is new: a name may have passed from one to the other. */
static void test_order(void)
{
        static const char *const uuids[] = {"00000000-1111-2222-3333-000000000001", TEST, NONE};
        static const guint expected[] = {2, 1, 0};
        Mirror *mirror = mirror_new("/org/libvirt/Test");
        GVariant *values[N_DOMAIN1] = {};
        g_autoptr(GArray) order = NULL;

        set_up();
        mirror_update(mirror, &kind_domain, TEST, values, NULL);
        g_array_set_size(pass->answers, G_N_ELEMENTS(uuids));
        for (guint i = 0; i < pass->answers->len; i++) {
                Answer *answer = &g_array_index(pass->answers, Answer, i);

                answer->kind = &kind_domain;
                g_strlcpy(answer->uuid, uuids[i], sizeof answer->uuid);
                answer->present = strcmp(uuids[i], NONE) != 0;
        }

        order = pass_order(pass, mirror);
        g_assert_cmpmem(order->data, order->len * sizeof(guint), expected, sizeof expected);
        mirror_free(mirror);
        tear_down();
}

static unsigned told, not_told;

static void on_told(gboolean is_told, void *data)
{
        *(is_told ? &told : &not_told) += 1;
}

static void test_waiters(void)
{
        GArray *waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
        const Waiter waiter = {.func = on_told};

        g_array_append_val(waiters, waiter);
        g_array_append_val(waiters, waiter);
        waiters_tell(waiters, FALSE);
        waiters_tell(NULL, TRUE);
        g_assert_cmpuint(told, ==, 0);
        g_assert_cmpuint(not_told, ==, 2);
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        log_init(FALSE);
        g_assert_cmpint(virInitialize(), ==, 0);
        main_queue_init();
        event_loop_register();
        g_test_add_func("/pass/aspects", test_aspects);
        g_test_add_func("/pass/system", test_system);
        g_test_add_func("/pass/no-answer", test_no_answer);
        g_test_add_func("/pass/lists", test_lists);
        g_test_add_func("/pass/order", test_order);
        g_test_add_func("/pass/waiters", test_waiters);
        r = g_test_run();
        main_queue_shutdown();
        return r;
}
