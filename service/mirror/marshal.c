/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From memory into messages. */

#include "mirror/marshal.h"

#include "base/thread.h"
#include "bus/codec.h"

static int append_value(sd_bus_message *message, const char *type, GVariant *value)
{
        int boolean;
        guint32 number;

        switch (type[0]) {
        case 'b':
                boolean = g_variant_get_boolean(value);
                return sd_bus_message_append_basic(message, 'b', &boolean);
        case 's':
                return sd_bus_message_append_basic(message, 's', g_variant_get_string(value, NULL));
        case 'u':
                number = g_variant_get_uint32(value);
                return sd_bus_message_append_basic(message, 'u', &number);
        default:
                return codec_append(message, value, NULL);
        }
}

static int append_property(sd_bus_message *message, const Member *property, GVariant *value)
{
        int r = sd_bus_message_open_container(message, 'e', "sv");

        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', property->name);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', property->out_type);
        if (r >= 0)
                r = append_value(message, property->out_type, value);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                r = sd_bus_message_close_container(message);

        return r;
}

int marshal_values(sd_bus_message *message, const Interface *native, GVariant *const *values)
{
        int r = sd_bus_message_open_container(message, 'a', "{sv}");

        ASSERT_MAIN();
        for (size_t i = 0; i < native->n_members && r >= 0; i++)
                if (native->members[i].kind == MEMBER_PROPERTY)
                        r = append_property(message, &native->members[i], values[native->members[i].slot]);

        return r >= 0 ? sd_bus_message_close_container(message) : r;
}

static int append_interfaces(sd_bus_message *message, const Kind *kind, GVariant *const *values)
{
        const Interface *native = kind->native;
        int r = sd_bus_message_open_container(message, 'e', "sa{sv}");

        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', native->name);
        if (r >= 0)
                r = marshal_values(message, native, values);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                r = sd_bus_message_append(message, "{sa{sv}}", kind->interface->name, 0);

        return r;
}

int marshal_object(sd_bus_message *message, const char *path, const Kind *kind, GVariant *const *values)
{
        int r = sd_bus_message_append_basic(message, 'o', path);

        ASSERT_MAIN();
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        if (r >= 0)
                r = append_interfaces(message, kind, values);
        if (r >= 0)
                r = sd_bus_message_close_container(message);

        return r;
}

int marshal_item(sd_bus_message *message, const Item *item)
{
        ASSERT_MAIN();
        return marshal_object(message, item->path, item->kind, item->values);
}
