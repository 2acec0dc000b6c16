/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The access class of each member, against libvirt's own rule: what it refuses on a read-only connection is
 * "manage", what it does not is "monitor". Every handler is run on such a connection of the test driver. */

#include "as-worker.h"
#include "call/call.h"
#include "members.h"

#include <libvirt/virterror.h>
#include <string.h>

static virConnectPtr writer, reader;

/* Of the one volume: a string that some method finds something by. */
static const char *volume_key;

/* Objects that the test driver has. It knows neither secrets nor filters: tests/host/test_access_class.py
 * does. */
static struct {
        const Interface *interface;
        const Kind *kind;
        char *key;
} objects[] = {
        {&interface_connect, &kind_connect, NULL},
        {&interface_domain, &kind_domain, NULL},
        {&interface_domain_snapshot, &kind_domain_snapshot, NULL},
        {&interface_interface, &kind_interface, NULL},
        {&interface_network, &kind_network, NULL},
        {&interface_node_device, &kind_node_device, NULL},
        {&interface_storage_pool, &kind_storage_pool, NULL},
        {&interface_storage_vol, &kind_storage_vol, NULL},
        {&interface_domain_checkpoint, &kind_domain_checkpoint, NULL},
};

/* Members that are "manage" although libvirt does not refuse them here: 11.3 does not look
 * (DelThrottleGroup), or no longer (a node device's GetAutostart, which 9.0 refuses), or looks at descriptors
 * first (FDAssociate). */
static const char *const not_refused[] = {"DelThrottleGroup", "FDAssociate", "GetAutostart", NULL};

/* A value that the handlers themselves take. */
static GVariant *some_value(const GVariantType *type)
{
        if (g_variant_type_equal(type, G_VARIANT_TYPE_STRING))
                return g_variant_new_string(volume_key);
        if (g_variant_type_equal(type, G_VARIANT_TYPE("as")))
                return g_variant_new_strv((const char *[]){"/", NULL}, 1);
        if (g_variant_type_equal(type, G_VARIANT_TYPE("ab")))
                return g_variant_new_parsed("[true]");
        if (g_variant_type_equal(type, G_VARIANT_TYPE("ay")))
                return g_variant_new_parsed("[byte 1]");
        if (g_variant_type_equal(type, G_VARIANT_TYPE("au")))
                return g_variant_new_parsed("[uint32 30]");
        if (g_variant_type_equal(type, G_VARIANT_TYPE_VARDICT))
                return g_variant_new_parsed("{'x': <true>}");
        if (g_variant_type_equal(type, G_VARIANT_TYPE("ao")))
                return g_variant_new_parsed("@ao []");
        if (g_variant_type_is_array(type))
                return g_variant_new_array(g_variant_type_element(type), NULL, 0);

        switch (g_variant_type_peek_string(type)[0]) {
        case 'b':
                return g_variant_new_boolean(TRUE);
        case 'i':
                return g_variant_new_int32(1);
        case 'x':
                return g_variant_new_int64(1);
        case 't':
                return g_variant_new_uint64(1);
        case 'd':
                return g_variant_new_double(1);
        case 'h':
                return g_variant_new_handle(0);
        case '(': {
                GVariantBuilder builder;

                g_variant_builder_init(&builder, type);
                for (const GVariantType *item = g_variant_type_first(type); item;
                     item = g_variant_type_next(item))
                        g_variant_builder_add_value(&builder, some_value(item));
                return g_variant_builder_end(&builder);
        }
        default:
                return g_variant_new_uint32(0);
        }
}

/* The arguments of a method; @flags, when they are not 0, where its flags are. */
static GVariant *some_arguments(const Member *member, unsigned flags)
{
        g_autofree char *type = g_strdup_printf("(%s)", member->in_signature);
        const GVariantType *item = g_variant_type_first(G_VARIANT_TYPE(type));
        unsigned last = (unsigned)g_variant_type_n_items(G_VARIANT_TYPE(type)) - 1;
        unsigned place = member->secure_flags ? member->secure_argument : last;
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE(type));
        for (unsigned i = 0; item; i++, item = g_variant_type_next(item))
                g_variant_builder_add_value(&builder, flags && i == place ? g_variant_new_uint32(flags)
                                                                          : some_value(item));
        return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static gboolean is_refused(const Interface *interface, const Kind *kind, const char *key,
                           const Member *member, Handler *handler, GVariant *arguments)
{
        Call call = {.object = {.kind = kind, .key = (char *)key},
                     .conn = reader,
                     .connection_path = "/c",
                     .args = arguments};
        g_autoptr(GError) error = NULL;
        GVariant *result;
        AS_WORKER;

        call.member = member;
        call.interface = interface;
        result = handler(&call, &error);
        if (result)
                g_variant_unref(g_variant_ref_sink(result));
        g_clear_object(&call.result_fds);
        if (call.handle && key)
                kind->free(call.handle);
        if (call.domain)
                virDomainFree(call.domain);

        if (g_test_verbose())
                g_test_message("%s.%s: %s", interface->name, member->name, error ? error->message : "done");
        return error && strstr(error->message, "operation forbidden") != NULL;
}

