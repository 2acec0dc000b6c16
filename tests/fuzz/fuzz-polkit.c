/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A polkit that answers anything, in any order: each question is answered once, and nobody is let in whom
 * polkit did not let in.
 *
 * Input: steps; see step(). */

#include "access/polkit.h"
#include "bus/codec.h"
#include "fake-bus.h"
#include "fuzz.h"

#include <gio/gio.h>

#define NAME      "org.freedesktop.PolicyKit1"
#define PATH      "/org/freedesktop/PolicyKit1/Authority"
#define INTERFACE "org.freedesktop.PolicyKit1.Authority"

/* More than these are never open at once, or the bus would refuse questions. */
#define OPEN_MAX_ALL 112

static const Limits limits = {.reply_bytes = 1 << 20};

/* A question, and what came of it. */
typedef struct Asked {
        gboolean taken, authorized;
        unsigned answers;
        PolkitAnswer answer;
} Asked;

typedef struct Stage {
        FakeBus fake;
        Peers *peers;
        Polkit *polkit;
        gboolean gone;
        unsigned changes; /* that the service was told of */
        GPtrArray *asked; /* of Asked, by their numbers */
        GPtrArray *open;  /* of sd_bus_message: questions that are not answered yet */
} Stage;

static int on_call(sd_bus_message *message, void *data, sd_bus_error *error)
{
        return 0;
}

static void on_name(const char *name, void *data)
{
}

static void on_closed(void *data)
{
        ((Stage *)data)->gone = TRUE;
}

static void on_changed(void *data)
{
        ((Stage *)data)->changes++;
}

static void on_done(PolkitAnswer answer, void *data)
{
        Asked *asked = data;

        asked->answer = answer;
        asked->answers++;
}

/* What of the service's is a question is kept. */
static void on_message(sd_bus_message *message, void *data)
{
        Stage *stage = data;

        fake_bus_check_body(message);
        if (!sd_bus_message_is_method_call(message, INTERFACE, "CheckAuthorization"))
                return;

        g_ptr_array_add(stage->open, sd_bus_message_ref(message));
        g_assert_cmpuint(stage->open->len, <=, OPEN_MAX_ALL);
}

/* Which of the questions it is: its number goes along as the member's name. */
static Asked *asked_of(const Stage *stage, sd_bus_message *message)
{
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) body = NULL, details = NULL;
        const char *number;

        sd_bus_message_rewind(message, TRUE);
        body = codec_read(message, sd_bus_message_get_signature(message, TRUE), &fds, NULL);
        g_variant_ref_sink(body);
        details = g_variant_get_child_value(body, 2);
        g_assert_true(g_variant_lookup(details, "member", "&s", &number));
        return g_ptr_array_index(stage->asked, (guint)strtoul(number, NULL, 10));
}

static Peer *peer_of(Stage *stage, guint8 number, uid_t uid)
{
        static const char *const names[] = {":1.7", ":1.8", ":1.9", ":1.10"};
        Peer *peer = peers_get(stage->peers, names[number]);

        /* A bus may say another user each time. */
        peer_identify(peer, &(Credentials){.uid = uid});
        return peer;
}

static void ask(Stage *stage, guint8 what)
{
        g_autofree char *number = g_strdup_printf("%u", stage->asked->len);
        const PolkitQuestion question = {
                .peer = peer_of(stage, what & 3, 1000U + (what >> 2 & 3)),
                .action = what & 16 ? POLKIT_MANAGE : POLKIT_MONITOR,
                .connection = "Test",
                .domain = "a guest",
                .uuid = "",
                .member = number,
        };
        Asked *asked = g_new0(Asked, 1);

        g_ptr_array_add(stage->asked, asked);
        asked->taken = polkit_check(stage->polkit, &question, (what & 32) != 0, on_done, asked);
        g_assert_true(asked->taken || asked->answers == 0);
}

static sd_bus_message *good_reply(sd_bus_message *question, guint8 what)
{
        static const char *const keys[] = {"polkit.temporary_authorization_id",
                                           "polkit.retains_authorization_after_challenge", "polkit.dismissed",
                                           ""};
        sd_bus_message *reply = NULL;

        g_assert_cmpint(sd_bus_message_new_method_return(question, &reply), >=, 0);
        g_assert_cmpint(sd_bus_message_append(reply, "(bba{ss})", what & 1, what >> 1 & 1, what >> 2 & 1,
                                              keys[what >> 3 & 3], "1"),
                        >=, 0);
        return reply;
}

/* An error of the driver's or of polkit's. */
static void send_error(Stage *stage, sd_bus_message *question, Input *input)
{
        static const char *const names[] = {SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                            SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT,
                                            "org.freedesktop.PolicyKit1.Error.Failed"};
        const char *name = names[input_below(input, G_N_ELEMENTS(names))];
        gboolean polkits = g_str_has_prefix(name, NAME);
        const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(name, "no");
        sd_bus_message *reply = NULL;

        g_assert_cmpint(sd_bus_message_new_method_error(question, &reply, &error), >=, 0);
        fake_bus_send_from(&stage->fake, polkits ? FAKE_BUS_POLKIT : FAKE_BUS_DRIVER, reply);
}

