/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The whole way of a request, from its bytes on the bus to its reply, before a world of toys: callers that
 * call anything, leave at any time, and are known to a daemon and a polkit that answer anything. Each call
 * has one reply, which is valid to its last byte.
 *
 * Input: steps; see step(). */

#include "access/user_database.h"
#include "bus/codec.h"
#include "fake-bus.h"
#include "fuzz.h"
#include "objects/dispatch.h"
#include "toy.h"

#include <gio/gio.h>

/* Small enough to be met. */
static const Limits limits = {
        .calls_per_sender = 6,
        .calls_total = 10,
        .request_bytes = 1 << 11,
        .monitor_request_bytes = 1 << 10,
        .pending_bytes = 1 << 12,
        .reply_bytes = 1 << 14,
        .error_bytes = 128,
        .events_kept = 8,
        .events_bytes = 1 << 12,
};

static const char *const senders[] = {":1.7", ":1.8", ":1.9"};

typedef struct Sent {
        guint8 sender;
        gboolean wants_reply;
        gboolean left; /* its caller has, after that */
        unsigned replies;
        GVariant *echo; /* what the reply has to be, unless it is an error */
} Sent;

typedef struct Stage {
        FakeBus fake;
        gboolean gone;
        Dispatcher dispatcher;
        Connection *connection;
        GPtrArray *sent;      /* of Sent, by serial */
        GPtrArray *questions; /* of sd_bus_message: asked of the daemon and of polkit */
} Stage;

#define FIRST_SERIAL 100

static void sent_free(void *data)
{
        Sent *sent = data;

        g_clear_pointer(&sent->echo, g_variant_unref);
        g_free(sent);
}

static void unref_message(void *data)
{
        sd_bus_message_unref(data);
}

/* Instead of the service's own user database, which is asked on threads. */

UserDatabase *user_database_new(void)
{
        return g_malloc(1);
}

void user_database_free(UserDatabase *user_database)
{
        g_free(user_database);
}

void user_database_ask(UserDatabase *user_database, uid_t uid, UserdbFunc *done, void *data)
{
        done(&(const UserEntry){.known = uid != 1001, .member = uid == 1000, .group = 1000}, data);
}

/* The owner of the bus, as daemon.c is it. */

static int on_call(sd_bus_message *message, void *data, sd_bus_error *error)
{
        return dispatch(&((Stage *)data)->dispatcher, message);
}

static void on_peer_gone(const char *name, void *data)
{
        dispatch_peer_gone(&((Stage *)data)->dispatcher, name);
}

static void on_name_lost(const char *name, void *data)
{
}

static void on_closed(void *data)
{
        ((Stage *)data)->gone = TRUE;
}

/* What the service sends */

static GVariant *read_body(sd_bus_message *message)
{
        const char *signature = sd_bus_message_get_signature(message, TRUE);
        g_autoptr(GUnixFDList) fds = NULL;
        GVariant *body = codec_read(message, signature ? signature : "", &fds, NULL);

        return body ? g_variant_ref_sink(body) : NULL;
}

static void take_reply(Stage *stage, sd_bus_message *message)
{
        guint64 cookie = 0;
        Sent *sent;

        sd_bus_message_get_reply_cookie(message, &cookie);
        g_assert_cmpuint(cookie, >=, FIRST_SERIAL);
        g_assert_cmpuint(cookie, <, FIRST_SERIAL + stage->sent->len);
        sent = g_ptr_array_index(stage->sent, cookie - FIRST_SERIAL);
        g_assert_true(sent->wants_reply);
        g_assert_cmpuint(sent->replies++, ==, 0);
        if (sent->echo && !sd_bus_message_is_method_error(message, NULL)) {
                g_autoptr(GVariant) body = read_body(message);

                g_assert_true(g_variant_equal(body, sent->echo));
        }
}

