/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of what is told between two pictures of an object. */

#include "mirror/reconcile.h"
#include "virt/enums.h"

#include <libvirt/libvirt.h>
#include <string.h>

/* "-" is an object that is not there; else "STATE NAME", with "P" before it for one that is persistent, and
 * "#ID" behind it for its number. */
static Status parse(const char *text, char **buffer)
{
        Status status = {};
        g_auto(GStrv) words = NULL;

        if (strcmp(text, "-") == 0)
                return status;

        status.persistent = *text == 'P';
        words = g_strsplit(text + (status.persistent ? 1 : 0), " ", 4);
        *buffer = g_strdup(words[1]);
        status.present = TRUE;
        status.state = g_intern_string(words[0]);
        status.name = *buffer;
        status.id = words[2] ? (guint32)atoi(words[2] + 1) : 0;
        return status;
}

static char *words_of(const Kind *kind, const int *events, unsigned n)
{
        GString *words = g_string_new("");

        for (unsigned i = 0; i < n; i++)
                g_string_append_printf(words, "%s%s", i > 0 ? " " : "",
                                       enum_word(kind == &kind_domain ? "domain-event" : "network-event",
                                                 events[i]));
        return g_string_free(words, FALSE);
}

static void check(const Kind *kind, const char *before, const char *after, const char *expected)
{
        g_autofree char *name_before = NULL, *name_after = NULL, *told = NULL;
        Status was = parse(before, &name_before), is = parse(after, &name_after);
        int events[RECONCILE_MAX];
        unsigned n = reconcile(kind, &was, &is, events);

        g_assert_cmpuint(n, <=, RECONCILE_MAX);
        told = words_of(kind, events, n);
        g_test_message("%s -> %s", before, after);
        g_assert_cmpstr(told, ==, expected);
}