/* A reply or an error of any body: its signature ended by 0, and a block. */
static void write_reply(Stage *stage, sd_bus_message *question, Asked *asked, guint8 what, Input *input)
{
        g_autofree char *signature = input_string(input);
        guint64 cookie = 0;
        size_t n;
        const guint8 *body = input_block(input, &n);
        WireHeader header = {.big = what & 1,
                             .type = what & 2 ? WIRE_ERROR : WIRE_REPLY,
                             .error = what & 2 ? "a.b" : NULL,
                             .serial = 1,
                             .sender = what & 4 ? FAKE_BUS_POLKIT : NULL,
                             .signature = *signature ? signature : NULL};
        g_autoptr(GByteArray) bytes = NULL;

        if (strlen(signature) > 255)
                return;

        sd_bus_message_get_cookie(question, &cookie);
        header.reply_serial = (guint32)cookie;
        /* polkit's own form, and its first boolean. */
        if ((what & 6) == 4 && g_str_has_prefix(signature, "(bba{ss})") && n >= 8)
                asked->authorized = body[0] || body[1] || body[2] || body[3];
        bytes = wire_message(&header, body, n);
        fake_bus_write(&stage->fake, bytes);
}

static void answer(Stage *stage, Input *input)
{
        guint8 which = input_byte(input), what = input_byte(input);
        g_autoptr(sd_bus_message) question = NULL;
        Asked *asked;

        if (stage->open->len == 0)
                return;

        question = g_ptr_array_steal_index(stage->open, which % stage->open->len);
        asked = asked_of(stage, question);
        switch (what >> 6) {
        case 0:
        case 1:
                /* Another's word is none. */
                asked->authorized = (what & 33) == 1;
                fake_bus_send_from(&stage->fake, what & 32 ? ":1.9" : FAKE_BUS_POLKIT,
                                   good_reply(question, what));
                break;
        case 2:
                send_error(stage, question, input);
                break;
        default:
                write_reply(stage, question, asked, what, input);
        }
}

/* What polkit, the driver or another client says of polkit; the last is not believed. */
static void emit_changed(Stage *stage, guint8 what)
{
        static const char *const owners[] = {FAKE_BUS_POLKIT, ":1.4", ""};
        gboolean forged = (what & 2) != 0;
        unsigned before = stage->changes;
        sd_bus_message *message = NULL;

        if (what & 1) {
                sd_bus_message_new_signal(stage->fake.us, &message, PATH, INTERFACE, "Changed");
                fake_bus_send_from(&stage->fake, forged ? ":1.9" : FAKE_BUS_POLKIT, message);
        } else {
                sd_bus_message_new_signal(stage->fake.us, &message, "/org/freedesktop/DBus", FAKE_BUS_DRIVER,
                                          "NameOwnerChanged");
                sd_bus_message_append(message, "sss", NAME, "", owners[(what >> 2) % G_N_ELEMENTS(owners)]);
                fake_bus_send_from(&stage->fake, forged ? ":1.9" : FAKE_BUS_DRIVER, message);
        }

        if (forged && !(what & 1)) {
                fake_bus_settle(&stage->fake, on_message, stage);
                g_assert_cmpuint(stage->changes, ==, before);
        }
}

static void step(Stage *stage, Input *input)
{
        guint8 what = input_byte(input), more = input_byte(input);

        switch (what & 7) {
        case 0:
        case 1:
        case 2:
                for (unsigned i = 0; i <= (what >> 3); i++)
                        ask(stage, more);
                break;
        case 3:
                polkit_forget(stage->polkit, peers_get(stage->peers, more & 1 ? ":1.7" : ":1.8"));
                break;
        case 4:
                emit_changed(stage, more);
                break;
        default:
                answer(stage, input);
        }

        fake_bus_settle(&stage->fake, on_message, stage);
}

static void check(const Stage *stage)
{
        for (guint i = 0; i < stage->asked->len; i++) {
                const Asked *asked = g_ptr_array_index(stage->asked, i);

                g_assert_cmpuint(asked->answers, ==, asked->taken ? 1 : 0);
                if (asked->taken && (asked->answer == POLKIT_YES || asked->answer == POLKIT_YES_ONCE))
                        g_assert_true(asked->authorized);
        }
}

static void unref_message(void *data)
{
        sd_bus_message_unref(data);
}

static GLogWriterOutput no_log(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer data)
{
        return G_LOG_WRITER_HANDLED;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
        static const BusOwner owner = {
                .call = on_call, .peer_gone = on_name, .name_lost = on_name, .closed = on_closed};
        static gboolean quiet;
        Input input = {data, size};
        Stage stage = {};

        if (!quiet)
                g_log_set_writer_func(no_log, NULL, NULL);
        quiet = TRUE;

        stage.asked = g_ptr_array_new_with_free_func(g_free);
        stage.open = g_ptr_array_new_with_free_func(unref_message);
        fake_bus_open(&stage.fake, &limits, &owner, &stage);
        stage.peers = peers_new(&limits);
        /* All users are known. */
        stage.peers->users.user_database = NULL;
        stage.polkit = polkit_new(stage.fake.bus, on_changed, &stage);
        fake_bus_settle(&stage.fake, on_message, &stage);
        while (input.left > 0 && !stage.gone)
                step(&stage, &input);

        fake_bus_close_bus(&stage.fake, on_message, &stage);
        polkit_free(stage.polkit);
        peers_free(stage.peers);
        check(&stage);
        g_ptr_array_unref(stage.open);
        g_ptr_array_unref(stage.asked);
        fake_bus_free(&stage.fake);
        return 0;
}
