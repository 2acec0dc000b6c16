/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From what is wrong to what mends it. */

#include "guestbusctl/advice.h"

#define ABSENT(name) "Failed to connect socket to '/var/run/libvirt/" name "': No such file or directory"

static const Site here = {.account = "anna"};
static const Site mine = {.account = "anna", .user = TRUE};
static const Site there = {.account = "anna", .address = "unix:path=/a b"};

static void test_rows(void)
{
        static const struct {
                Finding finding;
                const Site *site;
                const char *title, *command;
        } rows[] = {
                {{FAULT_BUS, .cause = "No such file or directory"},
                 &here,
                 "the bus cannot be reached: No such file or directory",
                 "sudo systemctl start dbus.socket"},
                {{FAULT_BUS}, &mine, "the bus cannot be reached", "systemctl --user start dbus.socket"},
                {{FAULT_BUS}, &there, "the bus cannot be reached", "busctl --address='unix:path=/a b' list"},
                {{FAULT_NOT_STARTED},
                 &mine,
                 "the service is installed, but does not start",
                 "systemctl --user status guestbusd"},
                {{FAULT_MANAGE_PASSWORD},
                 &here,
                 "note: polkit wants a password before anna may manage guests; members of the group libvirt "
                 "need "
                 "none",
                 "sudo usermod --append --groups libvirt anna  # then log in again"},
                {{FAULT_IDENTITY, "QEMU", .cause = "libvirt cannot be told who calls: no"},
                 &here,
                 "QEMU: the service cannot tell libvirt who calls: libvirt cannot be told who calls: no",
                 "sudo journalctl --unit guestbusd --no-pager --lines 20"},
                {{FAULT_SOCKET_ABSENT, "QEMU", "qemu:///system", ABSENT("libvirt-sock")},
                 &here,
                 "QEMU: libvirt's socket is not there: " ABSENT("libvirt-sock"),
                 "sudo systemctl enable --now libvirtd.socket"},
                {{FAULT_SOCKET_ABSENT, "LXC", "lxc:///", ABSENT("virtlxcd-sock-ro")},
                 &here,
                 "LXC: libvirt's socket is not there: " ABSENT("virtlxcd-sock-ro"),
                 "sudo systemctl enable --now virtlxcd-ro.socket"},
                {{FAULT_SOCKET_DEAD, "Q", "qemu+unix:///system?socket=/tmp/s", "socket to '/tmp/s': no"},
                 &here,
                 "Q: no program listens at libvirt's socket: socket to '/tmp/s': no",
                 "virsh --connect 'qemu+unix:///system?socket=/tmp/s' version"},
                {{FAULT_SOCKET_DENIED, "QEMU", "qemu:///system"},
                 &here,
                 "QEMU: the service may not open libvirt's socket",
                 "sudo usermod --append --groups libvirt guestbus && sudo systemctl restart guestbusd"},
                {{FAULT_SOCKET_DENIED, "QEMU", "qemu:///system"},
                 &mine,
                 "QEMU: the service may not open libvirt's socket",
                 "sudo usermod --append --groups libvirt anna  # then log in again"},
                {{FAULT_CONNECTION, "QEMU", "qemu:///system", "?"},
                 &here,
                 "QEMU: not connected: ?",
                 "virsh --connect qemu:///system version"},
                {{FAULT_LIBVIRT_SILENT, "QEMU", "qemu:///system"},
                 &here,
                 "QEMU: libvirt does not answer",
                 "sudo systemctl try-restart libvirtd virtqemud"},
                {{FAULT_LIBVIRT_SILENT, "QEMU", "qemu+ssh://far/system"},
                 &here,
                 "QEMU: libvirt does not answer",
                 "virsh --connect qemu+ssh://far/system version"},
                {{FAULT_LIBVIRT_SILENT, "QEMU", "qemu://far/system"},
                 &here,
                 "QEMU: libvirt does not answer",
                 "virsh --connect qemu://far/system version"},
                {{FAULT_NO_EVENTS, "ESX"},
                 &here,
                 "note: ESX: the driver has no events; the service looks for changes every few seconds",
                 NULL},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Advice) advice = advice_new(&rows[i].finding, rows[i].site);
                g_autofree char *title = advice_title(advice);

                g_assert_cmpstr(title, ==, rows[i].title);
                g_assert_cmpstr(advice->commands[0], ==, rows[i].command);
        }
}

