/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All of this is before the arguments are read: they may be large. */

#include "objects/request.h"

#include "base/thread.h"
#include "members.h"

#include <string.h>

static RequestType type_of(const char *interface, const char *name)
{
        if (g_strcmp0(interface, INTERFACE_PROPERTIES) == 0) {
                if (strcmp(name, "Get") == 0)
                        return REQUEST_GET;
                if (strcmp(name, "GetAll") == 0)
                        return REQUEST_GET_ALL;
                return strcmp(name, "Set") == 0 ? REQUEST_SET : REQUEST_UNKNOWN;
        }

        if (g_strcmp0(interface, INTERFACE_INTROSPECTABLE) == 0)
                return strcmp(name, "Introspect") == 0 ? REQUEST_INTROSPECT : REQUEST_UNKNOWN;

        return REQUEST_METHOD;
}

void request_init(Request *request, sd_bus_message *message, GHashTable *connections)
{
        const char *interface = sd_bus_message_get_interface(message);
        const char *name = sd_bus_message_get_member(message);

        ASSERT_MAIN();
        *request = (Request){.message = message, .connections = connections};
        request->possible = object_resolve(connections, sd_bus_message_get_path(message), &request->object);
        request->type = type_of(interface, name);
        if (request->possible && request->type == REQUEST_METHOD)
                request->member = object_find_member(&request->object, interface, MEMBER_METHOD, name,
                                                     &request->interface, &request->problem);
}

void request_clear(Request *request)
{
        ASSERT_MAIN();
        object_clear(&request->object);
        g_clear_error(&request->problem);
}

gboolean request_access(const Request *request, Access *access)
{
        ASSERT_MAIN();
        *access = ACCESS_MONITOR;
        switch (request->type) {
        case REQUEST_METHOD:
                if (request->member)
                        *access = request->member->access;
                return request->member != NULL;
        case REQUEST_SET:
                *access = ACCESS_MANAGE;
                return TRUE;
        case REQUEST_GET:
        case REQUEST_GET_ALL:
                return TRUE;
        case REQUEST_INTROSPECT:
                return request->object.level >= OBJECT_COLLECTION;
        case REQUEST_UNKNOWN:
                break;
        }

        return request->object.level >= OBJECT_COLLECTION ||
               strcmp(sd_bus_message_get_interface(request->message), INTERFACE_PROPERTIES) == 0;
}

void request_describe(const Request *request, Access access, char uuid[VIR_UUID_STRING_BUFLEN],
                      Question *question)
{
        const Object *object = &request->object;
        const Item *item;

        ASSERT_MAIN();
        *question = (Question){.access = access, .domain = "", .uuid = "", .member = ""};
        question->connection = object->connection ? connection_name(object->connection) : "";
        /* Monitoring is one right for all of a connection: its events and lists tell of each guest anyway,
         * and a page that reads a thousand of them is not to ask a thousand times. */
        if (access == ACCESS_MONITOR)
                return;

        question->member = sd_bus_message_get_member(request->message);
        if (!object->key || (object->kind != &kind_domain && !object->kind->in_domain))
                return;

        g_strlcpy(uuid, object->key, VIR_UUID_STRING_BUFLEN);
        question->uuid = uuid;
        /* Before a caller's own view is there, it is not known: a rule that counts now and then is worse than
         * none. */
        if (connection_is_forwarded(object->connection))
                return;

        item = mirror_find_uuid(connection_mirror(object->connection), &kind_domain, uuid);
        if (item)
                question->domain = item_string(item, DOMAIN1_NAME);
}

gboolean request_only_tells(const Request *request)
{
        const Member *member = request->member;

        ASSERT_MAIN();
        switch (request->type) {
        case REQUEST_GET:
        case REQUEST_GET_ALL:
        case REQUEST_INTROSPECT:
                return TRUE;
        case REQUEST_SET:
        case REQUEST_UNKNOWN:
                return FALSE;
        case REQUEST_METHOD:
                break;
        }

        return member && member->access == ACCESS_MONITOR && !member->changes &&
               strcmp(member->name, "Resync") != 0 && strcmp(member->name, "GetJobStats") != 0;
}