static void on_message(sd_bus_message *message, void *data)
{
        Stage *stage = data;
        guint8 type = 0;

        fake_bus_check_body(message);
        sd_bus_message_get_type(message, &type);
        if (type == WIRE_CALL)
                g_ptr_array_add(stage->questions, sd_bus_message_ref(message));
        else if (type != WIRE_SIGNAL)
                take_reply(stage, message);
}

/* Steps */

/* One of the words, or a string of its own, which is NULL where it would be malformed: that ends a connection
 * before the dispatcher sees it. */
static char *choose(Input *input, const char *const *words, gboolean (*is_good)(const char *))
{
        guint8 choice = input_byte(input), n = (guint8)g_strv_length((char **)words);
        g_autofree char *own = NULL;

        if (choice != 0xff)
                return g_strdup(words[choice % n]);

        own = input_string(input);
        return strlen(own) <= 255 && is_good(own) ? g_steal_pointer(&own) : NULL;
}

static gboolean is_signature(const char *text)
{
        return g_variant_is_signature(text);
}

static gboolean is_path(const char *text)
{
        return g_variant_is_object_path(text);
}

static gboolean is_interface(const char *text)
{
        return g_dbus_is_interface_name(text);
}

static gboolean is_member(const char *text)
{
        return g_dbus_is_member_name(text);
}

#define DOMAIN "/org/libvirt/Toy/domain/_00000000_0000_0000_0000_00000000000"

static char *choose_path(Input *input)
{
        static const char *const paths[] = {"/org/libvirt/Toy",
                                            DOMAIN "1",
                                            DOMAIN "0",
                                            DOMAIN "2",
                                            "/org/libvirt",
                                            "/org/libvirt/Toy/domain",
                                            "/org/libvirt/Toy/secret",
                                            "/org/libvirt/Toy/nodedev/one",
                                            "/org/libvirt/Toy/nodedev/_ff_30",
                                            "/org/libvirt/Toy/domainsnapshot/_",
                                            "/org/libvirt/Toy/network/_1",
                                            "/org/libvirt/No",
                                            "/",
                                            "/org/libvirt/Toy/toy",
                                            NULL};

        return choose(input, paths, is_path);
}

static char *choose_interface(Input *input)
{
        static const char *const interfaces[] = {"org.guestbus.Toy",
                                                 "org.freedesktop.DBus.Properties",
                                                 "org.freedesktop.DBus.Introspectable",
                                                 "org.guestbus.Domain1",
                                                 "org.guestbus.Connection1",
                                                 "org.guestbus.Manager1",
                                                 "org.freedesktop.DBus.ObjectManager",
                                                 "org.freedesktop.DBus.FakeBus",
                                                 "org.guestbus.Network1",
                                                 NULL};

        return choose(input, interfaces, is_interface);
}

static char *choose_member(Input *input)
{
        static const char *const names[] = {"Bitmap",    "Child",  "Echo",         "Fail",
                                            "Files",     "Large",  "Manage",       "Object",
                                            "Params",    "Secure", "Silent",       "Wrong",
                                            "Get",       "GetAll", "Set",          "Introspect",
                                            "GetEvents", "Resync", "WaitForState", "GetManagedObjects",
                                            "Ping",      NULL};

        return choose(input, names, is_member);
}

static char *choose_signature(Input *input)
{
        static const char *const signatures[] = {
                "",    "s",        "ss", "ssv", "u", "v", "ab", "ah", "a{sv}", "ou", "sa{sv}(ixd)ayao",
                "stu", "asua{sv}", NULL};

        return choose(input, signatures, is_signature);
}

/* What the members that send back what they got are to send. */
static GVariant *find_echo(const WireHeader *header, const guint8 *body, size_t n)
{
        g_autoptr(sd_bus_message) message = NULL;

        if (g_strcmp0(header->member, "Echo") != 0 && g_strcmp0(header->member, "Child") != 0)
                return NULL;

        message = wire_receive(header->big, header->signature, body, n);
        return message ? read_body(message) : NULL;
}

