/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Kinds of objects that are nothing but their key. Each has the toy's interface; whether there is such an
 * object, the key's last character says. */

#include "base/utf8.h"
#include "bus/path.h"
#include "call/arguments.h"
#include "call/call.h"
#include "members.h"
#include "toy.h"
#include "virt/typed_params.h"

#include <stdlib.h>

/* The interface: what comes in goes out, and what can go wrong does. */

static GVariant *toy_bitmap(Call *call, GError **error)
{
        g_autoptr(GVariant) booleans = g_variant_get_child_value(call_args(call), 0);
        g_auto(Bitmap) bitmap = {};

        if (!call_bitmap(call, 0, &bitmap, error))
                return NULL;

        return bits_to_variant(bitmap.bits, (unsigned)g_variant_n_children(booleans));
}

static GVariant *toy_child(Call *call, GError **error)
{
        g_autoptr(GVariant) inner = NULL;

        g_variant_get(call_args(call), "(v)", &inner);
        return g_variant_new_variant(inner);
}

/* A tuple of the same children: what a handler returns is floating. */
static GVariant *toy_echo(Call *call, GError **error)
{
        gsize n = g_variant_n_children(call_args(call));
        g_autofree GVariant **children = g_new(GVariant *, n);
        GVariant *tuple;

        for (gsize i = 0; i < n; i++)
                children[i] = g_variant_get_child_value(call_args(call), i);
        tuple = g_variant_new_tuple(children, n);
        for (gsize i = 0; i < n; i++)
                g_variant_unref(children[i]);
        return tuple;
}

static GVariant *toy_fail(Call *call, GError **error)
{
        const char *text;

        g_variant_get(call_args(call), "(&s)", &text);
        return call_invalid(error, "%s", text);
}

static GVariant *toy_files(Call *call, GError **error)
{
        g_auto(Files) files = {};

        if (!call_files(call, 0, &files, error))
                return NULL;

        return g_variant_new_uint32(files.n);
}

static GVariant *toy_large(Call *call, GError **error)
{
        guint32 size;

        g_variant_get(call_args(call), "(u)", &size);
        size %= 3 * call->limits->reply_bytes;
        return g_variant_new_take_string(g_strnfill(size, 'x'));
}

static GVariant *toy_object(Call *call, GError **error)
{
        return call_object(call) ? call_done() : call_failed(error);
}

static GVariant *toy_params(Call *call, GError **error)
{
        g_auto(Params) params = {};

        if (!call_params(call, 0, &params, error))
                return NULL;

        return typed_params_to_variant(params.params, params.n);
}

/* Handlers never do the next two, and if one did, the caller would get an error. */
static GVariant *toy_silent(Call *call, GError **error)
{
        return NULL;
}

static GVariant *toy_wrong(Call *call, GError **error)
{
        return g_variant_new_string("wrong");
}

static GVariant *toy_text(Call *call, GError **error)
{
        return call_reply_borrowed_text("a\xff", error);
}

static GVariant *toy_done(Call *call, GError **error)
{
        return call_done();
}

static GVariant *toy_none(Call *call, GError **error)
{
        return call_failed(error);
}

#define METHOD(member, in, out, ...)                                                                         \
        {                                                                                                    \
                .name = member, .kind = MEMBER_METHOD, .in_signature = in, .out_type = out, __VA_ARGS__      \
        }
#define PROPERTY(member, type, ...)                                                                          \
        {                                                                                                    \
                .name = member, .kind = MEMBER_PROPERTY, .in_signature = "", .out_type = type, __VA_ARGS__   \
        }

/* In the order that interface_find() takes for granted. */
static const Member members[] = {
        METHOD("Bitmap", "ab", "ab", .handler = toy_bitmap),
        METHOD("Child", "v", "v", .handler = toy_child),
        METHOD("Echo", "sa{sv}(ixd)ayao", "(sa{sv}(ixd)ayao)", .tuple = true, .handler = toy_echo),
        METHOD("Fail", "s", "()", .tuple = true, .handler = toy_fail),
        METHOD("Files", "ah", "u", .handler = toy_files),
        METHOD("Large", "u", "s", .handler = toy_large),
        METHOD("Manage", "", "()", .tuple = true, .access = ACCESS_MANAGE, .handler = toy_object),
        METHOD("Object", "", "()", .tuple = true, .changes = true, .handler = toy_object),
        METHOD("Params", "a{sv}", "a{sv}", .handler = toy_params),
        METHOD("Secure", "ou", "(ou)", .tuple = true, .secure_argument = 1, .secure_flags = 5,
               .handler = toy_echo),
        METHOD("Silent", "", "()", .tuple = true, .handler = toy_silent),
        METHOD("Wrong", "", "u", .handler = toy_wrong),
        PROPERTY("None", "u", .handler = toy_none),
        PROPERTY("Text", "s", .handler = toy_text, .setter = toy_done),
        PROPERTY("Words", "as", .handler = toy_wrong, .setter = toy_none),
};

const Interface interface_toy = {
        .name = "org.guestbus.Toy",
        .xml = "<interface name=\"org.guestbus.Toy\"/>",
        .members = members,
        .n_members = G_N_ELEMENTS(members),
        .n_properties = 3,
        .wraps_twice = true,
};

/* The kinds. */

static char *uuid_key(const char *leaf)
{
        char uuid[VIR_UUID_STRING_BUFLEN];

        return path_leaf_to_uuid(leaf, uuid) ? g_strdup(uuid) : NULL;
}

static void *toy_lookup(virConnectPtr conn, const char *key, virDomainPtr *domain)
{
        return g_str_has_suffix(key, "0") ? NULL : g_strdup(key);
}

static int toy_list(virConnectPtr conn, unsigned flags, void ***objects)
{
        *objects = calloc(2, sizeof **objects);
        (*objects)[0] = g_strdup("one");
        (*objects)[1] = g_strdup("\xff two");
        return 2;
}

static char *toy_path(const char *connection_path, void *object)
{
        return path_name(connection_path, "toy", object);
}

#define DEFINE_KIND(symbol, collection_name, key_function, ...)                                              \
        const Kind kind_##symbol = {.collection = collection_name,                                           \
                                    .interface = &interface_toy,                                             \
                                    .key = key_function,                                                     \
                                    .lookup = toy_lookup,                                                    \
                                    .path = toy_path,                                                        \
                                    .free = g_free,                                                          \
                                    .list = toy_list,                                                        \
                                    __VA_ARGS__};

DEFINE_KIND(domain, "domain", uuid_key, .native = &interface_domain1)
DEFINE_KIND(network, "network", uuid_key, .native = &interface_network1)
DEFINE_KIND(storage_pool, "storagepool", uuid_key, .native = &interface_storage_pool1)
DEFINE_KIND(node_device, "nodedev", path_unescape, .native = &interface_node_device1)
DEFINE_KIND(secret, "secret", uuid_key, .native = &interface_secret1)
DEFINE_KIND(domain_checkpoint, "domaincheckpoint", path_unescape, .native = NULL)
DEFINE_KIND(domain_snapshot, "domainsnapshot", path_unescape, .native = NULL)
DEFINE_KIND(interface, "interface", path_unescape, .native = NULL)
DEFINE_KIND(nw_filter, "nwfilter", path_unescape, .native = NULL)
DEFINE_KIND(nw_filter_binding, "nwfilterbinding", path_unescape, .native = NULL)
DEFINE_KIND(storage_vol, "storagevol", path_unescape, .native = NULL)

const Kind kind_connect = {.interface = &interface_toy, .native = &interface_connection1};
