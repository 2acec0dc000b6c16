/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What messages ask for, and the right that this takes: a table. No connection is asked for anything here. */

#include "objects/request.h"

#include "codec-bus.h"

#define PROPERTIES     INTERFACE_PROPERTIES
#define INTROSPECTABLE INTERFACE_INTROSPECTABLE
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define DOMAIN         "/org/libvirt/Test/domain/_00000000_1111_2222_3333_444444444444"

#define NONE           (-1)

static const struct {
        const char *path, *interface, *member;
        RequestType type;
        int access; /* or NONE */
        gboolean tells;
} rows[] = {
        {DOMAIN, PROPERTIES, "Get", REQUEST_GET, ACCESS_MONITOR, TRUE},
        {DOMAIN, PROPERTIES, "GetAll", REQUEST_GET_ALL, ACCESS_MONITOR, TRUE},
        {DOMAIN, PROPERTIES, "Set", REQUEST_SET, ACCESS_MANAGE, FALSE},
        {DOMAIN, PROPERTIES, "No", REQUEST_UNKNOWN, ACCESS_MONITOR, FALSE},
        {DOMAIN, "org.libvirt.Domain", "GetState", REQUEST_METHOD, ACCESS_MONITOR, TRUE},
        {DOMAIN, NULL, "GetState", REQUEST_METHOD, ACCESS_MONITOR, TRUE},
        {DOMAIN, "org.libvirt.Domain", "Suspend", REQUEST_METHOD, ACCESS_MANAGE, FALSE},
        {DOMAIN, "org.libvirt.Domain", "GetJobStats", REQUEST_METHOD, ACCESS_MONITOR, FALSE},
        {DOMAIN, "org.libvirt.Domain", "No", REQUEST_METHOD, NONE, FALSE},
        {DOMAIN, "org.libvirt.Network", "GetXMLDesc", REQUEST_METHOD, NONE, FALSE},
        {DOMAIN, "org.guestbus.Domain1", "WaitForState", REQUEST_METHOD, ACCESS_MONITOR, TRUE},
        {DOMAIN, INTROSPECTABLE, "Introspect", REQUEST_INTROSPECT, ACCESS_MONITOR, TRUE},
        {"/org/libvirt/Test/domain", INTROSPECTABLE, "Introspect", REQUEST_INTROSPECT, ACCESS_MONITOR, TRUE},
        {"/org/libvirt/Test/domain", INTROSPECTABLE, "No", REQUEST_UNKNOWN, ACCESS_MONITOR, FALSE},
        /* These are the same for everybody. */
        {"/org/libvirt/Test", INTROSPECTABLE, "Introspect", REQUEST_INTROSPECT, NONE, TRUE},
        {"/org/libvirt/Test", INTROSPECTABLE, "No", REQUEST_UNKNOWN, NONE, FALSE},
        {"/org/libvirt", INTROSPECTABLE, "Introspect", REQUEST_INTROSPECT, NONE, TRUE},
        {"/org/libvirt", PROPERTIES, "No", REQUEST_UNKNOWN, ACCESS_MONITOR, FALSE},
        {"/org/libvirt", OBJECT_MANAGER, "GetManagedObjects", REQUEST_METHOD, ACCESS_MONITOR, TRUE},
        {"/org/libvirt/Test", "org.guestbus.Connection1", "Resync", REQUEST_METHOD, ACCESS_MONITOR, FALSE},
        {"/org/libvirt/Test", "org.guestbus.Connection1", "GetEvents", REQUEST_METHOD, ACCESS_MONITOR, TRUE},
        {"/org/libvirt/Test", "org.libvirt.Connect", "ListDomains", REQUEST_METHOD, ACCESS_MONITOR, TRUE},
};

/* Names that stand for connections: nothing looks into them. */
static GHashTable *connections;

static sd_bus_message *call_message(const char *path, const char *interface, const char *member)
{
        sd_bus_message *message = NULL;

        g_assert_cmpint(sd_bus_message_new_method_call(test_bus, &message, "a.b", path, interface, member),
                        >=, 0);
        message_finish(message);
        return message;
}

static void test_table(void)
{
        test_bus_open();
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(sd_bus_message) message =
                        call_message(rows[i].path, rows[i].interface, rows[i].member);
                g_auto(Request) request = {};
                Access access;
                gboolean takes;

                g_test_message("%s %s.%s", rows[i].path, rows[i].interface, rows[i].member);
                request_init(&request, message, connections);
                g_assert_true(request.possible);
                g_assert_cmpint(request.type, ==, rows[i].type);
                takes = request_access(&request, &access);
                g_assert_cmpint(takes ? (int)access : NONE, ==, rows[i].access);
                g_assert_cmpint(request_only_tells(&request), ==, rows[i].tells);
                /* A method has its row, or the reason why there is none. */
                if (request.type == REQUEST_METHOD)
                        g_assert_true((request.member != NULL) != (request.problem != NULL));
        }
        test_bus_close();
}

static void test_nowhere(void)
{
        static const char *const paths[] = {"/", "/org/libvirt/No", "/org/libvirt/Test/no",
                                            "/org/libvirt/Test/domain/no"};

        test_bus_open();
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                g_autoptr(sd_bus_message) message = call_message(paths[i], "org.libvirt.Domain", "Suspend");
                g_auto(Request) request = {};

                request_init(&request, message, connections);
                g_assert_false(request.possible);
                g_assert_null(request.member);
                g_assert_no_error(request.problem);
        }
        test_bus_close();
}

int main(int argc, char **argv)
{
        int r;

        g_test_init(&argc, &argv, NULL);
        connections = g_hash_table_new(g_str_hash, g_str_equal);
        g_hash_table_insert(connections, (void *)"Test", &connections);
        g_test_add_func("/request/table", test_table);
        g_test_add_func("/request/nowhere", test_nowhere);
        r = g_test_run();
        g_hash_table_unref(connections);
        return r;
}
