/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Handles of the test driver's domains: remembered, forgotten, and let go of. */

#include "virt/domain_cache.h"

#include "as-worker.h"
#include "base/background.h"
#include "base/main_queue.h"
#include "virt/event_loop.h"

#include <libvirt/virterror.h>
#include <pthread.h>

#define UUID "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define GONE "00000000-1111-2222-3333-444444444444"

static DomainCache *domain_cache;

static virConnectPtr open_driver(void)
{
        virConnectPtr conn = virConnectOpen("test:///default");

        g_assert_nonnull(conn);
        return conn;
}

static void finish_jobs(void)
{
        while (background_running() > 0)
                g_main_context_iteration(NULL, TRUE);
}

static void tear_down(void)
{
        domain_cache_shut(domain_cache);
        finish_jobs();
        g_assert_cmpuint(domain_cache_size(domain_cache), ==, 0);
        g_clear_pointer(&domain_cache, domain_cache_free);
}

/* How many references to the connection there are, besides the caller's. */
static int close_connection(virConnectPtr conn)
{
        int left = virConnectClose(conn);

        g_assert_cmpint(left, >=, 0);
        return left;
}

static virDomainPtr ask(virConnectPtr conn, const char *uuid)
{
        AS_WORKER;

        return domain_cache_look_up(domain_cache, conn, uuid);
}

static void look_up(virConnectPtr conn, const char *uuid)
{
        virDomainPtr domain = ask(conn, uuid);

        g_assert_nonnull(domain);
        virDomainFree(domain);
}

static gboolean has(virConnectPtr conn, const char *uuid)
{
        virDomainPtr domain = domain_cache_find(domain_cache, conn, uuid);
        char found[VIR_UUID_STRING_BUFLEN];

        if (!domain)
                return FALSE;

        g_assert_cmpint(virDomainGetUUIDString(domain, found), ==, 0);
        g_assert_cmpstr(found, ==, uuid);
        virDomainFree(domain);
        return TRUE;
}

static void test_remembers(void)
{
        virConnectPtr conn = open_driver();
        virDomainPtr first, second;

        domain_cache = domain_cache_new();
        g_assert_null(domain_cache_find(domain_cache, conn, UUID));
        first = ask(conn, UUID);
        second = domain_cache_find(domain_cache, conn, UUID);
        g_assert_nonnull(first);
        g_assert_true(first == second);
        virDomainFree(first);
        virDomainFree(second);
        g_assert_true(has(conn, UUID));
        g_assert_cmpuint(domain_cache_size(domain_cache), ==, 1);

        tear_down();
        g_assert_cmpint(close_connection(conn), ==, 0);
}

/* A look-up takes the place of the one before, and the handle before stays with who has it. */
static void test_looks_up_anew(void)
{
        virConnectPtr conn = open_driver();
        virDomainPtr first, second;

        domain_cache = domain_cache_new();
        first = ask(conn, UUID);
        second = ask(conn, UUID);
        g_assert_true(first != second);
        g_assert_cmpstr(virDomainGetName(first), ==, "test");
        virDomainFree(first);
        first = domain_cache_find(domain_cache, conn, UUID);
        g_assert_true(first == second);
        virDomainFree(first);
        virDomainFree(second);

        tear_down();
        g_assert_cmpint(close_connection(conn), ==, 0);
}

/* A domain that is gone is forgotten, and the error is libvirt's, whatever had to be let go of. */
static void test_gone(void)
{
        static const char xml[] = "<domain type='test'><name>gone</name><uuid>" GONE
                                  "</uuid><memory>1024</memory><os><type>hvm</type></os></domain>";
        virConnectPtr conn = open_driver();
        virDomainPtr domain = virDomainDefineXML(conn, xml);

        g_assert_nonnull(domain);
        domain_cache = domain_cache_new();
        look_up(conn, GONE);
        look_up(conn, UUID);
        g_assert_cmpint(virDomainUndefine(domain), ==, 0);
        virDomainFree(domain);
        g_assert_true(has(conn, GONE));

        domain_cache_forget(domain_cache, UUID);
        g_assert_null(ask(conn, GONE));
        g_assert_cmpint(virGetLastErrorCode(), ==, VIR_ERR_NO_DOMAIN);
        g_assert_false(has(conn, GONE));
        g_assert_cmpuint(domain_cache_size(domain_cache), ==, 0);

        tear_down();
        g_assert_cmpint(close_connection(conn), ==, 0);
}

static void test_forgets_one(void)
{
        virConnectPtr conn = open_driver();

        domain_cache = domain_cache_new();
        domain_cache_forget(domain_cache, UUID);
        look_up(conn, UUID);
        domain_cache_forget(domain_cache, GONE);
        g_assert_true(has(conn, UUID));
        domain_cache_forget(domain_cache, UUID);
        g_assert_false(has(conn, UUID));
        look_up(conn, UUID);
        g_assert_true(has(conn, UUID));

        tear_down();
        g_assert_cmpint(close_connection(conn), ==, 0);
}

/* Once all is forgotten, and what was forgotten before, nothing keeps the connection. */
static void test_lets_go(void)
{
        virConnectPtr conn = open_driver();

        domain_cache = domain_cache_new();
        look_up(conn, UUID);
        domain_cache_forget(domain_cache, UUID);
        look_up(conn, UUID);
        domain_cache_forget_all(domain_cache);
        finish_jobs();
        g_assert_false(has(conn, UUID));
        g_assert_cmpint(close_connection(conn), ==, 0);

        tear_down();
}

