/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is appended to a message is read from it again, and what D-Bus does not allow is refused. */

#include "bus/packed_value.h"
#include "codec-bus.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* How many bytes @body takes in a message; 0 where GLib does not make one of it. */
static size_t wire_size(GVariant *body)
{
        g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call("a.b", "/", "a.b", "C");
        g_autofree guchar *blob = NULL;
        gsize size;

        g_dbus_message_set_body(message, body);
        blob = g_dbus_message_to_blob(message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
        return blob ? ((guint32 *)(void *)blob)[1] : 0;
}

/* The same, packed: as often as one likes. */
static void check_packed(GVariant *value)
{
        g_autoptr(GVariant) sent = g_variant_ref_sink(g_variant_new_tuple(&value, 1));
        g_autoptr(PackedValue) packed = packed_value_new(value);

        g_assert_nonnull(packed);
        g_assert_cmpuint(packed->wire, >=, wire_size(sent));
        for (unsigned i = 0; i < 2; i++) {
                g_autoptr(sd_bus_message) message = message_new();
                g_autoptr(GUnixFDList) fds = NULL;
                g_autoptr(GVariant) received = NULL;

                g_assert_cmpint(packed_value_append(message, packed), ==, 0);
                message_finish(message);
                received = codec_read(message, g_variant_get_type_string(value), &fds, NULL);
                g_assert_nonnull(received);
                g_assert_true(g_variant_equal(received, sent));
        }
}

/* Takes @value, any type, through a message, alone and as an argument between others. */
/* In a variant it is what a variant of it is. */
static void check_in_variant(GVariant *value)
{
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GVariant) variant = NULL, received = NULL;
        g_autoptr(GUnixFDList) fds = NULL;

        g_assert_cmpint(codec_append_in_variant(message, value, NULL), ==, 0);
        message_finish(message);
        received = g_variant_ref_sink(codec_read(message, "v", &fds, NULL));
        variant = g_variant_ref_sink(g_variant_new("(v)", value));
        g_assert_true(g_variant_equal(received, variant));
}

static void check_round_trip(GVariant *value)
{
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GVariant) held = g_variant_ref_sink(value), sent = NULL, received = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *signature = NULL;

        sent = g_variant_ref_sink(g_variant_new("(y@*s)", 7, value, "end"));
        signature = g_strdup_printf("y%ss", g_variant_get_type_string(value));

        g_assert_cmpint(codec_append_children(message, sent, NULL), ==, 0);
        message_finish(message);
        g_assert_cmpstr(sd_bus_message_get_signature(message, TRUE), ==, signature);

        received = codec_read(message, signature, &fds, &error);
        g_assert_no_error(error);
        g_assert_true(g_variant_is_floating(received));
        g_assert_cmpstr(g_variant_get_type_string(received), ==, g_variant_get_type_string(sent));
        g_assert_true(g_variant_is_normal_form(received));
        g_assert_true(g_variant_equal(received, sent));
        g_assert_null(fds);
        check_packed(held);
}

static void check_text(const char *text)
{
        g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(text));

        check_in_variant(value);
        check_round_trip(value);
}

/* Where it can be, as with a string that is none, sd-bus says so. */
static void check_not_packed(GVariant *value, int expected)
{
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(PackedValue) packed = packed_value_new(value);

        g_assert_true(packed || expected < 0);
        if (packed)
                g_assert_cmpint(packed_value_append(message, packed), ==, expected);
}

static void check_append(GVariant *value, int expected)
{
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GVariant) held = g_variant_ref_sink(value);

        g_assert_cmpint(codec_append(message, held, NULL), ==, expected);
        check_not_packed(held, expected);
}

static void test_basic(void)
{
        static const char *const texts[] = {
                "byte 0",
                "byte 255",
                "true",
                "false",
                "int16 -32768",
                "int16 32767",
                "uint16 0",
                "uint16 65535",
                "int32 -2147483648",
                "int32 2147483647",
                "uint32 0",
                "uint32 4294967295",
                "int64 -9223372036854775808",
                "int64 9223372036854775807",
                "uint64 0",
                "uint64 18446744073709551615",
                "0.0",
                "-0.0",
                "1.7976931348623157e308",

                "''",
                "'a\\U0010fffd\\u20ac\\u0001'",
                "objectpath '/'",
                "objectpath '/a_/B9'",
                "signature ''",
                "signature 'a{s(iv)}h'",
        };

        for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
                check_text(texts[i]);

        check_round_trip(g_variant_new_double(NAN));
        check_round_trip(g_variant_new_double(-INFINITY));
        check_round_trip(g_variant_new_double(4.9406564584124654e-324));
}

