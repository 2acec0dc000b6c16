/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Recursive descent over the signature, once for each direction. GVariant has types and depths
 * that D-Bus forbids; a bus disconnects a program that sends them, so they are refused here. */

#include "bus/codec.h"

#include "base/closer.h"
#include "base/thread.h"
#include "bus/descriptors.h"
#include "bus/signature.h"

#include <errno.h>
#include <string.h>

/* The D-Bus specification's limit: all containers around a value, variants included. */
#define DEPTH_MAX 64

/* What a basic type's value is read into and written from. */
typedef union {
        guint8 y;
        gint16 n;
        guint16 q;
        gint32 i;
        guint32 u;
        gint64 x;
        guint64 t;
        double d;
        int b; /* and h */
        const char *s;
} Basic;

typedef struct {
        sd_bus_message *message;
        GUnixFDList **fds;
        int first;     /* place of this message's first descriptor in *fds */
        GArray *seen;  /* the message's own descriptors, in the order of *fds */
        unsigned left; /* values that may still come */
} Reader;

static int read_value(Reader *reader, const GVariantType *type, unsigned depth, GVariant **value);
static int append_value(sd_bus_message *message, GVariant *value, GUnixFDList *fds, unsigned depth);

/* Not for the recursing functions themselves: the buffer would be in each of their frames. */
static G_NO_INLINE int enter(Reader *reader, const GVariantType *type)
{
        char contents[SIGNATURE_MAX + 1];
        char kind = signature_split(type, contents);
        int r;

        r = sd_bus_message_enter_container(reader->message, kind, contents);

        return r == 0 ? -EBADMSG : r;
}

/* A message may name one of its descriptors a million times; it is duplicated once. */
static int read_handle(Reader *reader, int fd, GVariant **value)
{
        for (guint i = 0; i < reader->seen->len; i++)
                if (g_array_index(reader->seen, int, i) == fd) {
                        *value = g_variant_new_handle(reader->first + (int)i);
                        return 0;
                }

        if (!*reader->fds)
                *reader->fds = g_unix_fd_list_new();

        /* Duplicating a descriptor that is open fails for one reason only. */
        if (g_unix_fd_list_append(*reader->fds, descriptors_sent(fd), NULL) < 0)
                return -EMFILE;

        g_array_append_val(reader->seen, fd);
        *value = g_variant_new_handle(reader->first + (int)reader->seen->len - 1);

        return 0;
}

/* The floating GVariant of any basic type but h; NULL for a type that is not basic. */
static GVariant *basic_variant(char type, const Basic *basic)
{
        switch (type) {
        case 'y':
                return g_variant_new_byte(basic->y);
        case 'b':
                return g_variant_new_boolean(basic->b);
        case 'n':
                return g_variant_new_int16(basic->n);
        case 'q':
                return g_variant_new_uint16(basic->q);
        case 'i':
                return g_variant_new_int32(basic->i);
        case 'u':
                return g_variant_new_uint32(basic->u);
        case 'x':
                return g_variant_new_int64(basic->x);
        case 't':
                return g_variant_new_uint64(basic->t);
        case 'd':
                return g_variant_new_double(basic->d);
        case 's':
                return g_variant_new_string(basic->s);
        case 'o':
                return g_variant_new_object_path(basic->s);
        case 'g':
                return g_variant_new_signature(basic->s);
        default:
                return NULL;
        }
}

static int read_basic(Reader *reader, char type, GVariant **value)
{
        Basic basic = {};
        int r;

        r = sd_bus_message_read_basic(reader->message, type, &basic);
        if (r <= 0)
                return r == 0 ? -EBADMSG : r;

        if (type == 'h')
                return read_handle(reader, basic.b, value);

        *value = basic_variant(type, &basic);

        return *value ? 0 : -EINVAL;
}

