/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages as GVariant. sd-bus has checked strings, paths and signatures before it hands them out. */

#include "listener/value.h"

#include <errno.h>

static int read_value(sd_bus_message *message, char type, const char *contents, GVariant **value);

static GVariant *value_of_basic(char type, const void *bytes)
{
        switch (type) {
        case SD_BUS_TYPE_BYTE:
                return g_variant_new_byte(*(const guint8 *)bytes);
        case SD_BUS_TYPE_BOOLEAN:
                return g_variant_new_boolean(*(const int *)bytes);
        case SD_BUS_TYPE_INT16:
                return g_variant_new_int16(*(const gint16 *)bytes);
        case SD_BUS_TYPE_UINT16:
                return g_variant_new_uint16(*(const guint16 *)bytes);
        case SD_BUS_TYPE_INT32:
                return g_variant_new_int32(*(const gint32 *)bytes);
        case SD_BUS_TYPE_UINT32:
                return g_variant_new_uint32(*(const guint32 *)bytes);
        case SD_BUS_TYPE_INT64:
                return g_variant_new_int64(*(const gint64 *)bytes);
        case SD_BUS_TYPE_UINT64:
                return g_variant_new_uint64(*(const guint64 *)bytes);
        case SD_BUS_TYPE_DOUBLE:
                return g_variant_new_double(*(const double *)bytes);
        case SD_BUS_TYPE_STRING:
                return g_variant_new_string(*(const char *const *)bytes);
        case SD_BUS_TYPE_OBJECT_PATH:
                return g_variant_new_object_path(*(const char *const *)bytes);
        case SD_BUS_TYPE_SIGNATURE:
                return g_variant_new_signature(*(const char *const *)bytes);
        default:
                return NULL;
        }
}

static int read_basic(sd_bus_message *message, char type, GVariant **value)
{
        union {
                guint64 number;
                double real;
                const char *text;
        } bytes;
        int r;

        if (type == SD_BUS_TYPE_UNIX_FD)
                return -EOPNOTSUPP;

        r = sd_bus_message_read_basic(message, type, &bytes);
        if (r < 0)
                return r;

        *value = value_of_basic(type, &bytes);
        return *value ? 0 : -EBADMSG;
}

/* What is left in the container that is open. */
static int read_children(sd_bus_message *message, GPtrArray *children)
{
        const char *contents;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(message, &type, &contents)) > 0) {
                GVariant *child;

                r = read_value(message, type, contents, &child);
                if (r < 0)
                        return r;

                g_ptr_array_add(children, g_variant_ref_sink(child));
        }

        return r;
}

static GVariant *value_of_children(char type, const char *contents, GPtrArray *children)
{
        GVariant **values = (GVariant **)children->pdata;

        switch (type) {
        case SD_BUS_TYPE_ARRAY:
                return g_variant_new_array(G_VARIANT_TYPE(contents), values, children->len);
        case SD_BUS_TYPE_STRUCT:
                return g_variant_new_tuple(values, children->len);
        case SD_BUS_TYPE_DICT_ENTRY:
                return children->len == 2 ? g_variant_new_dict_entry(values[0], values[1]) : NULL;
        case SD_BUS_TYPE_VARIANT:
                return children->len == 1 ? g_variant_new_variant(values[0]) : NULL;
        default:
                return NULL;
        }
}

static int read_container(sd_bus_message *message, char type, const char *contents, GVariant **value)
{
        g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
        g_autofree char *inside = g_strdup(contents);
        int r;

        r = sd_bus_message_enter_container(message, type, inside);
        if (r >= 0)
                r = read_children(message, children);
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;

        *value = value_of_children(type, inside, children);
        return *value ? 0 : -EBADMSG;
}

static int read_value(sd_bus_message *message, char type, const char *contents, GVariant **value)
{
        return contents ? read_container(message, type, contents, value) : read_basic(message, type, value);
}

int value_read_all(sd_bus_message *message, GVariant **tuple)
{
        g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
        int r = read_children(message, children);

        if (r < 0)
                return r;

        *tuple = g_variant_ref_sink(g_variant_new_tuple((GVariant **)children->pdata, children->len));
        return 0;
}
