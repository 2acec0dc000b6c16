/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths to keys and back, for each kind; and objects of the test driver, from the list to the path, from the
 * path to the key, from the key to the object. */

#include "virt/kind.h"

#include "bus/path.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTION "/org/libvirt/Test"
#define UUID       "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define LEAF       "_6695eb01_f6a4_8304_79aa_97f2502e193f"

static virConnectPtr conn;

static void check_key(const Kind *kind, const char *leaf, const char *expected)
{
        g_autofree char *key = kind->key(leaf);

        g_assert_cmpstr(key, ==, expected);
}

static void test_find(void)
{
        static const char *const collections[] = {"domain",      "domaincheckpoint", "domainsnapshot",
                                                  "interface",   "network",          "nodedev",
                                                  "nwfilter",    "nwfilterbinding",  "secret",
                                                  "storagepool", "storagevol"};
        gsize n = 0;

        while (kinds[n])
                n++;
        g_assert_cmpuint(n, ==, G_N_ELEMENTS(collections));

        for (gsize i = 0; i < G_N_ELEMENTS(collections); i++) {
                const Kind *kind = kind_find(collections[i]);

                g_assert_nonnull(kind);
                g_assert_cmpstr(kind->collection, ==, collections[i]);
                g_assert_true(g_str_has_prefix(kind->interface->name, "org.libvirt."));
        }

        g_assert_null(kind_find(""));
        g_assert_null(kind_find("domains"));
        g_assert_null(kind_find("Domain"));
        g_assert_null(kind_connect.collection);
}

static void test_uuid_keys(void)
{
        const Kind *const by_uuid[] = {&kind_domain, &kind_network, &kind_nw_filter, &kind_secret,
                                       &kind_storage_pool};
        static const char *const malformed[] = {"",
                                                "_",
                                                UUID,
                                                (LEAF "0"),
                                                ("x" LEAF),
                                                "_6695EB01_f6a4_8304_79aa_97f2502e193f",
                                                "6695eb01_f6a4_8304_79aa_97f2502e193f"};

        for (gsize k = 0; k < G_N_ELEMENTS(by_uuid); k++) {
                check_key(by_uuid[k], LEAF, UUID);
                for (gsize i = 0; i < G_N_ELEMENTS(malformed); i++)
                        check_key(by_uuid[k], malformed[i], NULL);
        }
}

static void test_name_keys(void)
{
        const Kind *const by_name[] = {&kind_interface, &kind_node_device, &kind_storage_vol};
        static const char *const malformed[] = {"", "a_", "a_2", "__", "_g0", "_00", "a-b", "_2F", "a.b"};

        for (gsize k = 0; k < G_N_ELEMENTS(by_name); k++) {
                check_key(by_name[k], "computer", "computer");
                check_key(by_name[k], "aa_3abb", "aa:bb");
                check_key(by_name[k], "_2fpool_2fa_20b_24_25", "/pool/a b$%");
                check_key(by_name[k], "_c3_a4_ff", "\xc3\xa4\xff");
                check_key(by_name[k], "_", "");
                for (gsize i = 0; i < G_N_ELEMENTS(malformed); i++)
                        check_key(by_name[k], malformed[i], NULL);
        }
}

/* A name that looks like a MAC has a form of its own, in which its last digit is escaped, and a key of its
 * own:
 * "=" stands before it, and doubled for what begins with one. */
static void test_interface_keys(void)
{
        check_key(&kind_interface, "52_3a54_3a00_3aaa_3abb_3acc", "52:54:00:aa:bb:cc");
        check_key(&kind_interface, "52_3a54_3a00_3aaa_3abb_3ac_63", "=52:54:00:aa:bb:cc");
        check_key(&kind_interface, "_352_3a54_3a00_3aaa_3abb_3acc", "52:54:00:aa:bb:cc");
        check_key(&kind_interface, "eth_30", "eth0");
        check_key(&kind_interface, "eth0_3a_31", "eth0:1");
        check_key(&kind_interface, "_3d52_3a5_34", "==52:54");
        check_key(&kind_interface, "_3d", "==");
        check_key(&kind_interface, "_3a_61", "=:a");
        check_key(&kind_interface, "a_3a", "a:");
}

static void test_snapshot_keys(void)
{
        static const char *const malformed[] = {"",          "x",        "_x",        LEAF,
                                                LEAF "x",    LEAF "_a_", LEAF "_a_2", LEAF "_-",
                                                LEAF "__g0", UUID "_x",  LEAF "/x",   "x" LEAF "_x"};

        check_key(&kind_domain_snapshot, LEAF "_first", UUID "/first");
        check_key(&kind_domain_checkpoint, LEAF "_a_20b", UUID "/a b");
        check_key(&kind_domain_snapshot, LEAF "_a_20b_5fc_2f_c3_a4", UUID "/a b_c/\xc3\xa4");
        check_key(&kind_domain_snapshot, LEAF "__", UUID "/");

        for (gsize i = 0; i < G_N_ELEMENTS(malformed); i++)
                check_key(&kind_domain_snapshot, malformed[i], NULL);
}