/* What a tuple or a container holds, once it is entered; of an array, as many elements as there are. */
static int read_items(Reader *reader, const GVariantType *type, unsigned depth, GVariantBuilder *builder)
{
        gboolean array = g_variant_type_is_array(type);
        const GVariantType *item = array ? g_variant_type_element(type) : g_variant_type_first(type);

        while (item) {
                GVariant *value;
                int r;

                r = array ? sd_bus_message_at_end(reader->message, FALSE) : 0;
                if (r != 0)
                        return MIN(r, 0);

                r = read_value(reader, item, depth, &value);
                if (r < 0)
                        return r;

                g_variant_builder_add_value(builder, value);

                if (!array)
                        item = g_variant_type_next(item);
        }

        return 0;
}

static int read_container(Reader *reader, const GVariantType *type, unsigned depth, GVariant **value)
{
        g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(type);
        int r;

        r = enter(reader, type);
        if (r < 0)
                return r;

        r = read_items(reader, type, depth, &builder);
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(reader->message);
        if (r < 0)
                return r;

        *value = g_variant_builder_end(&builder);

        return 0;
}

/* So many strings of an array take the time and memory of a value of its own. */
#define STRINGS_PER_VALUE 16

/* Where each string ends, as GVariant has it: behind them, in numbers as small as reach the end of all. */
static void append_ends(GByteArray *bytes, const GArray *ends)
{
        static const gsize sizes[] = {1, 2, 4};
        gsize size = 1;

        for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
                size = sizes[i];
                if ((guint64)bytes->len + (guint64)ends->len * size < (guint64)1 << (8 * size))
                        break;
        }

        for (guint i = 0; i < ends->len; i++) {
                guint32 end = GUINT32_TO_LE(g_array_index(ends, guint32, i));

                g_byte_array_append(bytes, (const guint8 *)&end, (guint)size);
        }
}

/* Strings need no GVariant each, which would take six times as long as to read them does, and 100 bytes.
 * sd-bus has seen to it that they are what their type says. */
static int read_strings(Reader *reader, const GVariantType *type, GVariant **value)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(guint32));
        char element = g_variant_type_peek_string(type)[1];
        g_autoptr(GBytes) whole = NULL;
        const char *string;
        int r;

        r = enter(reader, type);
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read_basic(reader->message, element, &string)) > 0) {
                g_byte_array_append(bytes, (const guint8 *)string, (guint)strlen(string) + 1);
                g_array_append_val(ends, bytes->len);
                if (ends->len % STRINGS_PER_VALUE == 0 && reader->left-- == 0)
                        return -E2BIG;
        }

        if (r >= 0)
                r = sd_bus_message_exit_container(reader->message);
        if (r < 0)
                return r;

        append_ends(bytes, ends);
        whole = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
        *value = g_variant_new_from_bytes(type, whole, TRUE);
        return 0;
}

static int read_array(Reader *reader, const GVariantType *type, unsigned depth, GVariant **value)
{
        char element = g_variant_type_peek_string(type)[1];
        gsize element_size = signature_fixed_size(element), size = 0;
        const void *data = NULL;
        int r;

        if (strchr("sog", element))
                return read_strings(reader, type, value);
        if (element_size == 0)
                return read_container(reader, type, depth, value);

        /* sd-bus does not swap bytes here, and has read nothing when it says so. */
        r = sd_bus_message_read_array(reader->message, element, &data, &size);
        if (r == -EOPNOTSUPP)
                return read_container(reader, type, depth, value);

        if (r < 0)
                return r;

        if (r == 0 || size % element_size != 0)
                return -EBADMSG;

        *value = g_variant_new_fixed_array(g_variant_type_element(type), data, size / element_size,
                                           element_size);

        return 0;
}

static int read_variant(Reader *reader, unsigned depth, GVariant **value)
{
        g_autoptr(GVariant) content = NULL;
        const char *signature;
        int r;

        r = sd_bus_message_enter_container(reader->message, 'v', NULL);
        if (r <= 0)
                return r == 0 ? -EBADMSG : r;

        /* sd-bus has checked that this is one complete type; it keeps the string until the exit below. */
        signature = sd_bus_message_get_signature(reader->message, FALSE);

        r = read_value(reader, G_VARIANT_TYPE(signature), depth, &content);
        if (r < 0)
                return r;

        r = sd_bus_message_exit_container(reader->message);
        if (r < 0)
                return r;

        *value = g_variant_new_variant(g_steal_pointer(&content));

        return 0;
}

