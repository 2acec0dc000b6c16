/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus/path.h"

#include <string.h>

#define UUID "6695eb01-f6a4-8304-79aa-97f2502e193f"
#define LEAF "_6695eb01_f6a4_8304_79aa_97f2502e193f"

static void test_build(void)
{
        g_autofree char *domain = path_uuid("/org/libvirt/QEMU", "domain", UUID);
        g_autofree char *pool = path_uuid("/org/libvirt/Test", "storagepool", UUID);
        g_autofree char *device = path_name("/org/libvirt/Test", "nodedev", "scsi_host1");
        g_autofree char *leaf = path_uuid_leaf(UUID);

        g_assert_cmpstr(domain, ==, "/org/libvirt/QEMU/domain/" LEAF);
        g_assert_cmpstr(pool, ==, "/org/libvirt/Test/storagepool/" LEAF);
        g_assert_cmpstr(device, ==, "/org/libvirt/Test/nodedev/scsi_5fhost1");
        g_assert_cmpstr(leaf, ==, LEAF);
}

static void check_no_uuid(const char *leaf)
{
        char uuid[VIR_UUID_STRING_BUFLEN] = "untouched";

        g_assert_false(path_leaf_to_uuid(leaf, uuid));
        g_assert_cmpstr(uuid, ==, "untouched");
}

static void test_uuid(void)
{
        char uuid[VIR_UUID_STRING_BUFLEN];

        g_assert_true(path_leaf_to_uuid(LEAF, uuid));
        g_assert_cmpstr(uuid, ==, UUID);

        check_no_uuid(NULL);
        check_no_uuid(UUID);
        check_no_uuid(LEAF "0");
        check_no_uuid(LEAF "_");
        check_no_uuid("_6695EB01_f6a4_8304_79aa_97f2502e193f");
        check_no_uuid("_6695eb01-f6a4-8304-79aa-97f2502e193f");

        /* Each length in a block of its own size, for the sanitizer to see a read beyond it. */
        for (gsize length = 0; length < strlen(LEAF); length++) {
                g_autofree char *leaf = g_strndup(LEAF, length);

                check_no_uuid(leaf);
        }

        for (gsize i = 0; i < strlen(LEAF); i++) {
                g_autofree char *leaf = g_strdup(LEAF);

                leaf[i] = leaf[i] == '_' ? '0' : 'g';
                check_no_uuid(leaf);
                leaf[i] = leaf[i] == 'g' ? '_' : '-';
                check_no_uuid(leaf);
        }
}

/* Leaves that libvirt-dbus 1.4.1 made of these names, except for the last two. */
static const struct {
        const char *name;
        const char *leaf;
} names[] = {
        {"aa:bb:cc:dd:ee:ff", "aa_3abb_3acc_3add_3aee_3aff"},
        {"AA:bb:cc:dd:ee:0F", "AA_3abb_3acc_3add_3aee_3a0F"},
        {"52:54:00:00:00:01", "52_3a54_3a00_3a00_3a00_3a01"},
        {"computer", "computer"},
        {"scsi_host11", "scsi_5fhost11"},
        {"/default-pool/1abc", "_2fdefault_2dpool_2f1abc"},
        {"/default-pool/a b$%/x_y", "_2fdefault_2dpool_2fa_20b_24_25_2fx_5fy"},
        {"/default-pool/\xc3\xa9~:Z", "_2fdefault_2dpool_2f_c3_a9_7e_3aZ"},
        {"/default-pool/.", "_2fdefault_2dpool_2f_2e"},
        {"/default-pool/*JKMNO/", "_2fdefault_2dpool_2f_2aJKMNO_2f"},
        {"", "_"},
        {"\xff\x01", "_ff_01"},
};

static void test_uuid_text(void)
{
        static const unsigned char raw[VIR_UUID_BUFLEN] = {0x00, 0x0f, 0xf0, 0xff, 0x12, 0x34, 0x56, 0x78,
                                                           0x9a, 0xbc, 0xde, 0x01, 0x80, 0x7f, 0xa5, 0x5a};
        char uuid[VIR_UUID_STRING_BUFLEN];

        path_uuid_text(raw, uuid);
        g_assert_cmpstr(uuid, ==, "000ff0ff-1234-5678-9abc-de01807fa55a");
}

static void test_escape(void)
{
        g_autofree char *null = path_escape(NULL);

        g_assert_cmpstr(null, ==, "_");

        for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *leaf = path_escape(names[i].name);
                g_autofree char *name = path_unescape(names[i].leaf);
                g_autofree char *path = path_name("/org/libvirt/QEMU", "nodedev", names[i].name);

                g_assert_cmpstr(leaf, ==, names[i].leaf);
                g_assert_cmpstr(name, ==, names[i].name);
                g_assert_true(g_variant_is_object_path(path));
        }
}

