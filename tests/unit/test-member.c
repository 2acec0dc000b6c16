/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tables that the generator makes. */

#include "members.h"

#include <string.h>

static const Interface *const interfaces[] = {
        &interface_connect,        &interface_domain,       &interface_network, &interface_storage_pool,
        &interface_object_manager, &interface_connection1,  &interface_domain1, &interface_manager1,
        &interface_network1,       &interface_node_device1, &interface_secret1, &interface_storage_pool1,
};

static void test_find(void)
{
        const Interface *domain = &interface_domain;
        const Member *reboot = interface_find(domain, MEMBER_METHOD, "Reboot");
        const Member *reboot_signal = interface_find(domain, MEMBER_SIGNAL, "Reboot");

        g_assert_cmpstr(reboot->in_signature, ==, "u");
        g_assert_cmpstr(reboot_signal->out_type, ==, "()");
        g_assert_null(interface_find(domain, MEMBER_PROPERTY, "Reboot"));
        g_assert_null(interface_find(domain, MEMBER_METHOD, ""));
        g_assert_null(interface_find(domain, MEMBER_METHOD, "Reboo"));
        g_assert_null(interface_find(domain, MEMBER_METHOD, "Reboots"));
}

static void check_row(const Interface *interface, const Member *member)
{
        g_assert_true(interface_find(interface, member->kind, member->name) == member);
        g_assert_true(g_variant_type_string_is_valid(member->out_type));
        /* Either libvirt is asked, on a worker, or memory; a property in memory has no function. */
        g_assert_true(member->kind == MEMBER_SIGNAL ? !member->handler && member->arguments
                                                    : interface->native || member->handler != NULL);
        g_assert_true((member->local != NULL) == (interface->native && member->kind == MEMBER_METHOD));
        g_assert_true(!member->setter || member->kind == MEMBER_PROPERTY);
        /* None or several results come as a tuple. */
        g_assert_true(!member->tuple || *member->out_type == '(');
        /* Who may change something is never only a watcher. */
        g_assert_true(!member->changes || member->access == ACCESS_MANAGE || member->setter);
}

static void test_rows(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(interfaces); i++)
                for (size_t j = 0; j < interfaces[i]->n_members; j++)
                        check_row(interfaces[i], &interfaces[i]->members[j]);
}

static void test_text(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(interfaces); i++) {
                const Interface *interface = interfaces[i];

                g_assert_true(g_str_has_prefix(interface->xml, "<interface name=\""));
                g_assert_true(g_str_has_suffix(interface->xml, "</interface>"));
                g_assert_null(strstr(interface->xml, "<!--"));
                for (size_t j = 0; j < interface->n_members; j++) {
                        g_autofree char *name = g_strdup_printf(" name=\"%s\"", interface->members[j].name);

                        g_assert_nonnull(strstr(interface->xml, name));
                }
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/member/find", test_find);
        g_test_add_func("/member/rows", test_rows);
        g_test_add_func("/member/text", test_text);
        return g_test_run();
}