/* Reads one complete type, floating. @depth is the number of containers around it. */
static int read_value(Reader *reader, const GVariantType *type, unsigned depth, GVariant **value)
{
        char kind = g_variant_type_peek_string(type)[0];

        if (strchr("a({v", kind) && depth >= DEPTH_MAX)
                return -ELOOP;
        if (reader->left-- == 0)
                return -E2BIG;

        switch (kind) {
        case 'a':
                return read_array(reader, type, depth + 1, value);
        case '(':
        case '{':
                return read_container(reader, type, depth + 1, value);
        case 'v':
                return read_variant(reader, depth + 1, value);
        default:
                return read_basic(reader, kind, value);
        }
}

static int read_body(Reader *reader, const char *tuple, GVariant **value)
{
        g_auto(GVariantBuilder) builder = {};
        int r;

        if (!g_variant_type_string_is_valid(tuple) || strlen(tuple) > SIGNATURE_MAX + strlen("()"))
                return -EINVAL;

        g_variant_builder_init(&builder, G_VARIANT_TYPE(tuple));

        r = read_items(reader, G_VARIANT_TYPE(tuple), 0, &builder);
        if (r < 0)
                return r;

        r = sd_bus_message_at_end(reader->message, TRUE);
        if (r <= 0)
                return r == 0 ? -EBADMSG : r;

        *value = g_variant_builder_end(&builder);

        return 0;
}

static void set_unread(GError **error, int r)
{
        g_set_error(error, G_IO_ERROR,
                    r == -EMFILE ? G_IO_ERROR_TOO_MANY_OPEN_FILES : G_IO_ERROR_INVALID_DATA,
                    "failed to read the arguments: %s", g_strerror(-r));
}

GVariant *codec_read(sd_bus_message *message, const char *signature, GUnixFDList **fds, GError **error)
{
        ASSERT_MAIN();
        return codec_read_few(message, signature, CODEC_VALUES_MAX, fds, error);
}

GVariant *codec_read_few(sd_bus_message *message, const char *signature, unsigned most, GUnixFDList **fds,
                         GError **error)
{
        g_autofree char *tuple = g_strconcat("(", signature, ")", NULL);
        g_autoptr(GArray) seen = g_array_new(FALSE, FALSE, sizeof(int));
        gboolean made = *fds == NULL;
        int first = *fds ? g_unix_fd_list_get_length(*fds) : 0;
        Reader reader = {.message = message, .fds = fds, .first = first, .seen = seen, .left = most};
        GVariant *value = NULL;
        int r;

        ASSERT_MAIN();
        r = read_body(&reader, tuple, &value);
        if (r >= 0)
                return value;

        if (made)
                closer_take_list(fds);

        if (r == -E2BIG)
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                            "the arguments have more than %u values", most);
        else
                set_unread(error, r);

        return NULL;
}

gboolean codec_read_strings(sd_bus_message *message, const char **strings, unsigned n, GError **error)
{
        int r = 1;

        ASSERT_MAIN();
        for (unsigned i = 0; i < n && r > 0; i++)
                r = sd_bus_message_read_basic(message, 's', &strings[i]);
        if (r > 0)
                r = sd_bus_message_at_end(message, TRUE);
        if (r > 0)
                return TRUE;

        set_unread(error, r == 0 ? -EBADMSG : r);
        return FALSE;
}

/* Not inline for the reason that enter() is not. */
static G_NO_INLINE int open_container(sd_bus_message *message, GVariant *value)
{
        char contents[SIGNATURE_MAX + 1];
        char kind;

        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
                g_autoptr(GVariant) content = g_variant_get_variant(value);
                const char *type = g_variant_get_type_string(content);

                if (!signature_is_allowed(type, strlen(type)))
                        return -EINVAL;

                return sd_bus_message_open_container(message, 'v', type);
        }

        kind = signature_split(g_variant_get_type(value), contents);

        return sd_bus_message_open_container(message, kind, contents);
}