/* Each length in a block of its own size, for the sanitizer to see a read beyond it: that of a snapshot is
 * where libvirt-dbus writes beyond. */
static void test_lengths(void)
{
        static const char whole[] = LEAF "_first";

        for (const Kind *const *kind = kinds; *kind; kind++) {
                for (gsize length = 0; length <= strlen(whole); length++) {
                        g_autofree char *leaf = g_strndup(whole, length);
                        g_autofree char *key = (*kind)->key(leaf);

                        if ((*kind)->key == kind_domain_snapshot.key)
                                g_assert_cmpint(key != NULL, ==, length > strlen(LEAF "_"));
                }
        }
}

/* The path is one that D-Bus takes, in the kind's collection, and leads back to the same object. */
static void check_round_trip(const Kind *kind, void *object)
{
        g_autofree char *path = kind->path(CONNECTION, object);
        g_autofree char *again = NULL, *key = NULL;
        g_auto(PathParts) parts = {};
        virDomainPtr domain = NULL;
        void *found;

        g_assert_true(g_variant_is_object_path(path));
        g_assert_true(path_split(path, &parts));
        g_assert_cmpstr(parts.connection, ==, "Test");
        g_assert_cmpstr(parts.collection, ==, kind->collection);
        key = kind->key(parts.leaf);
        g_assert_nonnull(key);

        found = kind->lookup(conn, key, &domain);
        g_assert_nonnull(found);
        again = kind->path(CONNECTION, found);
        g_assert_cmpstr(again, ==, path);

        kind->free(found);
        if (domain)
                virDomainFree(domain);
}

/* Returns how many there are. */
static int check_all(const Kind *kind)
{
        void **objects = NULL;
        int n = kind->list(conn, 0, &objects);

        for (int i = 0; i < n; i++) {
                check_round_trip(kind, objects[i]);
                kind->free(objects[i]);
        }
        free(objects);

        return n;
}

static void add_snapshot(virDomainPtr domain, const char *name)
{
        g_autofree char *xml =
                g_markup_printf_escaped("<domainsnapshot><name>%s</name></domainsnapshot>", name);
        virDomainSnapshotPtr snapshot = virDomainSnapshotCreateXML(domain, xml, 0);

        g_assert_nonnull(snapshot);
        g_assert_cmpstr(virDomainSnapshotGetName(snapshot), ==, name);
        virDomainSnapshotFree(snapshot);
}

static void add_volume(const char *name)
{
        g_autofree char *xml =
                g_markup_printf_escaped("<volume><name>%s</name><capacity>1024</capacity></volume>", name);
        virStoragePoolPtr pool = virStoragePoolLookupByName(conn, "default-pool");
        virStorageVolPtr volume = virStorageVolCreateXML(pool, xml, 0);

        g_assert_nonnull(volume);
        virStorageVolFree(volume);
        virStoragePoolFree(pool);
}

static void test_objects(void)
{
        g_assert_cmpint(check_all(&kind_domain), ==, 1);
        g_assert_cmpint(check_all(&kind_interface), ==, 1);
        g_assert_cmpint(check_all(&kind_network), ==, 1);
        g_assert_cmpint(check_all(&kind_node_device), >, 0);
        g_assert_cmpint(check_all(&kind_storage_pool), ==, 1);
}

static void add_interface(const char *name, const char *mac)
{
        g_autofree char *xml = g_strdup_printf("<interface type='ethernet' name='%s'><start mode='none'/>"
                                               "<mac address='%s'/></interface>",
                                               name, mac);
        virInterfacePtr interface = virInterfaceDefineXML(conn, xml, 0);

        g_assert_nonnull(interface);
        virInterfaceFree(interface);
}

/* The paths of the list are those that its members have by themselves, each another. */
static void check_interface_paths(unsigned flags, int expected)
{
        g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        void **list = NULL;
        int n = kind_interface.list(conn, flags, &list);
        g_autofree char **paths = g_new0(char *, n);

        g_assert_cmpint(n, ==, expected);
        kind_interface.paths(CONNECTION, list, n, flags, paths);
        for (int i = 0; i < n; i++) {
                g_autofree char *alone = kind_interface.path(CONNECTION, list[i]);

                g_assert_cmpstr(paths[i], ==, alone);
                g_assert_true(g_hash_table_add(seen, paths[i]));
                kind_interface.free(list[i]);
        }
        free(list);
}