static void test_container(void)
{
        static const char *const texts[] = {
                "(byte 1, (true, ('x', (uint64 2, 3.5))))",
                "[(1, 'a'), (2, 'b')]",
                "{1: {'a': true}, 2: {}}",
                "{'v': <1>, 'w': <<'double'>>, 'x': <{'y': <[byte 1, 2]>}>, 'z': <@a{sv} {}>}",
                "[[byte 1], [2, 3], []]",
                "[[[int64 1]], [], [[2], [3, 4]]]",
                "<(<[<1>, <'a'>, <objectpath '/'>]>, <@as []>)>",
                "[true, false, true]",
                "[objectpath '/a', '/b']",
                "[signature 'as', '']",
                "({byte 1: 'a'}, {objectpath '/': 1.0})",
        };

        for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
                check_text(texts[i]);
}

static void test_empty(void)
{
        static const char *const elements[] = {
                "y", "b", "n", "q", "i",  "u",  "x",    "t",    "d",        "s",
                "o", "g", "h", "v", "ay", "as", "(yx)", "{sv}", "{ya(ss)}", "aaa{t(vv)}",
        };
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GVariant) unit = g_variant_ref_sink(g_variant_new_tuple(NULL, 0)), received = NULL;
        GUnixFDList *fds = NULL;

        for (gsize i = 0; i < G_N_ELEMENTS(elements); i++)
                check_round_trip(g_variant_new_array(G_VARIANT_TYPE(elements[i]), NULL, 0));

        g_assert_cmpint(codec_append_children(message, unit, NULL), ==, 0);
        message_finish(message);

        received = codec_read(message, "", &fds, NULL);
        g_assert_cmpstr(g_variant_get_type_string(received), ==, "()");
        g_assert_null(fds);
}

/* @value inside @n variants. */
static GVariant *variants(guint n, GVariant *value)
{
        while (n--)
                value = g_variant_new_variant(value);

        return value;
}

/* One byte, or no byte, inside @n arrays. */
static GVariant *arrays(guint n, gboolean empty)
{
        g_autofree char *type = g_strnfill(n, 'a');
        g_autofree char *element = g_strconcat(type + 1, "y", NULL);
        GVariant *value;

        if (empty)
                return g_variant_new_array(G_VARIANT_TYPE(element), NULL, 0);

        for (value = g_variant_new_byte(1); n > 0; n--)
                value = g_variant_new_array(NULL, &value, 1);

        return value;
}

static GVariant *structs(guint n)
{
        GVariant *value;

        for (value = g_variant_new_byte(1); n > 0; n--)
                value = g_variant_new_tuple(&value, 1);

        return value;
}

static void test_depth(void)
{
        check_round_trip(variants(60, g_variant_new_string("deep")));
        check_round_trip(variants(64, g_variant_new_string("deep")));
        check_append(variants(65, g_variant_new_string("deep")), -ELOOP);
        check_append(variants(5000, g_variant_new_string("deep")), -ELOOP);

        check_round_trip(arrays(32, FALSE));
        check_round_trip(arrays(32, TRUE));
        check_append(arrays(33, FALSE), -EINVAL);
        check_append(arrays(33, TRUE), -EINVAL);

        check_round_trip(structs(32));
        check_append(structs(33), -EINVAL);

        check_round_trip(variants(32, arrays(32, FALSE)));
        check_append(variants(33, arrays(32, FALSE)), -ELOOP);
        check_append(variants(1, arrays(33, TRUE)), -EINVAL);
}

/* The value of @type, which has a fixed size, whose bytes are all 0. */
static GVariant *zeroes(const char *type)
{
        return g_variant_new_from_data(G_VARIANT_TYPE(type), NULL, 0, FALSE, NULL, NULL);
}