static int append_items(sd_bus_message *message, GVariant *value, GUnixFDList *fds, unsigned depth)
{
        GVariantIter iter;
        GVariant *item;

        g_variant_iter_init(&iter, value);

        while ((item = g_variant_iter_next_value(&iter))) {
                int r;

                r = append_value(message, item, fds, depth);
                g_variant_unref(item);

                if (r < 0)
                        return r;
        }

        return 0;
}

static int append_container(sd_bus_message *message, GVariant *value, GUnixFDList *fds, unsigned depth)
{
        int r;

        r = open_container(message, value);
        if (r < 0)
                return r;

        r = append_items(message, value, fds, depth);
        if (r < 0)
                return r;

        return sd_bus_message_close_container(message);
}

static int append_array(sd_bus_message *message, GVariant *value, GUnixFDList *fds, unsigned depth)
{
        char element = g_variant_get_type_string(value)[1];
        gsize element_size = signature_fixed_size(element), length;
        const void *data;

        if (element_size == 0)
                return append_container(message, value, fds, depth);

        data = g_variant_get_fixed_array(value, &length, element_size);

        return sd_bus_message_append_array(message, element, data, length * element_size);
}

static int append_handle(sd_bus_message *message, gint32 handle, GUnixFDList *fds)
{
        int length = 0;
        const int *list = fds ? g_unix_fd_list_peek_fds(fds, &length) : NULL;

        if (handle < 0 || handle >= length)
                return -EBADF;

        return sd_bus_message_append_basic(message, 'h', &list[handle]);
}

static int append_basic(sd_bus_message *message, char type, GVariant *value, GUnixFDList *fds)
{
        Basic basic = {};

        switch (type) {
        case 'h':
                return append_handle(message, g_variant_get_handle(value), fds);
        case 's':
        case 'o':
        case 'g':
                return sd_bus_message_append_basic(message, type, g_variant_get_string(value, NULL));
        case 'b':
                basic.b = g_variant_get_boolean(value);
                break;
        default:
                g_variant_store(value, &basic);
        }

        return sd_bus_message_append_basic(message, type, &basic);
}

/* @depth is the number of containers around @value. Its type has been found to be allowed. */
static int append_value(sd_bus_message *message, GVariant *value, GUnixFDList *fds, unsigned depth)
{
        char kind = g_variant_get_type_string(value)[0];
        int r;

        if (strchr("a({v", kind) && depth >= DEPTH_MAX)
                return -ELOOP;

        if (kind == 'a')
                r = append_array(message, value, fds, depth + 1);
        else if (strchr("({v", kind))
                r = append_container(message, value, fds, depth + 1);
        else
                r = append_basic(message, kind, value, fds);

        return MIN(r, 0);
}

int codec_append(sd_bus_message *message, GVariant *value, GUnixFDList *fds)
{
        const char *type = g_variant_get_type_string(value);

        ASSERT_MAIN();
        if (!signature_is_allowed(type, strlen(type)))
                return -EINVAL;

        return append_value(message, value, fds, 0);
}

int codec_append_children(sd_bus_message *message, GVariant *value, GUnixFDList *fds)
{
        const char *type = g_variant_get_type_string(value);

        ASSERT_MAIN();
        /* The tuple itself is no struct: its brackets do not count. */
        if (type[0] != '(' || !signature_is_allowed(type + 1, strlen(type) - 2))
                return -EINVAL;

        return append_items(message, value, fds, 0);
}

int codec_append_in_variant(sd_bus_message *message, GVariant *value, GUnixFDList *fds)
{
        const char *type = g_variant_get_type_string(value);
        int r;

        ASSERT_MAIN();
        if (!signature_is_allowed(type, strlen(type)))
                return -EINVAL;

        r = sd_bus_message_open_container(message, 'v', type);
        if (r >= 0)
                r = append_value(message, value, fds, 1);

        return r < 0 ? r : sd_bus_message_close_container(message);
}
