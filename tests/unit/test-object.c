/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a path to an object, to its interfaces and members, and to its introspection. */

#include "base/error.h"
#include "bus/path.h"
#include "members.h"
#include "objects/introspect.h"
#include "objects/object.h"

#include <string.h>

#define UUID_LEAF "_6695eb01_f6a4_8304_79aa_97f2502e193f"

/* Nothing here looks into a connection. */
static const char connection[] = "connection";
static GHashTable *connections;

static const struct {
        const char *path;
        ObjectLevel level;
        const Kind *kind;
        const char *key;
} there[] = {
        {PATH_ROOT, OBJECT_ROOT, NULL, NULL},
        {PATH_ROOT "/Test", OBJECT_CONNECTION, &kind_connect, NULL},
        {PATH_ROOT "/Test/domain", OBJECT_COLLECTION, &kind_domain, NULL},
        {PATH_ROOT "/Test/nodedev", OBJECT_COLLECTION, &kind_node_device, NULL},
        {PATH_ROOT "/Test/domain/" UUID_LEAF, OBJECT_LEAF, &kind_domain,
         "6695eb01-f6a4-8304-79aa-97f2502e193f"},
        {PATH_ROOT "/Test/nodedev/net_5feth0", OBJECT_LEAF, &kind_node_device, "net_eth0"},
};

static const char *const not_there[] = {
        "",
        "/",
        "/org",
        "/org/libvirt/",
        "/org/libvirtd",
        PATH_ROOT "/None",
        PATH_ROOT "/test",
        PATH_ROOT "/None/domain",
        PATH_ROOT "/Test/",
        PATH_ROOT "/Test/domains",
        PATH_ROOT "/Test/connect",
        PATH_ROOT "/Test/domain/",
        PATH_ROOT "/Test/domain/6695eb01",
        PATH_ROOT "/Test/domain/" UUID_LEAF "0",
        PATH_ROOT "/Test/domain/" UUID_LEAF "/x",
        PATH_ROOT "/Test/nodedev/net_5",
};

static void test_resolve(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(there); i++) {
                g_auto(Object) object = {};

                g_assert_true(object_resolve(connections, there[i].path, &object));
                g_assert_cmpint(object.level, ==, there[i].level);
                g_assert_true(object.kind == there[i].kind);
                g_assert_true((object.level == OBJECT_ROOT) == !object.connection);
                g_assert_cmpstr(object.key, ==, there[i].key);
                g_assert_true((object.level == OBJECT_LEAF) == (object.leaf != NULL));
                if (object.leaf)
                        g_assert_true(g_str_has_suffix(there[i].path, object.leaf));
        }

        for (gsize i = 0; i < G_N_ELEMENTS(not_there); i++) {
                g_auto(Object) object = {};

                g_assert_false(object_resolve(connections, not_there[i], &object));
        }
}

/* What stands at a path, as the interfaces that it has. */
static const struct {
        const char *path;
        const Interface *first, *second;
} interfaces[] = {
        {PATH_ROOT, &interface_manager1, &interface_object_manager},
        {PATH_ROOT "/Test", &interface_connect, &interface_connection1},
        {PATH_ROOT "/Test/domain", NULL, NULL},
        {PATH_ROOT "/Test/domain/" UUID_LEAF, &interface_domain, &interface_domain1},
        {PATH_ROOT "/Test/nwfilter/" UUID_LEAF, &interface_nw_filter, NULL},
};

static void check_members(const Object *object, const Interface *first)
{
        for (size_t i = 0; first && i < first->n_members; i++) {
                const Member *row = &first->members[i];
                const Interface *named = NULL, *any = NULL;

                if (row->kind == MEMBER_SIGNAL)
                        continue;

                g_assert_true(object_find_member(object, first->name, row->kind, row->name, &named, NULL) ==
                              row);
                g_assert_true(object_find_member(object, NULL, row->kind, row->name, &any, NULL) == row);
                g_assert_true(named == first && any == first);
        }
}

static void test_interfaces(void)
{
        for (gsize i = 0; i < G_N_ELEMENTS(interfaces); i++) {
                const Interface *found[OBJECT_INTERFACES_MAX + 1];
                g_auto(Object) object = {};

                g_assert_true(object_resolve(connections, interfaces[i].path, &object));
                object_interfaces(&object, found);
                g_assert_true(found[0] == interfaces[i].first);
                g_assert_true(!found[0] || found[1] == interfaces[i].second);
                check_members(&object, found[0]);

                /* For "" there is always one, of which nothing is needed. */
                g_assert_nonnull(object_find_interface(&object, "", MEMBER_PROPERTY, NULL));
        }
}