static void test_forbidden(void)
{
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GVariant) no_tuple = g_variant_ref_sink(g_variant_new_string("x"));
        g_autofree char *many = g_strnfill(253, 'y');
        g_autofree char *widest = g_strconcat("(", many, ")", NULL);
        g_autofree char *wider = g_strconcat("(", many, "y)", NULL);

        check_append(g_variant_new_maybe(NULL, g_variant_new_string(many)), -EINVAL);
        check_append(g_variant_new_parsed("<@mi nothing>"), -EINVAL);
        check_append(g_variant_new_parsed("@ams []"), -EINVAL);
        check_append(g_variant_new_parsed("(1, @ms 'x')"), -EINVAL);
        check_append(g_variant_new_parsed("()"), -EINVAL);
        check_append(g_variant_new_parsed("@a() []"), -EINVAL);
        check_append(g_variant_new_parsed("@(s()) ('', ())"), -EINVAL);
        check_append(g_variant_new_parsed("@{sv} {'a', <1>}"), -EINVAL);
        check_append(g_variant_new_parsed("<@{sv} {'a', <1>}>"), -EINVAL);
        check_append(g_variant_new_parsed("({1, 2}, 3)"), -EINVAL);
        check_append(g_variant_new_string("\xef\xbf\xbf"), -EINVAL);
        check_append(zeroes(widest), 0);
        check_append(zeroes(wider), -EINVAL);

        g_assert_cmpint(codec_append_children(message, no_tuple, NULL), ==, -EINVAL);
}

static void test_floating(void)
{
        g_autoptr(sd_bus_message) message = message_new();
        GVariant *value = g_variant_new("(s@as)", "x", g_variant_new_strv(NULL, 0));

        g_assert_cmpint(codec_append(message, value, NULL), ==, 0);
        g_assert_cmpint(codec_append_children(message, value, NULL), ==, 0);
        g_assert_true(g_variant_is_floating(value));

        g_variant_unref(value);
}

static void test_wrong_signature(void)
{
        static const char *const wrong[] = {
                "",       "s",     "sau",   "asu",   "sas",    "sasu(iv)", "su",
                "sasuvs", "yasuv", "sayuv", "savuv", "saauv",  "sa(s)uv",  "s(as)uv",
                "sasus",  "mi",    "(",     "*",     "sasuv)", "a*",       "{sv}",
        };
        g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed("('x', @as [], uint32 1, <2>)"));

        for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_autoptr(sd_bus_message) message = message_new();

                g_assert_cmpint(codec_append_children(message, value, NULL), ==, 0);
                message_finish(message);
                check_read_fails(message, wrong[i]);
        }
}

static void test_strings(void)
{
        g_autoptr(sd_bus_message) message = message_new();
        const char *strings[2];

        g_assert_cmpint(sd_bus_message_append(message, "ss", "a", ""), >=, 0);
        message_finish(message);
        g_assert_true(codec_read_strings(message, strings, 2, NULL));
        g_assert_cmpstr(strings[0], ==, "a");
        g_assert_cmpstr(strings[1], ==, "");
}

/* What is not these strings alone. */
static void test_not_strings(void)
{
        static const char *const wrong[][2] = {{"s", "a"}, {"o", "/a"}};
        const char *strings[2];

        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
                g_autoptr(sd_bus_message) message = message_new();
                g_autoptr(GError) error = NULL;

                g_assert_cmpint(sd_bus_message_append(message, "s", "first"), >=, 0);
                g_assert_cmpint(sd_bus_message_append(message, wrong[i][0], wrong[i][1]), >=, 0);
                g_assert_cmpint(sd_bus_message_append(message, "s", "more"), >=, 0);
                message_finish(message);
                g_assert_false(codec_read_strings(message, strings, 2, &error));
                g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
        }
}

static void test_large(void)
{
        g_autofree guint8 *bytes = g_malloc(1024 * 1024);
        GVariantBuilder strings;

        for (gsize i = 0; i < 1024 * 1024; i++)
                bytes[i] = (guint8)(i * 7 + i / 256);

        g_variant_builder_init(&strings, G_VARIANT_TYPE_STRING_ARRAY);

        for (int i = 0; i < 100000; i++)
                g_variant_builder_add(&strings, "s", i % 10 ? "string" : "");

        check_round_trip(g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, 1024 * 1024, 1));
        check_round_trip(g_variant_builder_end(&strings));
}