static void test_domains(void)
{
        static const char *const rows[][3] = {
                /* It comes. */
                {"-", "-", ""},
                {"-", "Pshutoff a", "defined"},
                {"-", "Prunning a #1", "defined started"},
                {"-", "running a #1", "started"},
                {"-", "paused a #1", "started suspended"},
                {"-", "crashed a #1", "started crashed"},
                {"-", "pmsuspended a #1", "started pmsuspended"},
                {"-", "shutdown a #1", "started shutdown"},
                /* It goes. */
                {"Pshutoff a", "-", "undefined"},
                {"shutoff a", "-", ""},
                {"Prunning a #1", "-", "stopped undefined"},
                {"running a #1", "-", "stopped"},
                {"crashed a #1", "-", "stopped"},
                /* Its life. */
                {"Pshutoff a", "Pshutoff a", ""},
                {"Pshutoff a", "Prunning a #1", "started"},
                {"Pshutoff a", "Ppaused a #1", "started suspended"},
                {"Prunning a #1", "Prunning a #1", ""},
                {"Prunning a #1", "Pshutoff a", "stopped"},
                {"Ppaused a #1", "Pshutoff a", "stopped"},
                {"Prunning a #1", "Ppaused a #1", "suspended"},
                {"Ppaused a #1", "Prunning a #1", "resumed"},
                {"Prunning a #1", "Ppmsuspended a #1", "pmsuspended"},
                {"Ppmsuspended a #1", "Prunning a #1", "resumed"},
                {"Prunning a #1", "Pcrashed a #1", "crashed"},
                {"Pcrashed a #1", "Ppaused a #1", "suspended"},
                {"Pcrashed a #1", "Prunning a #1", "resumed"},
                {"Prunning a #1", "Pshutdown a #1", "shutdown"},
                {"Pshutdown a #1", "Prunning a #1", "resumed"},
                /* What no event tells apart. */
                {"Prunning a #1", "Pblocked a #1", ""},
                {"Pblocked a #1", "Pnostate a #1", ""},
                {"Pnostate a #1", "Ppaused a #1", "suspended"},
                /* Another start. */
                {"Prunning a #1", "Prunning a #2", "stopped started"},
                {"Ppaused a #1", "Prunning a #2", "stopped started"},
                {"Prunning a #1", "Ppaused a #2", "stopped started suspended"},
                {"Prunning a", "Prunning a #2", ""},
                {"Prunning a #1", "Prunning a", ""},
                /* Its definition. */
                {"running a #1", "Prunning a #1", "defined"},
                {"Prunning a #1", "running a #1", "undefined"},
                {"Pshutoff a", "Pshutoff b", "defined"},
                {"running a #1", "running b #1", ""},
                {"Pshutoff a", "shutoff a", "undefined"},
                {"Prunning a #1", "running a #2", "undefined stopped started"},
                {"running a #1", "Ppaused b #2", "defined stopped started suspended"},
                {"Prunning a #1", "Pshutoff b", "defined stopped"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
                check(&kind_domain, rows[i][0], rows[i][1], rows[i][2]);
}

static void test_others(void)
{
        static const char *const rows[][3] = {
                {"-", "Pinactive a", "defined"},
                {"-", "Pactive a", "defined started"},
                {"-", "active a", "started"},
                {"Pinactive a", "-", "undefined"},
                {"Pactive a", "-", "stopped undefined"},
                {"active a", "-", "stopped"},
                {"Pinactive a", "Pactive a", "started"},
                {"Pactive a", "Pinactive a", "stopped"},
                {"Pactive a", "Pactive a", ""},
                {"active a", "Pactive a", "defined"},
                {"Pactive a", "active a", "undefined"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                check(&kind_network, rows[i][0], rows[i][1], rows[i][2]);
                check(&kind_storage_pool, rows[i][0], rows[i][1], rows[i][2]);
        }
}

static void check_missed_by(const Kind *kind, const char *before, int event, int detail,
                            gboolean after_outage, const char *expected)
{
        g_autofree char *name = NULL, *told = NULL;
        const Status status = parse(before, &name);
        const Event one = {
                .kind = kind, .name = "a", .lifecycle = event, .detail = detail, .id = kind == &kind_domain};
        int events[RECONCILE_MAX];

        told = words_of(kind, events, reconcile_event(kind, &status, &one, after_outage, events));
        g_assert_cmpstr(told, ==, expected);
}

static void check_missed(const Kind *kind, const char *before, int event, int detail, const char *expected)
{
        check_missed_by(kind, before, event, detail, TRUE, expected);
}

/* An event that does not follow from what was told. */
static void test_missed(void)
{
        check_missed(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_STARTED, 0, "stopped");
        check_missed(&kind_domain, "Ppmsuspended a #1", VIR_DOMAIN_EVENT_STARTED,
                     VIR_DOMAIN_EVENT_STARTED_WAKEUP, "");
        check_missed(&kind_domain, "Pshutoff a", VIR_DOMAIN_EVENT_STARTED, 0, "");
        check_missed(&kind_domain, "Pshutoff a", VIR_DOMAIN_EVENT_STOPPED, 0, "started");
        check_missed(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_STOPPED, 0, "");
        check_missed(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_RESUMED, 0, "");
        check_missed(&kind_domain, "Pshutoff a", VIR_DOMAIN_EVENT_SUSPENDED, 0, "started");
        check_missed(&kind_domain, "Pshutoff a", VIR_DOMAIN_EVENT_DEFINED, 0, "");
        check_missed(&kind_domain, "Prunning a #2", VIR_DOMAIN_EVENT_STARTED, 0, "stopped");
        check_missed(&kind_domain, "Prunning a #2", VIR_DOMAIN_EVENT_SUSPENDED, 0, "stopped started");
        check_missed_by(&kind_domain, "Prunning a #2", VIR_DOMAIN_EVENT_SUSPENDED, 0, FALSE,
                        "stopped started");
        check_missed_by(&kind_domain, "Prunning a #2", VIR_DOMAIN_EVENT_STARTED, 0, FALSE, "stopped");
        check_missed_by(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_STARTED, 0, FALSE, "");
        check_missed_by(&kind_domain, "Pshutoff a", VIR_DOMAIN_EVENT_STOPPED, 0, FALSE, "");
        check_missed(&kind_network, "Pactive a", VIR_NETWORK_EVENT_STARTED, 0, "stopped");
        check_missed(&kind_network, "Pinactive a", VIR_NETWORK_EVENT_STOPPED, 0, "started");
}

static void check_applied(const Kind *kind, const char *before, int event, int detail, const char *state,
                          gboolean persistent, guint32 id)
{
        g_autofree char *name = NULL;
        const Event one = {.kind = kind, .name = "new", .lifecycle = event, .detail = detail, .id = 7};
        Status status = parse(before, &name);

        reconcile_apply(kind, &status, &one);
        g_assert_cmpstr(status.state, ==, state);
        g_assert_cmpint(status.persistent, ==, persistent);
        g_assert_cmpuint(status.id, ==, id);
        g_assert_cmpstr(status.name, ==, event == VIR_DOMAIN_EVENT_DEFINED ? "new" : "a");
}

/* What an event says is taken over. */
static void test_applied(void)
{
        check_applied(&kind_domain, "Pshutoff a", VIR_DOMAIN_EVENT_STARTED, 0, "running", TRUE, 7);
        check_applied(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_STOPPED, 0, "shutoff", TRUE, 0);
        check_applied(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_SUSPENDED, 0, "paused", TRUE, 7);
        check_applied(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_CRASHED, 0, "crashed", TRUE, 7);
        check_applied(&kind_domain, "running a #1", VIR_DOMAIN_EVENT_DEFINED, 0, "running", TRUE, 1);
        check_applied(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_UNDEFINED, 0, "running", FALSE, 1);
        /* That a guest is suspended because it migrates may not last. */
        check_applied(&kind_domain, "Prunning a #1", VIR_DOMAIN_EVENT_SUSPENDED,
                      VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, "running", TRUE, 1);
        check_applied(&kind_network, "Pinactive a", VIR_NETWORK_EVENT_STARTED, 0, "active", TRUE, 7);
        check_applied(&kind_network, "Pactive a", VIR_NETWORK_EVENT_STOPPED, 0, "inactive", TRUE, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/reconcile/domains", test_domains);
        g_test_add_func("/reconcile/others", test_others);
        g_test_add_func("/reconcile/missed", test_missed);
        g_test_add_func("/reconcile/applied", test_applied);
        return g_test_run();
}
