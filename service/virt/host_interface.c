/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Host interfaces as a kind of objects. They go by their MAC, as clients know them; one that has none, or
 * shares it with others (a bond and what is bonded, a bridge and its port, the VLANs of a card), goes by its
 * name.
 *
 * A name may look like a MAC, and that of another interface at that. In the path of such a name the last
 * digit is escaped, too, which it need not be: so no two interfaces have one path, and a client that turns
 * the escapes back gets the name as ever. */

#include "bus/path.h"
#include "members.h"
#include "virt/autoptr.h"
#include "virt/kind.h"

#include <libvirt/virterror.h>
#include <string.h>

/* Stands before a key that is such a name. */
#define NAMED '='

static gboolean looks_like_mac(const char *text)
{
        return strchr(text, ':') && strspn(text, "0123456789abcdefABCDEF:") == strlen(text) &&
               g_ascii_isxdigit(text[strlen(text) - 1]);
}

static char *interface_leaf(const char *name)
{
        g_autofree char *leaf = path_escape(name);
        gsize length = strlen(leaf);

        if (!name || !looks_like_mac(name))
                return g_steal_pointer(&leaf);

        return g_strdup_printf("%.*s_%02x", (int)length - 1, leaf, (guchar)leaf[length - 1]);
}

static char *interface_key(const char *leaf)
{
        g_autofree char *text = path_unescape(leaf);
        g_autofree char *named = text && looks_like_mac(text) ? interface_leaf(text) : NULL;

        /* What begins with the mark by itself gets another, so that it is not taken for one. */
        if (text && (*text == NAMED || g_strcmp0(named, leaf) == 0))
                return g_strdup_printf("%c%s", NAMED, text);

        return g_steal_pointer(&text);
}

/* That several interfaces have the MAC is libvirt's answer, which by its name none of them would have given.
 * Else what is no MAC is a name. Where it is neither, of a MAC's look the error is that about MACs. */
static void *interface_lookup_mac(virConnectPtr conn, const char *text)
{
        void *interface = virInterfaceLookupByMACString(conn, text);

        if (!interface && virGetLastErrorCode() != VIR_ERR_MULTIPLE_INTERFACES)
                interface = virInterfaceLookupByName(conn, text);
        if (!interface && looks_like_mac(text))
                interface = virInterfaceLookupByMACString(conn, text);
        return interface;
}

static void *interface_lookup(virConnectPtr conn, const char *key, virDomainPtr *domain)
{
        const char *text = *key == NAMED ? key + 1 : key;
        gboolean named = text != key && *text != NAMED;
        void *interface = named ? virInterfaceLookupByName(conn, text) : NULL;

        /* A client may escape each byte of a MAC. */
        return interface ? interface : interface_lookup_mac(conn, text);
}

static char *interface_path_of(const char *connection_path, virInterfacePtr interface, gboolean shared)
{
        const char *mac = virInterfaceGetMACString(interface);
        g_autofree char *leaf = NULL;

        if (mac && *mac && !shared)
                return path_name(connection_path, "interface", mac);

        leaf = interface_leaf(virInterfaceGetName(interface));
        return g_strconcat(connection_path, "/interface/", leaf, NULL);
}

/* For one interface libvirt knows whether others have its MAC. */
static char *interface_path(const char *connection_path, void *object)
{
        const char *mac = virInterfaceGetMACString(object);
        g_autoptr(virInterface) first = NULL;
        gboolean shared = FALSE;

        if (mac && *mac) {
                first = virInterfaceLookupByMACString(virInterfaceGetConnect(object), mac);
                shared = !first && virGetLastErrorCode() == VIR_ERR_MULTIPLE_INTERFACES;
        }

        return interface_path_of(connection_path, object, shared);
}

/* In lower case: libvirt takes MACs in either case for the same. */
static char *mac_of(virInterfacePtr interface)
{
        const char *mac = virInterfaceGetMACString(interface);

        return g_ascii_strdown(mac ? mac : "", -1);
}

/* Enters each MAC with the name of its interface, or with "" once there is another. */
static void note_macs(GHashTable *names, virInterfacePtr *interfaces, int n)
{
        for (int i = 0; i < n && interfaces[i]; i++) {
                g_autofree char *mac = mac_of(interfaces[i]);
                const char *name = virInterfaceGetName(interfaces[i]);
                const char *other = g_hash_table_lookup(names, mac);

                g_hash_table_insert(names, g_steal_pointer(&mac),
                                    g_strdup(!other || g_str_equal(other, name) ? name : ""));
        }
}

/* Those that a list with @flags left out count, too: an interface has the same path in each list. */
static void note_left_out(GHashTable *names, virConnectPtr conn, unsigned flags)
{
        const unsigned filter = VIR_CONNECT_LIST_INTERFACES_ACTIVE | VIR_CONNECT_LIST_INTERFACES_INACTIVE;
        g_autofree virInterfacePtr *all = NULL;
        int n;

        if ((flags & filter) == 0 || (flags & filter) == filter)
                return;

        n = virConnectListAllInterfaces(conn, &all, 0);
        note_macs(names, all, n);
        for (int i = 0; i < n; i++)
                virInterfaceFree(all[i]);
}

static void interface_paths(const char *connection_path, void **objects, int n, unsigned flags, char **paths)
{
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

        if (n == 0)
                return;

        note_macs(names, (virInterfacePtr *)objects, n);
        note_left_out(names, virInterfaceGetConnect(objects[0]), flags);
        for (int i = 0; i < n; i++) {
                g_autofree char *mac = mac_of(objects[i]);
                const char *name = g_hash_table_lookup(names, mac);

                paths[i] = interface_path_of(connection_path, objects[i], *name == '\0');
        }
}

static void interface_free(void *object)
{
        virInterfaceFree(object);
}

static int interface_list(virConnectPtr conn, unsigned flags, void ***objects)
{
        virInterfacePtr *list = NULL;
        int n = virConnectListAllInterfaces(conn, &list, flags);

        *objects = (void **)list;
        return n;
}

const Kind kind_interface = {
        .collection = "interface",
        .interface = &interface_interface,
        .key = interface_key,
        .lookup = interface_lookup,
        .path = interface_path,
        .paths = interface_paths,
        .free = interface_free,
        .list = interface_list,
};
