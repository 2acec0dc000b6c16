/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a request to a question, before its arguments are read: they may be large. */

#include "objects/polkit_question.h"

#include "base/thread.h"
#include "members.h"

#include <string.h>

gboolean polkit_question_access(const Object *object, sd_bus_message *message, Access *access)
{
        const char *interface = sd_bus_message_get_interface(message);
        const char *name = sd_bus_message_get_member(message);
        const Interface *found;
        const Member *member;

        ASSERT_MAIN();
        *access = ACCESS_MONITOR;
        if (g_strcmp0(interface, INTERFACE_INTROSPECTABLE) == 0)
                return object->level >= OBJECT_COLLECTION;

        if (g_strcmp0(interface, INTERFACE_PROPERTIES) == 0) {
                if (strcmp(name, "Set") == 0)
                        *access = ACCESS_MANAGE;
                return TRUE;
        }

        member = object_find_member(object, interface, MEMBER_METHOD, name, &found, NULL);
        if (member)
                *access = member->access;
        return member != NULL;
}

void polkit_question_describe(const Object *object, sd_bus_message *message,
                              char uuid[VIR_UUID_STRING_BUFLEN], Question *question)
{
        const Item *item;

        ASSERT_MAIN();
        question->connection = object->connection ? connection_name(object->connection) : "";
        question->domain = question->uuid = question->member = "";
        /* Monitoring is one right for all of a connection: its events and lists tell of each guest anyway,
         * and a page that reads a thousand of them is not to ask a thousand times. */
        if (question->access == ACCESS_MONITOR)
                return;

        question->member = sd_bus_message_get_member(message);
        if (!object->key || (object->kind != &kind_domain && object->kind != &kind_domain_snapshot))
                return;

        g_strlcpy(uuid, object->key, VIR_UUID_STRING_BUFLEN);
        question->uuid = uuid;
        /* Before a caller's own view is there, nobody knows: a rule that counts now and then is worse than
         * none. */
        if (connection_is_forwarded(object->connection))
                return;

        item = mirror_find_uuid(connection_mirror(object->connection), &kind_domain, uuid);
        if (item)
                question->domain = item_string(item, DOMAIN1_NAME);
}