static void check_member(const Interface *interface, const Kind *kind, const char *key, const Member *member)
{
        g_autoptr(GVariant) arguments = NULL;
        gboolean refused;

        if (member->kind == MEMBER_SIGNAL)
                return;
        if (member->opens_stream) {
                /* The handler opens a connection of its own; see test_streams(). */
                g_assert_cmpint(member->access, ==, ACCESS_MANAGE);
                return;
        }

        arguments = member->kind == MEMBER_METHOD ? some_arguments(member, 0) : NULL;
        refused = is_refused(interface, kind, key, member, member->handler, arguments);
        if (g_strv_contains(not_refused, member->name)) {
                g_assert_cmpint(member->access, ==, ACCESS_MANAGE);
                return;
        }

        if (refused != (member->access == ACCESS_MANAGE)) {
                g_test_message("%s.%s is %s, but libvirt %s it", interface->name, member->name,
                               member->access == ACCESS_MANAGE ? "manage" : "monitor",
                               refused ? "refuses" : "does not refuse");
                g_test_fail();
        }

        if (member->setter) {
                g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new("(b)", TRUE));

                g_assert_true(is_refused(interface, kind, key, member, member->setter, value));
        }

        for (unsigned bit = 0; bit < 32 && member->kind == MEMBER_METHOD && member->access == ACCESS_MONITOR;
             bit++) {
                g_autoptr(GVariant) flagged = NULL;
                gboolean secure = (member->secure_flags & 1U << bit) != 0;

                if (!g_str_has_suffix(member->in_signature, "u"))
                        break;

                flagged = some_arguments(member, 1U << bit);
                if (is_refused(interface, kind, key, member, member->handler, flagged) != secure) {
                        g_test_message("%s.%s with flag %u is %s", interface->name, member->name, 1U << bit,
                                       secure ? "not refused" : "refused");
                        g_test_fail();
                }
        }
}

static void test_access(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(objects); i++)
                for (size_t j = 0; j < objects[i].interface->n_members; j++)
                        check_member(objects[i].interface, objects[i].kind, objects[i].key,
                                     &objects[i].interface->members[j]);
}

static void check_forbidden(int result)
{
        g_assert_cmpint(result, <, 0);
        g_assert_cmpint(virGetLastErrorCode(), ==, VIR_ERR_OPERATION_DENIED);
        virResetLastError();
}

/* Functions of streams, as the handlers call them. */
static void test_streams(void)
{
        virDomainPtr domain = virDomainLookupByName(reader, "test");
        virStorageVolPtr volume = virStorageVolLookupByKey(reader, volume_key);
        virStreamPtr stream = virStreamNew(reader, 0);

        check_forbidden(virDomainOpenConsole(domain, NULL, stream, 0));
        check_forbidden(virDomainOpenChannel(domain, NULL, stream, 0));
        check_forbidden(virDomainScreenshot(domain, stream, 0, 0) ? 0 : -1);
        check_forbidden(virStorageVolDownload(volume, stream, 0, 0, 0));
        check_forbidden(virStorageVolUpload(volume, stream, 0, 0, 0));
        virStreamFree(stream);
        virStorageVolFree(volume);
        virDomainFree(domain);
}

/* Of a domain of its own: one with snapshots can have none. */
static void make_checkpoint(void)
{
        static const char uuid[] = "6695eb01-f6a4-8304-79aa-97f2502e1940";
        virDomainCheckpointPtr checkpoint;
        g_autofree char *xml =
                g_strdup_printf("<domain type='test'><name>c</name><uuid>%s</uuid><memory>1024</memory>"
                                "<os><type>hvm</type></os><devices><disk type='file'><source file='/d'/>"
                                "<target dev='vda'/></disk></devices></domain>",
                                uuid);
        virDomainPtr domain = virDomainCreateXML(writer, xml, 0);

        g_assert_nonnull(domain);
        checkpoint = virDomainCheckpointCreateXML(domain,
                                                  "<domaincheckpoint><name>s</name></domaincheckpoint>", 0);
        g_assert_nonnull(checkpoint);
        objects[8].key = g_strconcat(uuid, "/s", NULL);
        virDomainCheckpointFree(checkpoint);
        virDomainFree(domain);
}

static void make_objects(void)
{
        virDomainPtr domain = virDomainLookupByName(writer, "test");
        virStoragePoolPtr pool = virStoragePoolLookupByName(writer, "default-pool");
        virStorageVolPtr volume =
                virStorageVolCreateXML(pool, "<volume><name>v</name><capacity>1048576</capacity></volume>",
                                       0);
        virDomainSnapshotPtr snapshot =
                virDomainSnapshotCreateXML(domain, "<domainsnapshot><name>s</name></domainsnapshot>", 0);

        g_assert_true(domain && pool && volume && snapshot);
        objects[1].key = g_strdup("6695eb01-f6a4-8304-79aa-97f2502e193f");
        objects[2].key = g_strconcat(objects[1].key, "/s", NULL);
        objects[3].key = g_strdup("aa:bb:cc:dd:ee:ff");
        objects[4].key = g_strdup("dd8fe884-6c02-601e-7551-cca97df1c5df");
        objects[5].key = g_strdup("computer");
        objects[6].key = g_strdup("dfe224cb-28fb-8dd0-c4b2-64eb3f0f4566");
        volume_key = objects[7].key = g_strdup(virStorageVolGetKey(volume));
        virDomainSnapshotFree(snapshot);
        virStorageVolFree(volume);
        virStoragePoolFree(pool);
        virDomainFree(domain);
}

static void ignore_error(void *data, virErrorPtr error)
{
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);
        virSetErrorFunc(NULL, ignore_error);
        /* The two share one world as long as one of them is open. */
        writer = virConnectOpen("test:///default");
        reader = virConnectOpenReadOnly("test:///default");
        g_assert_true(writer && reader);
        make_objects();
        make_checkpoint();
        g_test_add_func("/access/table", test_access);
        g_test_add_func("/access/streams", test_streams);
        result = g_test_run();

        for (size_t i = 0; i < G_N_ELEMENTS(objects); i++)
                g_free(objects[i].key);
        virConnectClose(reader);
        virConnectClose(writer);
        return result;
}