static void test_escape_bytes(void)
{
        for (int byte = 1; byte < 256; byte++) {
                char name[] = {(char)byte, '1', (char)byte, '\0'};
                g_autofree char *leaf = path_escape(name);
                g_autofree char *back = path_unescape(leaf);

                g_assert_cmpstr(back, ==, name);
                g_assert_cmpuint(strlen(leaf), ==, g_ascii_isalnum((char)byte) ? 3 : 7);
        }
}

static void test_unescape(void)
{
        static const char *const malformed[] = {NULL,   "",    "a_",  "a_2",      "a_2_", "__",
                                                "_g0",  "_0g", "_2F", "_C3a",     "_00",  "a_00b",
                                                "a-b",  "a/b", "a b", "\xc3\xa9", "a.",   "_ 2",
                                                "_2 f", "_-1", "_x2", "___2f"};
        g_autofree char *digit = path_unescape("_352_3a54");

        g_assert_cmpstr(digit, ==, "52:54");

        for (gsize i = 0; i < G_N_ELEMENTS(malformed); i++)
                g_assert_null(path_unescape(malformed[i]));
}

static void check_split(const char *path, const char *connection, const char *collection, const char *leaf)
{
        g_auto(PathParts) parts = {};

        g_assert_true(path_split(path, &parts));
        g_assert_cmpstr(parts.connection, ==, connection);
        g_assert_cmpstr(parts.collection, ==, collection);
        g_assert_cmpstr(parts.leaf, ==, leaf);
}

static void check_no_split(const char *path)
{
        PathParts parts = {.connection = "left over"};

        g_assert_false(path_split(path, &parts));
        g_assert_null(parts.buffer);
        g_assert_null(parts.connection);
        g_assert_null(parts.collection);
        g_assert_null(parts.leaf);

        path_parts_clear(&parts);
}

static void test_split(void)
{
        g_autofree char *megabyte = g_strnfill(1024 * 1024, 'x');
        g_autofree char *element = g_strconcat("/org/libvirt/QEMU/domain/", megabyte, NULL);
        g_autofree char *deep = g_strconcat(element, "/y", NULL);

        check_split("/org/libvirt", NULL, NULL, NULL);
        check_split("/org/libvirt/QEMU", "QEMU", NULL, NULL);
        check_split("/org/libvirt/QEMU/domain", "QEMU", "domain", NULL);
        check_split("/org/libvirt/QEMU/domain/" LEAF, "QEMU", "domain", LEAF);
        check_split("/org/libvirt/x/y/z", "x", "y", "z");
        check_split(element, "QEMU", "domain", megabyte);

        check_no_split(NULL);
        check_no_split("");
        check_no_split("/");
        check_no_split("/org");
        check_no_split("/org/libvir");
        check_no_split("/org/libvirtd");
        check_no_split("/org/libvirtd/QEMU");
        check_no_split("/org/libvirt/");
        check_no_split("/org/libvirt//");
        check_no_split("/org/libvirt//domain");
        check_no_split("/org/libvirt/QEMU/");
        check_no_split("/org/libvirt/QEMU//x");
        check_no_split("/org/libvirt/QEMU/domain/");
        check_no_split("/org/libvirt/QEMU/domain/x/");
        check_no_split("/org/libvirt/QEMU/domain/x/y");
        check_no_split("org/libvirt");
        check_no_split(" /org/libvirt");
        check_no_split(deep);
}

/* Every beginning of a path, each in a block of its own size. */
static void test_split_lengths(void)
{
        static const char path[] = "/org/libvirt/QEMU/domain/" LEAF;
        guint good = 0;

        for (gsize length = 0; length <= strlen(path); length++) {
                g_autofree char *beginning = g_strndup(path, length);
                g_auto(PathParts) parts = {};

                if (path_split(beginning, &parts))
                        good++;
        }

        g_assert_cmpuint(good, ==, 1 + strlen("QEMU") + strlen("domain") + strlen(LEAF));
}

/* The library's own limit, which its messages are checked against: 64 KiB, the slashes included. */
static void test_fits(void)
{
        g_autofree char *leaf = g_strnfill(64 * 1024 - strlen("/org/libvirt/T/storagevol/"), 'x');
        g_autofree char *most = path_name("/org/libvirt/T", "storagevol", leaf);
        g_autofree char *more = g_strconcat(most, "x", NULL);

        g_assert_cmpuint(strlen(most), ==, 64 * 1024);
        g_assert_true(object_path_fits("/org/libvirt/QEMU/domain/" LEAF));
        g_assert_true(object_path_fits(most));
        g_assert_false(object_path_fits(more));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/path/build", test_build);
        g_test_add_func("/path/uuid", test_uuid);
        g_test_add_func("/path/uuid-text", test_uuid_text);
        g_test_add_func("/path/escape", test_escape);
        g_test_add_func("/path/escape-bytes", test_escape_bytes);
        g_test_add_func("/path/unescape", test_unescape);
        g_test_add_func("/path/fits", test_fits);
        g_test_add_func("/path/split", test_split);
        g_test_add_func("/path/split-lengths", test_split_lengths);

        return g_test_run();
}
