/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How much is logged, as systemd's own services let it be asked and changed.
 *
 * This is the one object that is an sd-bus vtable: libvirt is not asked for what it has. Its one property
 * that may be written, by root and the service's own account alone, is taken out of sd-bus's hands: that
 * would ask the bus for the writer and wait for the answer, which comes behind all that is on its way to the
 * service, or never. Here the writer is asked for as any caller is. What it sends meanwhile to have the level
 * told waits behind. */

#include "objects/log_control.h"

#include "access/credentials.h"
#include "base/log.h"
#include "base/thread.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#define PATH       "/org/freedesktop/LogControl1"
#define INTERFACE  "org.freedesktop.LogControl1"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* What waits until the bus has told of its senders: a round trip of the bus. Those that wait for more than
 * that are far behind with it. */
#define WAITING_MAX 4096
/* Of one sender, so that no one keeps others out. */
#define WAITING_PER_SENDER 512

/* Of a word that is no level so much is kept to be quoted. */
#define WORD_MAX 256

/* A sender that the bus is asked about, and its messages, in order. */
typedef struct Visitor {
        char *name;
        GPtrArray *messages;
} Visitor;

static struct {
        GHashTable *by_name; /* of Visitor */
        unsigned waiting;    /* messages of all of them */
        gboolean stopped;
} visitors;

static const char *const levels[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", levels[log_level()]);
}

/* What can be read goes to on_call(): this is a string that the bus accepts and sd-bus does not. */
static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *error)
{
        return -EBADMSG;
}

static const char *target(void)
{
        return log_to_journal() ? "journal" : "console";
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", target());
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        return sd_bus_message_append(reply, "s", LOGGING_IDENTIFIER);
}

/* The target is what standard error is. It is not changed: the journal is found by that, too. */
static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_PROPERTY("LogTarget", "s", get_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

/* -1 for none. */
static int find_level(const char *word)
{
        for (size_t i = 0; i < G_N_ELEMENTS(levels); i++)
                if (strcmp(word, levels[i]) == 0)
                        return (int)i;

        return -1;
}

/* At the higher of the two levels, so that the end of a wordy time is logged, too. */
static void change_level(int level)
{
        log_set_level(MAX(level, log_level()));
        g_message("logging up to level %s", levels[level]);
        log_set_level(level);
}

static gboolean is_member(sd_bus_message *message, const char *member, const char *signature)
{
        return sd_bus_message_is_method_call(message, PROPERTIES, member) > 0 &&
               sd_bus_message_has_signature(message, signature) > 0;
}

/* Whether it is Set of the level, which it sets *@word to. Of any other sd-bus says what is wrong with it. */
static gboolean is_change(sd_bus_message *message, const char **word)
{
        const char *interface, *property;
        gboolean is = is_member(message, "Set", "ssv") &&
                      sd_bus_message_read(message, "ss", &interface, &property) > 0 &&
                      strcmp(interface, INTERFACE) == 0 && strcmp(property, "LogLevel") == 0 &&
                      sd_bus_message_enter_container(message, 'v', "s") > 0 &&
                      sd_bus_message_read(message, "s", word) > 0;

        sd_bus_message_rewind(message, TRUE);
        return is;
}

static gboolean is_look(sd_bus_message *message)
{
        const char *interface, *property;
        gboolean is = is_member(message, "Get", "ss") &&
                      sd_bus_message_read(message, "ss", &interface, &property) > 0 &&
                      strcmp(interface, INTERFACE) == 0 && strcmp(property, "LogLevel") == 0;

        sd_bus_message_rewind(message, TRUE);
        return is;
}

static gboolean is_look_at_all(sd_bus_message *message)
{
        const char *interface;
        gboolean is = is_member(message, "GetAll", "s") &&
                      sd_bus_message_read(message, "s", &interface) > 0 &&
                      (*interface == '\0' || strcmp(interface, INTERFACE) == 0);

        sd_bus_message_rewind(message, TRUE);
        return is;
}

static int answer_change(sd_bus_message *message, const char *word, gboolean may)
{
        int level = find_level(word);

        if (!may)
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_ACCESS_DENIED,
                                                  "only root and the service's own account may set LogLevel");
        if (level < 0)
                return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_INVALID_ARGS,
                                                  "\"%s\" is not a level of logs: emerg, alert, crit, err, "
                                                  "warning, notice, info, debug",
                                                  word);

        change_level(level);
        return sd_bus_reply_method_return(message, NULL);
}

