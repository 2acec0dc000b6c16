/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which of the two names the service serves under, by what the bus says to each, and which it can lose. */

#include "bus/bus_names.h"

#include <gio/gio.h>
#include <string.h>

#define OWN        "org.guestbus1"
#define COMPATIBLE "org.libvirt"

static BusName own, compatible;
static GString *asked;
static unsigned warnings;

/* In the place of the bus's answers. */
BusName bus_request_name(Bus *bus, const char *name, gboolean replace, GError **error)
{
        BusName taken = strcmp(name, OWN) == 0 ? own : compatible;

        g_string_append_printf(asked, "%s%s ", name, replace ? "!" : "");
        if (taken == BUS_NAME_FAILED)
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no %s", name);
        return taken;
}

static GLogWriterOutput count_warnings(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
        warnings += level == G_LOG_LEVEL_WARNING;
        return level > G_LOG_LEVEL_CRITICAL ? G_LOG_WRITER_HANDLED
                                            : g_log_writer_default(level, fields, n, data);
}

static const struct {
        BusName own, compatible;
        gboolean serves;
        const char *asked, *error;
        unsigned warnings;
} rows[] = {
        {BUS_NAME_OWNED, BUS_NAME_OWNED, TRUE, OWN " " COMPATIBLE " ", NULL, 0},
        {BUS_NAME_OWNED, BUS_NAME_TAKEN, TRUE, OWN " " COMPATIBLE " ", NULL, 1},
        {BUS_NAME_OWNED, BUS_NAME_FAILED, TRUE, OWN " " COMPATIBLE " ", NULL, 1},

        /* A bus with the policy of libvirt-dbus knows the other alone. */
        {BUS_NAME_FAILED, BUS_NAME_OWNED, TRUE, OWN " " COMPATIBLE " ", NULL, 1},
        {BUS_NAME_FAILED, BUS_NAME_TAKEN, FALSE, OWN " " COMPATIBLE " ",
         "no " OWN ", and another program owns " COMPATIBLE, 0},
        {BUS_NAME_FAILED, BUS_NAME_FAILED, FALSE, OWN " " COMPATIBLE " ", "no " OWN "; no " COMPATIBLE, 0},

        /* Another instance serves, and the other name is not looked at. */
        {BUS_NAME_TAKEN, BUS_NAME_OWNED, FALSE, OWN " ", "another instance owns " OWN, 0},
};

static void test_take(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GError) error = NULL;
                BusNames names = {};

                own = rows[i].own;
                compatible = rows[i].compatible;
                warnings = 0;
                g_string_truncate(asked, 0);
                g_assert_cmpint(bus_names_take(&names, NULL, FALSE, &error), ==, rows[i].serves);
                g_assert_cmpint(names.own, ==, own == BUS_NAME_OWNED);
                g_assert_cmpstr(asked->str, ==, rows[i].asked);
                g_assert_cmpuint(warnings, ==, rows[i].warnings);
                g_assert_cmpint(!error, ==, rows[i].serves);
                if (error)
                        g_assert_true(g_str_has_prefix(error->message, rows[i].error));
        }
}

static void test_replace(void)
{
        BusNames names = {};

        own = compatible = BUS_NAME_OWNED;
        g_string_truncate(asked, 0);
        g_assert_true(bus_names_take(&names, NULL, TRUE, NULL));
        g_assert_cmpstr(asked->str, ==, OWN "! " COMPATIBLE "! ");
}

static const struct {
        gboolean own;
        const char *name;
        gboolean ends;
} losses[] = {
        {TRUE, OWN, TRUE},   {TRUE, COMPATIBLE, FALSE}, {FALSE, COMPATIBLE, TRUE},
        {FALSE, OWN, FALSE}, {TRUE, ":1.1", FALSE},     {FALSE, "org.libvirt2", FALSE},
};

static void test_lost(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(losses); i++) {
                const BusNames names = {.own = losses[i].own};

                g_assert_cmpint(bus_names_lost(&names, losses[i].name), ==, losses[i].ends);
        }
}

int main(int argc, char **argv)
{
        int result;

        /* With one, the end waits for a while. */
        g_unsetenv("NOTIFY_SOCKET");
        g_test_init(&argc, &argv, NULL);
        g_log_set_writer_func(count_warnings, NULL, NULL);
        g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
        asked = g_string_new(NULL);
        g_test_add_func("/bus-names/take", test_take);
        g_test_add_func("/bus-names/replace", test_replace);
        g_test_add_func("/bus-names/lost", test_lost);
        result = g_test_run();
        g_string_free(asked, TRUE);

        return result;
}