static void test_interfaces(void)
{
        add_interface("br0", "52:54:00:aa:bb:cc");
        add_interface("eno1", "52:54:00:AA:bb:cc");
        add_interface("52:54:00:aa:bb:cc", "52:54:00:aa:bb:cc");
        add_interface("aa:bb:cc:dd:ee:ff", "52:54:00:aa:bb:cc");
        add_interface("alone", "52:54:00:00:00:01");
        /* The test driver's own runs, and the others do not. */
        g_assert_cmpint(check_all(&kind_interface), ==, 6);
        check_interface_paths(0, 6);
        check_interface_paths(VIR_CONNECT_LIST_INTERFACES_ACTIVE, 1);
        check_interface_paths(VIR_CONNECT_LIST_INTERFACES_INACTIVE, 5);
}

static void test_volumes(void)
{
        int before = check_all(&kind_storage_vol);

        g_assert_cmpint(before, >=, 0);
        add_volume("plain");
        add_volume("a b$%_x");
        add_volume("\xc3\xa4");
        g_assert_cmpint(check_all(&kind_storage_vol), ==, before + 3);
}

static void test_snapshots(void)
{
        virDomainPtr domain = virDomainLookupByName(conn, "test");

        g_assert_cmpint(check_all(&kind_domain_snapshot), ==, 0);
        add_snapshot(domain, "first");
        add_snapshot(domain, "a b$%_x");
        add_snapshot(domain, "\xc3\xa4 _ 1");
        g_assert_cmpint(check_all(&kind_domain_snapshot), ==, 3);
        virDomainFree(domain);
}

static void add_checkpoint(virDomainPtr domain, const char *name)
{
        g_autofree char *xml =
                g_markup_printf_escaped("<domaincheckpoint><name>%s</name></domaincheckpoint>", name);
        virDomainCheckpointPtr checkpoint = virDomainCheckpointCreateXML(domain, xml, 0);

        g_assert_nonnull(checkpoint);
        virDomainCheckpointFree(checkpoint);
}

static void test_checkpoints(void)
{
        virDomainPtr domain = virDomainCreateXML(conn,
                                                 "<domain type='test'><name>c</name><memory>1024</memory>"
                                                 "<os><type>hvm</type></os><devices><disk type='file'>"
                                                 "<source file='/d'/><target dev='vda'/></disk></devices>"
                                                 "</domain>",
                                                 0);

        g_assert_nonnull(domain);
        g_assert_cmpint(check_all(&kind_domain_checkpoint), ==, 0);
        add_checkpoint(domain, "first");
        add_checkpoint(domain, "a-b_c.1");
        g_assert_cmpint(check_all(&kind_domain_checkpoint), ==, 2);
        virDomainDestroy(domain);
        virDomainFree(domain);
}

/* libvirt's error says which of the two is missing, and stays until the caller has read it. */
static void test_snapshot_of_nothing(void)
{
        virDomainPtr domain = NULL;

        g_assert_null(kind_domain_snapshot.lookup(conn, UUID "/none", &domain));
        g_assert_nonnull(domain);
        g_assert_cmpint(virGetLastErrorCode(), ==, VIR_ERR_NO_DOMAIN_SNAPSHOT);
        virDomainFree(domain);

        domain = NULL;
        g_assert_null(kind_domain_snapshot.lookup(conn, "00000000-0000-0000-0000-000000000000/x", &domain));
        g_assert_null(domain);
        g_assert_cmpint(virGetLastErrorCode(), ==, VIR_ERR_NO_DOMAIN);
}

/* A driver that has no such objects says so. */
static void test_lists_that_fail(void)
{
        void **objects = NULL;

        g_assert_cmpint(kind_nw_filter.list(conn, 0, &objects), ==, -1);
        g_assert_null(objects);
        g_assert_cmpint(virGetLastErrorCode(), ==, VIR_ERR_NO_SUPPORT);
}

static void silent(void *data, virErrorPtr error)
{
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        virSetErrorFunc(NULL, silent);
        conn = virConnectOpen("test:///default");
        g_assert_nonnull(conn);

        g_test_add_func("/kind/find", test_find);
        g_test_add_func("/kind/uuid-keys", test_uuid_keys);
        g_test_add_func("/kind/name-keys", test_name_keys);
        g_test_add_func("/kind/interface-keys", test_interface_keys);
        g_test_add_func("/kind/snapshot-keys", test_snapshot_keys);
        g_test_add_func("/kind/lengths", test_lengths);
        g_test_add_func("/kind/objects", test_objects);
        g_test_add_func("/kind/interfaces", test_interfaces);
        g_test_add_func("/kind/volumes", test_volumes);
        g_test_add_func("/kind/snapshots", test_snapshots);
        g_test_add_func("/kind/checkpoints", test_checkpoints);
        g_test_add_func("/kind/snapshot-of-nothing", test_snapshot_of_nothing);
        g_test_add_func("/kind/lists-that-fail", test_lists_that_fail);

        result = g_test_run();
        virConnectClose(conn);
        return result;
}