static void call(Stage *stage, Input *input)
{
        guint8 sender = input_below(input, G_N_ELEMENTS(senders)), flags = input_byte(input);
        g_autofree char *path = choose_path(input), *interface = choose_interface(input);
        g_autofree char *member = choose_member(input), *signature = choose_signature(input);
        size_t n;
        const guint8 *body = input_block(input, &n);
        WireHeader header = {.big = flags >> 3 & 1,
                             .type = WIRE_CALL,
                             .flags = flags & 7,
                             .serial = FIRST_SERIAL + stage->sent->len,
                             .path = path,
                             .interface = interface,
                             .member = member,
                             .sender = senders[sender],
                             .destination = ":1.1",
                             .signature = signature};
        g_autoptr(GByteArray) bytes = NULL;
        Sent *sent;

        if (!path || !member || !signature)
                return;

        sent = g_new0(Sent, 1);
        sent->sender = sender;
        sent->wants_reply = !(flags & 1);
        sent->echo = find_echo(&header, body, n);
        g_ptr_array_add(stage->sent, sent);
        bytes = wire_message(&header, body, n);
        fake_bus_write(&stage->fake, bytes);
}

static void leave(Stage *stage, guint8 sender)
{
        sd_bus_message *message = NULL;

        sender %= G_N_ELEMENTS(senders);
        for (guint i = 0; i < stage->sent->len; i++) {
                Sent *sent = g_ptr_array_index(stage->sent, i);

                sent->left |= sent->sender == sender;
        }

        sd_bus_message_new_signal(stage->fake.us, &message, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                  "NameOwnerChanged");
        sd_bus_message_append(message, "sss", senders[sender], senders[sender], "");
        fake_bus_send_from(&stage->fake, FAKE_BUS_DRIVER, message);
}

/* Who the caller is, what it may do, an error, or something else altogether. */
static void answer(Stage *stage, Input *input)
{
        guint8 which = input_byte(input), what = input_byte(input);
        g_autoptr(sd_bus_message) question = NULL;
        sd_bus_message *reply = NULL;
        const char *asked;

        if (stage->questions->len == 0)
                return;

        question = g_ptr_array_steal_index(stage->questions, which % stage->questions->len);
        asked = sd_bus_message_is_method_call(question, FAKE_BUS_DRIVER, NULL) ? FAKE_BUS_DRIVER
                                                                               : FAKE_BUS_POLKIT;
        if (what & 0x80) {
                sd_bus_message_new_method_errorf(question, &reply,
                                                 what & 1 ? SD_BUS_ERROR_SERVICE_UNKNOWN : "a.b", "no");
                fake_bus_send_from(&stage->fake, what & 1 ? FAKE_BUS_DRIVER : asked, reply);
                return;
        }

        g_assert_cmpint(sd_bus_message_new_method_return(question, &reply), >=, 0);
        if (what & 0x40)
                sd_bus_message_append(reply, "as", 1, "neither");
        else if (sd_bus_message_is_method_call(question, NULL, "GetConnectionCredentials"))
                sd_bus_message_append(reply, "a{sv}", 2, "UnixUserID", "u", what & 3 ? 999U + (what & 3) : 0U,
                                      "UnixGroupIDs", "au", 1, 1000U);
        else
                sd_bus_message_append(reply, "(bba{ss})", what & 1, what >> 1 & 1, what >> 2 & 1,
                                      "polkit.temporary_authorization_id", "1");
        fake_bus_send_from(&stage->fake, asked, reply);
}