static int temporary_file(void)
{
        int fd = open(g_get_tmp_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);

        return fd;
}

static void check_same_file(GUnixFDList *fds, int handle, int fd)
{
        struct stat expected, found;
        int length;
        const int *list = g_unix_fd_list_peek_fds(fds, &length);

        g_assert_cmpint(handle, >=, 0);
        g_assert_cmpint(handle, <, length);
        g_assert_cmpint(list[handle], !=, fd);
        g_assert_cmpint(fcntl(list[handle], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
        g_assert_cmpint(fstat(fd, &expected), ==, 0);
        g_assert_cmpint(fstat(list[handle], &found), ==, 0);
        g_assert_true(expected.st_dev == found.st_dev && expected.st_ino == found.st_ino);
}

/* Sends handles to two files and looks for the files in what is read into *@received, which may hold
 * descriptors already. */
static void check_descriptors(GUnixFDList **received)
{
        g_autoptr(GUnixFDList) sent = g_unix_fd_list_new();
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GVariant) value = NULL, result = NULL, inner = NULL;
        int fds[] = {temporary_file(), temporary_file()};
        int handles[3];

        g_assert_cmpint(g_unix_fd_list_append(sent, fds[0], NULL), ==, 0);
        g_assert_cmpint(g_unix_fd_list_append(sent, fds[1], NULL), ==, 1);

        value = g_variant_ref_sink(g_variant_new_parsed("(handle 1, (handle 0,), <handle 1>)"));
        g_assert_cmpint(codec_append_children(message, value, sent), ==, 0);
        message_finish(message);

        result = codec_read(message, "h(h)v", received, NULL);
        g_assert_nonnull(result);

        g_variant_get(result, "(h(h)v)", &handles[0], &handles[1], &inner);
        handles[2] = g_variant_get_handle(inner);

        check_same_file(*received, handles[0], fds[1]);
        check_same_file(*received, handles[1], fds[0]);
        check_same_file(*received, handles[2], fds[1]);

        close(fds[0]);
        close(fds[1]);
}

static void test_descriptors(void)
{
        g_autoptr(GUnixFDList) received = NULL;

        check_descriptors(&received);
        g_assert_cmpint(g_unix_fd_list_get_length(received), ==, 3);

        check_descriptors(&received);
        g_assert_cmpint(g_unix_fd_list_get_length(received), ==, 6);
}

/* The message is good, it is this process that has no room. */
static void test_no_descriptor_left(void)
{
        g_autoptr(GUnixFDList) sent = g_unix_fd_list_new(), received = NULL;
        g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed("(handle 0,)"));
        g_autoptr(sd_bus_message) message = message_new();
        g_autoptr(GError) error = NULL;
        struct rlimit old, none;
        int fd = temporary_file();

        g_assert_cmpint(g_unix_fd_list_append(sent, fd, NULL), ==, 0);
        g_assert_cmpint(codec_append_children(message, value, sent), ==, 0);
        message_finish(message);

        g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
        none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
        g_assert_null(codec_read(message, "h", &received, &error));
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &old), ==, 0);

        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES);
        g_assert_null(received);
        close(fd);
}

static void test_bad_handle(void)
{
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new(), none = g_unix_fd_list_new();
        int fd = temporary_file();
        static const int bad[] = {1, 2, -1, G_MAXINT, G_MININT};

        g_assert_cmpint(g_unix_fd_list_append(fds, fd, NULL), ==, 0);
        close(fd);

        for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new("(sh)", "x", bad[i]));
                g_autoptr(sd_bus_message) message = message_new();

                g_assert_cmpint(codec_append_children(message, value, fds), ==, -EBADF);
        }

        check_append(g_variant_new_handle(0), -EBADF);

        for (int i = 0; i < 2; i++) {
                g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_handle(0));
                g_autoptr(sd_bus_message) message = message_new();

                g_assert_cmpint(codec_append(message, value, i ? fds : none), ==, i ? 0 : -EBADF);
        }
}