static void answer(sd_bus_message *message, gboolean may)
{
        const char *level = levels[log_level()], *word;

        if (is_change(message, &word))
                answer_change(message, word, may);
        else if (is_look(message))
                sd_bus_reply_method_return(message, "v", "s", level);
        else
                sd_bus_reply_method_return(message, "a{sv}", 3, "LogLevel", "s", level, "LogTarget", "s",
                                           target(), "SyslogIdentifier", "s", LOGGING_IDENTIFIER);
}

static void visitor_free(Visitor *visitor)
{
        visitors.waiting -= visitor->messages->len;
        g_ptr_array_unref(visitor->messages);
        g_free(visitor->name);
        g_free(visitor);
}

static void unref_message(void *message)
{
        sd_bus_message_unref(message);
}

static void on_credentials(const Credentials *credentials, void *data)
{
        Visitor *visitor = data;
        gboolean may = credentials && (credentials->uid == 0 || credentials->uid == geteuid());

        g_hash_table_steal(visitors.by_name, visitor->name);
        for (guint i = 0; i < visitor->messages->len; i++)
                answer(g_ptr_array_index(visitor->messages, i), may);
        visitor_free(visitor);
}

static void visitor_add(Visitor *visitor, sd_bus_message *message)
{
        g_ptr_array_add(visitor->messages, sd_bus_message_ref(message));
        visitors.waiting++;
}

static void visitor_new(Bus *bus, sd_bus_message *message)
{
        Visitor *visitor = g_new0(Visitor, 1);

        visitor->name = g_strdup(bus_sender(message));
        visitor->messages = g_ptr_array_new_with_free_func(unref_message);
        visitor_add(visitor, message);
        g_hash_table_insert(visitors.by_name, visitor->name, visitor);
        credentials_get(bus, visitor->name, on_credentials, visitor);
}

static int refuse(const Visitor *visitor, sd_bus_error *error)
{
        gboolean own = visitor && visitor->messages->len >= WAITING_PER_SENDER;

        if (visitors.stopped)
                return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, "the service is stopping");
        if (!own && visitors.waiting < WAITING_MAX)
                return 0;

        return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                 "at most %d calls%s wait for a change of LogLevel",
                                 own ? WAITING_PER_SENDER : WAITING_MAX, own ? " of one caller" : "");
}

/* Before the vtable, which has what is left to it. */
static int on_call(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        Visitor *visitor = g_hash_table_lookup(visitors.by_name, bus_sender(message));
        const char *word = "";
        int r;

        if (!is_change(message, &word) && (!visitor || (!is_look(message) && !is_look_at_all(message))))
                return 0;

        if (strlen(word) > WORD_MAX)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "no level of logs has %zu letters",
                                         strlen(word));

        r = refuse(visitor, error);
        if (r < 0)
                return r;

        if (visitor)
                visitor_add(visitor, message);
        else
                visitor_new(userdata, message);
        return 1;
}

void log_control_stop(void)
{
        GHashTableIter iter;
        gpointer each;

        ASSERT_MAIN();
        visitors.stopped = TRUE;
        if (!visitors.by_name)
                return;

        g_hash_table_iter_init(&iter, visitors.by_name);
        while (g_hash_table_iter_next(&iter, NULL, &each)) {
                GPtrArray *messages = ((Visitor *)each)->messages;

                for (guint i = 0; i < messages->len; i++)
                        sd_bus_reply_method_errorf(g_ptr_array_index(messages, i), SD_BUS_ERROR_FAILED,
                                                   "the service is stopping");
                visitors.waiting -= messages->len;
                g_ptr_array_set_size(messages, 0);
        }
}

gboolean log_control_add(Bus *bus, GError **error)
{
        int r;

        ASSERT_MAIN();
        if (!visitors.by_name)
                visitors.by_name = g_hash_table_new(g_str_hash, g_str_equal);

        r = sd_bus_add_object(bus_handle(bus), NULL, PATH, on_call, bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus_handle(bus), NULL, PATH, INTERFACE, vtable, NULL);
        if (r < 0)
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-r), "failed to put %s on the bus: %s",
                            INTERFACE, g_strerror(-r));
        return r >= 0;
}