/* Handles are of one connection: those of another one are no answer, and make way. */
static void test_another_connection(void)
{
        virConnectPtr old = open_driver(), new = open_driver();

        domain_cache = domain_cache_new();
        look_up(old, UUID);
        g_assert_false(has(new, UUID));
        g_assert_true(has(old, UUID));
        look_up(new, UUID);
        g_assert_true(has(new, UUID));
        g_assert_false(has(old, UUID));
        g_assert_cmpuint(domain_cache_size(domain_cache), ==, 1);
        g_assert_cmpint(close_connection(old), ==, 0);

        tear_down();
        g_assert_cmpint(close_connection(new), ==, 0);
}

/* Who still looks up when all is over gets an answer, which is not kept. */
static void test_shut(void)
{
        virConnectPtr conn = open_driver();

        domain_cache = domain_cache_new();
        look_up(conn, UUID);
        domain_cache_shut(domain_cache);
        look_up(conn, UUID);
        g_assert_false(has(conn, UUID));

        tear_down();
        g_assert_cmpint(close_connection(conn), ==, 0);
}

static void test_free_of_nothing(void)
{
        domain_cache_free(NULL);
}

/* More domains than there is room for. */
static void test_bound(void)
{
        enum { DOMAINS = 16384 + 16 };
        virConnectPtr conn = open_driver();
        g_autofree virDomainPtr *domains = g_new0(virDomainPtr, DOMAINS);
        unsigned found = 0;

        domain_cache = domain_cache_new();
        for (unsigned i = 0; i < DOMAINS; i++) {
                g_autofree char *xml = g_strdup_printf(
                        "<domain type='test'><name>bound%u</name><uuid>00000000-0000-0000-0001-%012x</uuid>"
                        "<memory>1024</memory><os><type>hvm</type></os></domain>",
                        i, i);
                char uuid[VIR_UUID_STRING_BUFLEN];

                domains[i] = virDomainDefineXML(conn, xml);
                g_assert_nonnull(domains[i]);
                virDomainGetUUIDString(domains[i], uuid);
                look_up(conn, uuid);
                g_assert_true(has(conn, uuid));
        }

        for (unsigned i = 0; i < DOMAINS; i++) {
                char uuid[VIR_UUID_STRING_BUFLEN];

                virDomainGetUUIDString(domains[i], uuid);
                found += has(conn, uuid);
                g_assert_cmpint(virDomainUndefine(domains[i]), ==, 0);
                virDomainFree(domains[i]);
        }
        g_assert_cmpuint(found, ==, 16384);
        g_assert_cmpuint(domain_cache_size(domain_cache), ==, 16384);

        tear_down();
        g_assert_cmpint(close_connection(conn), ==, 0);
}

#define ROUNDS 3000

static void *use(void *data)
{
        virConnectPtr conn = data;

        for (unsigned i = 0; i < ROUNDS; i++) {
                virDomainPtr domain = domain_cache_find(domain_cache, conn, UUID);

                if (!domain)
                        domain = domain_cache_look_up(domain_cache, conn, UUID);
                g_assert_nonnull(domain);
                g_assert_cmpstr(virDomainGetName(domain), ==, "test");
                virDomainFree(domain);
        }

        return NULL;
}

/* Workers that use one handle, of two connections, while the main thread has it forgotten again and again. */
static void test_threads(void)
{
        virConnectPtr conns[] = {open_driver(), open_driver()};
        pthread_t threads[4];

        domain_cache = domain_cache_new();
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                g_assert_cmpint(pthread_create(&threads[i], NULL, use, conns[i / 2]), ==, 0);
        for (unsigned i = 0; i < ROUNDS; i++) {
                domain_cache_forget(domain_cache, UUID);
                if (i % 100 == 0)
                        domain_cache_forget_all(domain_cache);
                g_main_context_iteration(NULL, FALSE);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
                g_assert_cmpint(pthread_join(threads[i], NULL), ==, 0);

        tear_down();
        g_assert_cmpint(close_connection(conns[0]), ==, 0);
        g_assert_cmpint(close_connection(conns[1]), ==, 0);
}

/* Errors are expected here, and looked at. */
static void ignore_error(void *data, virErrorPtr error)
{
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        main_queue_init();
        event_loop_register();
        g_assert_cmpint(virInitialize(), ==, 0);
        virSetErrorFunc(NULL, ignore_error);

        g_test_add_func("/handles/remembers", test_remembers);
        g_test_add_func("/handles/looks-up-anew", test_looks_up_anew);
        g_test_add_func("/handles/gone", test_gone);
        g_test_add_func("/handles/forgets-one", test_forgets_one);
        g_test_add_func("/handles/lets-go", test_lets_go);
        g_test_add_func("/handles/another-connection", test_another_connection);
        g_test_add_func("/handles/shut", test_shut);
        g_test_add_func("/handles/free-of-nothing", test_free_of_nothing);
        g_test_add_func("/handles/bound", test_bound);
        g_test_add_func("/handles/threads", test_threads);
        r = g_test_run();

        main_queue_shutdown();
        return r;
}
