/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests by name, UUID and path, and events of those that are wanted. */

#include "guestbusctl/cursor.h"
#include "guestbusctl/guest.h"

#define ONE   "/org/libvirt/QEMU/domain/_6695eb01_f6a4_8304_79aa_97f2502e193f"
#define OTHER "/org/libvirt/LXC/domain/_2"
#define TWIN  "/org/libvirt/LXC/domain/_3"

static Inventory *inventory(void)
{
        g_autoptr(GVariant) objects = g_variant_parse(
                G_VARIANT_TYPE("a{oa{sa{sv}}}"),
                "{'" ONE "': {'org.guestbus.Domain1': {'Name': <'web1'>}},"
                " '" OTHER "': {'org.guestbus.Domain1': {'Name': <'both'>}},"
                " '" TWIN "': {'org.guestbus.Domain1': {'Name': <'both'>}},"
                " '/org/libvirt/LXC/network/_4': {'org.guestbus.Network1': {'Name': <'net'>}}}",
                NULL, NULL, NULL);

        return inventory_new(objects, NULL);
}

static void test_find(void)
{
        static const struct {
                const char *word;
                guint n;
        } rows[] = {
                {"web1", 1}, {ONE, 1},   {"6695eb01-f6a4-8304-79aa-97f2502e193f", 1},
                {"both", 2}, {"net", 0}, {"6695EB01-F6A4-8304-79AA-97F2502E193F", 1},
                {"", 0},     {"web", 0}, {"/org/libvirt/LXC/network/_4", 0},
        };
        g_autoptr(Inventory) all = inventory();

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(GPtrArray) found = guest_find(all, rows[i].word);

                g_assert_cmpuint(found->len, ==, rows[i].n);
        }
}

static void test_candidates(void)
{
        g_autoptr(Inventory) all = inventory();
        g_autoptr(GPtrArray) found = guest_find(all, "both");
        g_autofree char *text = guest_candidates(all, "both", found);

        g_assert_cmpstr(text, ==,
                        "\"both\" is the name of 2 guests; name one by its path:\n  " OTHER "\n  " TWIN);
}

static gboolean takes(GuestFilter *filter, const char *path, const char *kind, const char *name)
{
        g_autoptr(Event) event =
                event_new(path, g_variant_new("(stxs@a{sv})", kind, G_GUINT64_CONSTANT(1),
                                              G_GINT64_CONSTANT(1), name, g_variant_new("a{sv}", NULL)));

        return guest_filter_takes(filter, event);
}

/* It follows a guest through changes of its name, to its end, and then the next one of the name. */
static void test_filter(void)
{
        g_autoptr(Inventory) all = inventory();
        g_autoptr(GuestFilter) filter = guest_filter_new((char *[]){(char *)"web1", (char *)"new", NULL});

        g_assert_null(guest_filter_find(filter, all));
        g_assert_true(takes(filter, ONE, "lifecycle", "web1"));
        g_assert_true(takes(filter, ONE, "lifecycle", "renamed"));
        g_assert_false(takes(filter, OTHER, "lifecycle", "web1"));
        g_assert_true(takes(filter, "/org/libvirt/QEMU", "closed", ""));
        g_assert_false(takes(filter, "/org/libvirt/QEMU/network/_1", "lifecycle", "web1"));
        g_assert_true(takes(filter, ONE, "removed", "web1"));
        g_assert_true(takes(filter, OTHER, "added", "web1"));
        g_assert_false(takes(filter, TWIN, "added", "web1"));
        g_assert_true(takes(filter, TWIN, "added", "new"));
        g_assert_true(guest_filter_has(filter, TWIN));
        g_assert_false(guest_filter_has(filter, ONE));
}

static void test_all(void)
{
        g_autoptr(GuestFilter) filter = guest_filter_new(NULL);

        g_assert_true(takes(filter, ONE, "lifecycle", "web1"));
        g_assert_true(takes(filter, "/org/libvirt/QEMU/network/_1", "lifecycle", "net"));
        g_assert_true(guest_filter_has(filter, ONE));
}

static void test_ambiguous(void)
{
        g_autoptr(Inventory) all = inventory();
        g_autoptr(GuestFilter) filter = guest_filter_new((char *[]){(char *)"web1", (char *)"both", NULL});

        g_assert_cmpstr(guest_filter_find(filter, all), ==, "both");
}

static void test_cursor(void)
{
        static const char *const wrong[] = {"",
                                            "a b 1",
                                            "/org/libvirt/QEMU e",
                                            "/org/libvirt/QEMU e x",
                                            "/org/libvirt/QEMU  1",
                                            "/org/libvirt/QEMU/domain/_1 e 1",
                                            "/org/libvirt/QEMU e 1 2",
                                            "/org/libvirt/QEMU e -1"};
        g_autofree char *connection = NULL, *epoch = NULL;
        guint64 number;

        g_assert_true(cursor_parse("/org/libvirt/QEMU e 42", &connection, &epoch, &number));
        g_assert_cmpstr(connection, ==, "/org/libvirt/QEMU");
        g_assert_cmpstr(epoch, ==, "e");
        g_assert_cmpuint(number, ==, 42);
        for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
                g_assert_false(cursor_parse(wrong[i], &connection, &epoch, &number));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/guest/find", test_find);
        g_test_add_func("/guest/candidates", test_candidates);
        g_test_add_func("/guest/filter", test_filter);
        g_test_add_func("/guest/all", test_all);
        g_test_add_func("/guest/ambiguous", test_ambiguous);
        g_test_add_func("/guest/cursor", test_cursor);
        return g_test_run();
}