static void change(Stage *stage, guint8 what)
{
        static const char *const states[] = {"running", "paused", "shutoff", "crashed"};
        sd_bus_message *message = NULL;

        switch (what & 7) {
        case 0:
        case 1:
        case 2:
                toy_connection_show(stage->connection, what >> 3 & 3, states[what >> 5 & 3]);
                break;
        case 3:
                toy_connection_hide(stage->connection, what >> 3 & 3);
                break;
        case 4:
                stage->dispatcher.stopping = what >> 3 == 31;
                break;
        default:
                sd_bus_message_new_signal(stage->fake.us, &message, "/org/freedesktop/PolicyKit1/Authority",
                                          "org.freedesktop.PolicyKit1.Authority", "Changed");
                fake_bus_send_from(&stage->fake, FAKE_BUS_POLKIT, message);
        }
}

static void step(Stage *stage, Input *input)
{
        guint8 what = input_byte(input);

        switch (what & 7) {
        case 0:
        case 1:
        case 2:
                call(stage, input);
                break;
        case 3:
                toy_connection_run(stage->connection);
                break;
        case 4:
                leave(stage, what >> 3);
                break;
        case 5:
                change(stage, input_byte(input));
                break;
        default:
                answer(stage, input);
        }

        /* Or calls are many in one turn. */
        if (!(what & 0x80))
                fake_bus_settle(&stage->fake, on_message, stage);
}

static void stage_open(Stage *stage)
{
        static const BusOwner owner = {
                .call = on_call, .peer_gone = on_peer_gone, .name_lost = on_name_lost, .closed = on_closed};

        stage->sent = g_ptr_array_new_with_free_func(sent_free);
        stage->questions = g_ptr_array_new_with_free_func(unref_message);
        fake_bus_open(&stage->fake, &limits, &owner, stage);
        stage->connection = toy_connection_new(stage->fake.bus, &limits);
        stage->dispatcher.connections = g_hash_table_new(g_str_hash, g_str_equal);
        g_hash_table_insert(stage->dispatcher.connections, (void *)"Toy", stage->connection);
        stage->dispatcher.peers = peers_new(&limits);
        stage->dispatcher.bus = stage->fake.bus;
        stage->dispatcher.limits = &limits;
        stage->dispatcher.authority = authority_new(stage->fake.bus, stage->dispatcher.peers,
                                                    &dispatch_authority_owner, &stage->dispatcher);
        fake_bus_settle(&stage->fake, on_message, stage);
}

/* In the order of the service's own end. */
static void stage_close(Stage *stage)
{
        fake_bus_settle(&stage->fake, on_message, stage);
        stage->dispatcher.stopping = TRUE;
        authority_stop(stage->dispatcher.authority);
        toy_connection_free(stage->connection);
        fake_bus_settle(&stage->fake, on_message, stage);
        fake_bus_close_bus(&stage->fake, on_message, stage);
        authority_free(stage->dispatcher.authority);
        g_assert_cmpuint(peers_charged(stage->dispatcher.peers, QUOTA_CALLS), ==, 0);
        peers_free(stage->dispatcher.peers);
        g_hash_table_unref(stage->dispatcher.connections);
}

static void check(const Stage *stage)
{
        for (guint i = 0; i < stage->sent->len && !stage->gone; i++) {
                const Sent *sent = g_ptr_array_index(stage->sent, i);

                if (sent->wants_reply && !sent->left)
                        g_assert_cmpuint(sent->replies, ==, 1);
        }
}

static GLogWriterOutput no_log(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
        return level & G_LOG_LEVEL_CRITICAL ? G_LOG_WRITER_UNHANDLED : G_LOG_WRITER_HANDLED;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        static gboolean quiet;
        Input input = {data, size};
        Stage stage = {};

        if (!quiet) {
                g_log_set_writer_func(no_log, NULL, NULL);
                g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
        }
        quiet = TRUE;

        stage_open(&stage);
        while (input.left > 0 && !stage.gone)
                step(&stage, &input);

        stage_close(&stage);
        check(&stage);
        g_ptr_array_unref(stage.questions);
        g_ptr_array_unref(stage.sent);
        fake_bus_free(&stage.fake);
        return 0;
}