/* Each has a word of its own, and each that is more than a note has a command. */
static void test_all_faults(void)
{
        g_autoptr(GHashTable) words = g_hash_table_new(g_str_hash, g_str_equal);
        const Site *const sites[] = {&here, &mine, &there};

        for (Fault fault = 0; fault < N_FAULTS; fault++)
                for (gsize i = 0; i < G_N_ELEMENTS(sites); i++) {
                        const Finding finding = {.fault = fault,
                                                 .connection = "QEMU",
                                                 .uri = "qemu:///system"};
                        g_autoptr(Advice) advice = advice_new(&finding, sites[i]);

                        g_assert_true(advice->note || advice->commands[0]);
                        g_hash_table_add(words, (gpointer)advice->word);
                }
        g_assert_cmpuint(g_hash_table_size(words), ==, N_FAULTS);
}

static void test_connections(void)
{
        static const struct {
                const char *error;
                Fault fault;
        } rows[] = {
                {ABSENT("libvirt-sock"), FAULT_SOCKET_ABSENT},
                {"Failed to connect socket to '/run/libvirt/libvirt-sock': Permission denied",
                 FAULT_SOCKET_DENIED},
                {"authentication unavailable: no polkit agent available to authenticate action "
                 "'org.libvirt.unix.manage'",
                 FAULT_SOCKET_DENIED},
                {"Failed to connect socket to '/run/libvirt/libvirt-sock': Connection refused",
                 FAULT_SOCKET_DEAD},
                {"unable to connect to server at 'far:16514': Connection refused", FAULT_CONNECTION},
                {"Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory",
                 FAULT_CONNECTION},
                {"no connection driver available for bhyve:///system", FAULT_HYPERVISOR_ABSENT},
                {"qemu:///system does not answer: connecting to it takes longer than 10 s",
                 FAULT_LIBVIRT_SILENT},
                {"internal error: OpenVZ control file /proc/vz does not exist", FAULT_HYPERVISOR_ABSENT},
                {"libvirt cannot be told who calls: the process is not seen", FAULT_IDENTITY},
                {"", FAULT_CONNECTION},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
                g_assert_cmpint(fault_of_connection(rows[i].error), ==, rows[i].fault);
}

static void test_units(void)
{
        static const char *const rows[][2] = {
                {ABSENT("libvirt-sock"), "libvirtd"},
                {ABSENT("libvirt-sock-ro"), "libvirtd-ro"},
                {ABSENT("virtqemud-sock"), "virtqemud"},
                {ABSENT("odd"), NULL},
                {"socket to '/tmp/libvirt-sock': x", NULL},
                {"socket to '/run/libvirt/libvirt-sock", NULL},
                {"", NULL},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *unit = unit_of_error(rows[i][0]);

                g_assert_cmpstr(unit, ==, rows[i][1]);
        }
}

/* What is mended in the same way is said once. */
static void test_many(void)
{
        g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)advice_free);
        const Finding findings[] = {
                {FAULT_SOCKET_ABSENT, "LXC", "lxc:///", ABSENT("libvirt-sock")},
                {FAULT_SOCKET_ABSENT, "QEMU", "qemu:///system", ABSENT("libvirt-sock")},
                {FAULT_SOCKET_ABSENT, "Xen", "xen:///", ABSENT("virtxend-sock")},
                {FAULT_NO_EVENTS, "Xen", "xen:///"},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(findings); i++)
                advice_add(all, advice_new(&findings[i], &here));
        g_assert_cmpuint(all->len, ==, 3);
        g_assert_cmpstr(((Advice *)all->pdata[0])->connections, ==, "LXC, QEMU");
        g_assert_cmpstr(((Advice *)all->pdata[1])->connections, ==, "Xen");
}

static void test_versions(void)
{
        g_assert_true(is_old_libvirt(8999999));
        g_assert_false(is_old_libvirt(9000000));
        g_assert_false(is_old_libvirt(11003000));
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/advice/rows", test_rows);
        g_test_add_func("/advice/all-faults", test_all_faults);
        g_test_add_func("/advice/connections", test_connections);
        g_test_add_func("/advice/units", test_units);
        g_test_add_func("/advice/many", test_many);
        g_test_add_func("/advice/versions", test_versions);
        return g_test_run();
}