/* A random type that D-Bus allows, of at most @depth containers. */
static void random_type(GRand *rand, int depth, GString *type)
{
        static const char basic[] = "ybnqiuxtdsog";
        int kind = depth > 0 ? g_rand_int_range(rand, 0, 8) : 7;

        switch (kind) {
        case 0:
        case 1:
                g_string_append_c(type, 'a');
                random_type(rand, depth - 1, type);
                break;
        case 2:
                g_string_append_printf(type, "a{%c", basic[g_rand_int_range(rand, 0, sizeof(basic) - 1)]);
                random_type(rand, depth - 2, type);
                g_string_append_c(type, '}');
                break;
        case 3:
                g_string_append_c(type, '(');
                for (int i = g_rand_int_range(rand, 1, 4); i > 0; i--)
                        random_type(rand, depth - 1, type);
                g_string_append_c(type, ')');
                break;
        case 4:
                g_string_append_c(type, 'v');
                break;
        default:
                g_string_append_c(type, basic[g_rand_int_range(rand, 0, sizeof(basic) - 1)]);
        }
}

static GVariant *random_basic(GRand *rand, char type)
{
        static const char *const strings[] = {"", "a", "longer than eight bytes", "\xc3\xa9\xe2\x82\xac"};
        static const char *const paths[] = {"/", "/a", "/org/libvirt/QEMU", "/_"};
        static const char *const signatures[] = {"", "s", "a{sv}(ii)", "v"};
        guint64 bits = (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);
        gsize size = type == 'y' ? 1 : strchr("nq", type) ? 2 : strchr("iu", type) ? 4 : 8;
        g_autoptr(GBytes) bytes = g_bytes_new(&bits, size);
        char name[] = {type, '\0'};

        switch (type) {
        case 'b':
                return g_variant_new_boolean(bits & 1);
        case 's':
                return g_variant_new_string(strings[bits % 4]);
        case 'o':
                return g_variant_new_object_path(paths[bits % 4]);
        case 'g':
                return g_variant_new_signature(signatures[bits % 4]);
        default: /* any bits make a number */
                return g_variant_new_from_bytes(G_VARIANT_TYPE(name), bytes, TRUE);
        }
}

static GVariant *random_value(GRand *rand, int depth, const GVariantType *type)
{
        GVariantBuilder builder;

        if (g_variant_type_is_variant(type)) {
                g_autoptr(GString) inner = g_string_new(NULL);

                random_type(rand, depth - 1, inner);
                return g_variant_new_variant(random_value(rand, depth - 1, G_VARIANT_TYPE(inner->str)));
        }

        if (g_variant_type_is_basic(type))
                return random_basic(rand, g_variant_type_peek_string(type)[0]);

        g_variant_builder_init(&builder, type);

        if (g_variant_type_is_array(type)) {
                for (int i = g_rand_int_range(rand, 0, 4); i > 0; i--)
                        g_variant_builder_add_value(&builder, random_value(rand, depth - 1,
                                                                           g_variant_type_element(type)));
        } else {
                for (type = g_variant_type_first(type); type; type = g_variant_type_next(type))
                        g_variant_builder_add_value(&builder, random_value(rand, depth - 1, type));
        }

        return g_variant_builder_end(&builder);
}

static void test_random(void)
{
        for (guint32 seed = 1; seed <= 5000; seed++) {
                g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
                g_autoptr(GString) type = g_string_new(NULL);

                random_type(rand, 4, type);
                check_round_trip(random_value(rand, 5, G_VARIANT_TYPE(type->str)));
        }
}

int main(int argc, char **argv)
{
        int result;

        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/codec/basic", test_basic);
        g_test_add_func("/codec/container", test_container);
        g_test_add_func("/codec/empty", test_empty);
        g_test_add_func("/codec/depth", test_depth);
        g_test_add_func("/codec/forbidden", test_forbidden);
        g_test_add_func("/codec/floating", test_floating);
        g_test_add_func("/codec/wrong-signature", test_wrong_signature);
        g_test_add_func("/codec/strings", test_strings);
        g_test_add_func("/codec/not-strings", test_not_strings);
        g_test_add_func("/codec/large", test_large);
        g_test_add_func("/codec/descriptors", test_descriptors);
        g_test_add_func("/codec/no-descriptor-left", test_no_descriptor_left);
        g_test_add_func("/codec/bad-handle", test_bad_handle);
        g_test_add_func("/codec/random", test_random);

        test_bus_open();
        result = g_test_run();
        test_bus_close();

        return result;
}