static const struct {
        const char *interface, *name;
        MemberKind kind;
        int code;
} unknown[] = {
        {"org.libvirt.Network", "Name", MEMBER_PROPERTY, GUESTBUS_ERROR_INVALID_ARGS},
        {"org.libvirt.Network", "Create", MEMBER_METHOD, GUESTBUS_ERROR_UNKNOWN_METHOD},
        {"org.libvirt.Domain", "None", MEMBER_PROPERTY, GUESTBUS_ERROR_INVALID_ARGS},
        {"org.libvirt.Domain", "None", MEMBER_METHOD, GUESTBUS_ERROR_UNKNOWN_METHOD},
        {"org.libvirt.Domain", "Name", MEMBER_METHOD, GUESTBUS_ERROR_UNKNOWN_METHOD},
        {"org.libvirt.Domain", "Suspend", MEMBER_PROPERTY, GUESTBUS_ERROR_INVALID_ARGS},
        {"org.libvirt.Domain", "suspend", MEMBER_METHOD, GUESTBUS_ERROR_UNKNOWN_METHOD},
        {NULL, "None", MEMBER_METHOD, GUESTBUS_ERROR_UNKNOWN_METHOD},
        {"", "None", MEMBER_PROPERTY, GUESTBUS_ERROR_INVALID_ARGS},
};

static void test_unknown_members(void)
{
        g_auto(Object) object = {};

        g_assert_true(object_resolve(connections, PATH_ROOT "/Test/domain/" UUID_LEAF, &object));
        for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++) {
                g_autoptr(GError) error = NULL;
                const Interface *found = NULL;

                g_assert_null(object_find_member(&object, unknown[i].interface, unknown[i].kind,
                                                 unknown[i].name, &found, &error));
                g_assert_error(error, GUESTBUS_ERROR, unknown[i].code);
        }
}

/* The names of the children, as the XML has them; each is followed by a space. */
static char *children(const char *xml)
{
        GString *names = g_string_new(NULL);

        for (const char *at = xml; (at = strstr(at, "<node name=\"")); at += strcspn(at, ">")) {
                at += strlen("<node name=\"");
                g_string_append_len(names, at, (gssize)strcspn(at, "\""));
                g_string_append_c(names, ' ');
        }

        return g_string_free(names, FALSE);
}

static const struct {
        const char *path, *children;
        const Interface *interface;
} documents[] = {
        {PATH_ROOT, "Test ", &interface_object_manager},
        {PATH_ROOT "/Test",
         "domain domaincheckpoint domainsnapshot interface network nodedev nwfilter nwfilterbinding secret "
         "storagepool "
         "storagevol ",
         &interface_connect},
        {PATH_ROOT "/Test/nodedev", "computer net_5feth0 ", NULL},
        {PATH_ROOT "/Test/nodedev/computer", "", &interface_node_device},
        {PATH_ROOT "/Test/domain/" UUID_LEAF, "", &interface_domain},
};

static void test_introspection(void)
{
        static const char *const devices[] = {"computer", "net_5feth0", NULL};
        g_autoptr(GVariant) list = g_variant_ref_sink(g_variant_new_strv(devices, -1));

        for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
                g_autofree char *xml = NULL, *names = NULL;
                g_auto(Object) object = {};

                g_assert_true(object_resolve(connections, documents[i].path, &object));
                xml = introspect(&object, connections, object.level == OBJECT_COLLECTION ? list : NULL);
                names = children(xml);
                g_assert_cmpstr(names, ==, documents[i].children);
                g_assert_true(g_str_has_prefix(xml, "<!DOCTYPE node"));
                g_assert_nonnull(strstr(xml, interface_standard_xml));
                if (documents[i].interface)
                        g_assert_nonnull(strstr(xml, documents[i].interface->xml));
        }
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        connections = g_hash_table_new(g_str_hash, g_str_equal);
        g_hash_table_insert(connections, (void *)"Test", (void *)connection);
        g_test_add_func("/object/resolve", test_resolve);
        g_test_add_func("/object/interfaces", test_interfaces);
        g_test_add_func("/object/unknown-members", test_unknown_members);
        g_test_add_func("/object/introspection", test_introspection);
        result = g_test_run();
        g_hash_table_unref(connections);

        return result;
}
