/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client knows of all objects: pictures, events, and connections that are without their libvirt. */

#include "listener/inventory.h"

#define HERE  "/org/libvirt/Here"
#define AWAY  "/org/libvirt/Away"
#define GUEST "/domain/_1"

/* Two connections, the second one in a state that is given, with guests that are given. */
static Inventory *picture(const char *away, const char *guests, const Inventory *before)
{
        g_autofree char *text = g_strdup_printf(
                "{'" HERE
                "': {'org.libvirt.Connect': {}, 'org.guestbus.Connection1': {'State': <'connected'>, "
                "'Epoch': <'e'>, 'Sequence': <uint64 30>, 'Counters': <{'events': uint64 12, "
                "'events.forgotten': 4}>}},"
                " '" AWAY "': {'org.guestbus.Connection1': {'State': <'%s'>, 'Epoch': <'f'>}}%s}",
                away, guests);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) objects =
                g_variant_parse(G_VARIANT_TYPE("a{oa{sa{sv}}}"), text, NULL, NULL, &error);

        g_assert_no_error(error);
        return inventory_new(objects, before);
}

#define GUESTS                                                                                               \
        ", '" HERE GUEST "': {'org.libvirt.Domain': {}, 'org.guestbus.Domain1': {'Name': <'a'>, "            \
        "'State': <'running'>, 'Active': <true>}}, '" AWAY GUEST                                             \
        "': {'org.guestbus.Domain1': {'Name': <'b'>}}"

static Event *event(const char *path, const char *kind, const char *details)
{
        g_autofree char *text = g_strdup_printf("('%s', 31, 1, '', %s)", kind, details);
        g_autoptr(GVariant) body = g_variant_parse(G_VARIANT_TYPE("(stxsa{sv})"), text, NULL, NULL, NULL);

        g_assert_nonnull(body);
        return event_new(path, body);
}

static void apply(Inventory *inventory, const char *path, const char *kind, const char *details)
{
        g_autoptr(Event) one = event(path, kind, details);

        g_assert_nonnull(one);
        inventory_apply(inventory, one);
}

static void test_picture(void)
{
        g_autoptr(Inventory) inventory = picture("connected", GUESTS, NULL);
        g_autoptr(GPtrArray) paths = inventory_paths(inventory);
        StreamPicture stream = inventory_stream(inventory, HERE);

        g_assert_cmpuint(paths->len, ==, 4);
        g_assert_cmpstr(paths->pdata[0], ==, AWAY);
        g_assert_cmpstr(paths->pdata[3], ==, HERE GUEST);
        g_assert_true(inventory_is_connection(inventory, HERE));
        g_assert_false(inventory_is_connection(inventory, HERE GUEST));
        g_assert_cmpstr(inventory_text(inventory, HERE GUEST, "State"), ==, "running");
        g_assert_true(inventory_flag(inventory, HERE GUEST, "Active"));
        g_assert_cmpstr(inventory_text(inventory, HERE GUEST, "Active"), ==, "");
        g_assert_false(inventory_flag(inventory, "/nowhere", "Active"));
        g_assert_cmpstr(stream.epoch, ==, "e");
        g_assert_cmpuint(stream.number, ==, 30);
        g_assert_cmpuint(stream.oldest, ==, 22);
        g_assert_false(stream.entire);
}

static void test_events(void)
{
        g_autoptr(Inventory) inventory = picture("connected", GUESTS, NULL);

        apply(inventory, HERE GUEST, "changed", "{'State': <'shutoff'>, 'Active': <false>}");
        g_assert_cmpstr(inventory_text(inventory, HERE GUEST, "State"), ==, "shutoff");
        g_assert_cmpstr(inventory_text(inventory, HERE GUEST, "Name"), ==, "a");
        apply(inventory, HERE "/network/_2", "added", "{'Name': <'n'>}");
        g_assert_true(inventory_has(inventory, HERE "/network/_2"));
        apply(inventory, HERE GUEST, "removed", "@a{sv} {}");
        g_assert_false(inventory_has(inventory, HERE GUEST));
        apply(inventory, HERE "/network/_2", "lifecycle", "{'event': <'stopped'>}");
        apply(inventory, HERE, "closed", "{'reason': <'eof'>}");
        g_assert_false(inventory_is_connected(inventory, HERE));
        apply(inventory, HERE, "opened", "{'epoch': <'e'>}");
        g_assert_true(inventory_is_connected(inventory, HERE));
}

/* Of a connection without its libvirt nothing is gone, of others it is. */
static void test_unseen(void)
{
        g_autoptr(Inventory) first = picture("connected", GUESTS, NULL);
        g_autoptr(Inventory) away = picture("disconnected", "", first);
        g_autoptr(Inventory) back = picture("connected", "", away);

        g_assert_true(inventory_has(away, AWAY GUEST));
        g_assert_cmpstr(inventory_text(away, AWAY GUEST, "Name"), ==, "b");
        g_assert_false(inventory_has(away, HERE GUEST));
        g_assert_false(inventory_has(back, AWAY GUEST));
}

static void test_paths(void)
{
        g_autofree char *connection = path_connection(HERE GUEST), *collection = path_collection(HERE GUEST);

        g_assert_cmpstr(connection, ==, HERE);
        g_assert_cmpstr(collection, ==, "domain");
        g_assert_cmpstr(connection_name(HERE), ==, "Here");
        g_assert_null(path_collection(HERE));
        g_assert_null(path_connection("/org/libvirt"));
        g_assert_null(path_connection("/org/libvirtual/x"));
        g_assert_null(event("/elsewhere", "added", "@a{sv} {}"));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/inventory/picture", test_picture);
        g_test_add_func("/inventory/events", test_events);
        g_test_add_func("/inventory/unseen", test_unseen);
        g_test_add_func("/inventory/paths", test_paths);
        return g_test_run();
}
