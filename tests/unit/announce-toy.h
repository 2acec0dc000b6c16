/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

/* What tests of the announcer have around it. Nothing is asked, and nothing is sent: the test answers in
 * libvirt's place, and keeps what is told as words, with a * where it is not libvirt's own. The clock goes on
 * when the test says so. */

#include "members.h"
#include "mirror/announce.h"
#include "packed-read.h"
#include "virt/event_details.h"

#include <string.h>

#define UUID "00000000-1111-2222-3333-444444444444"
#define ONE  "/org/libvirt/Test/domain/_00000000_1111_2222_3333_444444444444"

/* Another domain. What is told of it has this before it. */
#define OTHER_UUID "55555555-1111-2222-3333-444444444444"
#define OTHER      "/org/libvirt/Test/domain/_55555555_1111_2222_3333_444444444444"
#define OF_OTHER   "other-"

static Mirror *mirror;
static Announcer *announcer;
static GString *told;
static guint64 rounds;   /* that are over */
static gboolean asking;  /* a round is under way */
static gboolean is_lost; /* the connection */
static gboolean may_be_stale;
static guint64 number;
static gint64 now = G_TIME_SPAN_HOUR;
static GSourceFunc timer; /* and when, with what */
static gint64 timer_at;
static gpointer timer_data;
static Aspects asked;
static unsigned times_asked, times_confirmed, times_compared, times_shown, times_disturbed, times_missed;
static Differences last_found;
static const char *other_name; /* the first one has "one" */

/* In the place of GLib's clock, and of its one timer here. */
gint64 g_get_monotonic_time(void)
{
        return now;
}

guint g_timeout_add(guint interval, GSourceFunc func, gpointer data)
{
        g_assert_null(timer);
        timer = func;
        timer_data = data;
        timer_at = now + interval * G_TIME_SPAN_MILLISECOND;
        return 1;
}

gboolean g_source_remove(guint tag)
{
        g_assert_cmpuint(tag, ==, 1);
        timer = NULL;
        return TRUE;
}

static inline void let_pass(gint64 time)
{
        const gint64 end = now + time;

        while (timer && timer_at <= end) {
                GSourceFunc func = timer;

                now = timer_at;
                timer = NULL;
                g_assert_false(func(timer_data));
        }

        now = end;
}

/* In the place of what asks libvirt. */
void sync_one(Sync *sync, const Kind *kind, const char *uuid, Aspects aspects, gboolean urgent)
{
        asked |= aspects;
        times_asked++;
}

void sync_confirm(Sync *sync, const char *uuid)
{
        times_confirmed++;
}

void sync_add_system(Sync *sync, const char *uuid)
{
}

guint64 sync_last_pass(const Sync *sync)
{
        return rounds + (asking ? 1 : 0);
}

guint64 sync_passes(const Sync *sync)
{
        return rounds;
}

/* In the place of those that listen. */
sd_bus_message *bus_new_signal(Bus *bus, const char *path, const char *interface, const char *name)
{
        return NULL;
}

int bus_send(Bus *bus, sd_bus_message *message, size_t size, int r)
{
        return 0;
}

void bus_signal(Bus *bus, const char *path, const char *interface, const char *name, GVariant *arguments)
{
        g_variant_unref(g_variant_ref_sink(arguments));
}

void state_waits_check(StateWaits *waits, const char *leaf)
{
}

void state_waits_disturb(StateWaits *waits, const char *leaf)
{
        times_disturbed++;
}

unsigned state_waits_size(const StateWaits *waits)
{
        return 0;
}

/* What a listener knows of the domain: whether it is there, and the state that was told last. */
static gboolean is_there, is_started;
static char last_state[16];

static inline const char *plain_state(const char *state)
{
        return strcmp(state, "shutoff") == 0 || strcmp(state, "paused") == 0 ? state : "running";
}

/* The grammar, as far as it is about one object. */
static inline void read_grammar(const char *word, const char *event, GVariant *details)
{
        const char *state = NULL;
        gboolean found =
                g_variant_lookup(details, strcmp(word, "lifecycle") == 0 ? "state" : "State", "&s", &state);

        g_assert_cmpint(is_there, ==, strcmp(word, "added") != 0);
        if (strcmp(word, "added") == 0) {
                is_there = TRUE;
                is_started = FALSE;
        } else if (strcmp(word, "removed") == 0) {
                is_there = FALSE;
                g_assert_cmpstr(last_state, ==, "shutoff");
        } else if (strcmp(word, "changed") == 0 && found) {
                g_assert_cmpstr(last_state, ==, plain_state(state));
        } else if (strcmp(event, "started") == 0) {
                g_assert_false(is_started);
                is_started = TRUE;
        } else if (strcmp(event, "stopped") == 0) {
                is_started = FALSE;
        }

        if (found)
                g_strlcpy(last_state, plain_state(state), sizeof last_state);
}

guint64 event_log_add(EventLog *event_log, const Kind *kind, const char *path, const char *word,
                      const char *name, PackedValue *details, gboolean synthetic)
{
        g_autoptr(GVariant) owned = packed_read(details);
        gboolean other = strcmp(path, OTHER) == 0;
        const char *event = word;

        g_variant_lookup(owned, "event", "&s", &event);
        if (!other)
                read_grammar(word, event, owned);
        g_string_append_printf(told, "%s%s%s%s", told->len > 0 ? " " : "", other ? OF_OTHER : "", event,
                               synthetic ? "*" : "");
        return ++number;
}

/* Nothing is stale at the end of a comparison. */
static inline void on_compared(ComparisonCause cause, const Differences *found, void *data)
{
        GHashTableIter iter;
        gpointer item;

        times_compared++;
        last_found = *found;
        mirror_iterate(mirror, &kind_domain, &iter);
        while (!is_lost && !may_be_stale && g_hash_table_iter_next(&iter, NULL, &item))
                g_assert_false(item_boolean(item, DOMAIN1_STALE));
}

static inline void on_missed(const Kind *kind, void *data)
{
        times_missed++;
}

static inline void on_shown(gboolean is_told, void *data)
{
        times_shown++;
}

static inline void set_up(void)
{
        static const AnnouncerOwner owner = {.compared = on_compared, .missed = on_missed};
        Emitter emitter = {};

        rounds = number = times_asked = times_compared = times_shown = times_disturbed = times_missed = 0;
        asking = is_lost = may_be_stale = is_there = is_started = FALSE;
        asked = 0;
        other_name = "two";
        told = g_string_new(NULL);
        emitter.mirror = mirror = mirror_new("/org/libvirt/Test");
        announcer = announcer_new(&emitter, &owner, NULL);
        announcer_opened(announcer);
}

static inline void tear_down(void)
{
        is_lost = TRUE;
        announcer_give_up(announcer);
        announcer_free(announcer);
        mirror_free(mirror);
        g_string_free(told, TRUE);
}

static inline void check_told(const char *words)
{
        g_assert_cmpstr(told->str, ==, words);
        g_string_truncate(told, 0);
}

static inline const Item *find(void)
{
        return mirror_find_uuid(mirror, &kind_domain, UUID);
}

static inline const char *shown_state(void)
{
        return item_string(find(), DOMAIN1_STATE);
}

static inline void begin_round(void)
{
        asking = TRUE;
}

static inline void end_round(void)
{
        asking = FALSE;
        rounds++;
        announcer_settle(announcer, rounds);
}

static inline void set(Answer *answer, unsigned slot, GVariant *value)
{
        answer->values[slot] = g_variant_ref_sink(value);
}

static inline void give(Answer *answer)
{
        announcer_answer(announcer, answer);
        for (size_t i = 0; i < G_N_ELEMENTS(answer->values); i++)
                g_clear_pointer(&answer->values[i], g_variant_unref);
}

/* libvirt says all that it has to say of a domain. */
static inline void answer_all(const char *state, const char *reason, guint32 id)
{
        Answer answer = {.kind = &kind_domain, .uuid = UUID, .present = TRUE};

        set(&answer, DOMAIN1_NAME, g_variant_new_string("one"));
        set(&answer, DOMAIN1_STATE, g_variant_new_string(state));
        set(&answer, DOMAIN1_STATE_REASON, g_variant_new_string(reason));
        set(&answer, DOMAIN1_ACTIVE, g_variant_new_boolean(id > 0));
        set(&answer, DOMAIN1_ID, g_variant_new_uint32(id));
        set(&answer, DOMAIN1_PERSISTENT, g_variant_new_boolean(TRUE));
        give(&answer);
}

/* It says that there is no such domain. */
static inline void answer_gone(void)
{
        Answer answer = {.kind = &kind_domain, .uuid = UUID};

        give(&answer);
}

/* It says its state alone. */
static inline void answer_state(const char *state)
{
        Answer answer = {.kind = &kind_domain, .uuid = UUID, .present = TRUE};

        set(&answer, DOMAIN1_STATE, g_variant_new_string(state));
        set(&answer, DOMAIN1_STATE_REASON, g_variant_new_string("user"));
        give(&answer);
}

/* It says its state, and what its handle says. */
static inline void answer_life(const char *state, guint32 id)
{
        Answer answer = {.kind = &kind_domain, .uuid = UUID, .present = TRUE};

        set(&answer, DOMAIN1_NAME, g_variant_new_string("one"));
        set(&answer, DOMAIN1_STATE, g_variant_new_string(state));
        set(&answer, DOMAIN1_STATE_REASON, g_variant_new_string("unknown"));
        set(&answer, DOMAIN1_ACTIVE, g_variant_new_boolean(id > 0));
        set(&answer, DOMAIN1_ID, g_variant_new_uint32(id));
        give(&answer);
}

static inline void round_all(const char *state, const char *reason, guint32 id)
{
        begin_round();
        answer_all(state, reason, id);
        end_round();
}

static inline void round_state(const char *state)
{
        begin_round();
        answer_state(state);
        end_round();
}

/* The other domain is defined, or gone. */
static inline void answer_other(gboolean present)
{
        Answer answer = {.kind = &kind_domain, .uuid = OTHER_UUID, .present = present};

        if (present) {
                set(&answer, DOMAIN1_NAME, g_variant_new_string(other_name));
                set(&answer, DOMAIN1_STATE, g_variant_new_string("shutoff"));
                set(&answer, DOMAIN1_STATE_REASON, g_variant_new_string("unknown"));
                set(&answer, DOMAIN1_ACTIVE, g_variant_new_boolean(FALSE));
                set(&answer, DOMAIN1_ID, g_variant_new_uint32(0));
                set(&answer, DOMAIN1_PERSISTENT, g_variant_new_boolean(TRUE));
        }
        give(&answer);
}

static inline void round_other(gboolean present)
{
        begin_round();
        answer_other(present);
        end_round();
}

/* libvirt says in a list of all that it is so, or with NULL that it is not there; nor is the other one. The
 * round has begun. TRUE when that is over. */
static inline gboolean take_comparison(ComparisonCause cause, const char *state, const char *reason,
                                       guint32 id)
{
        g_autoptr(GHashTable) leaves = g_hash_table_new(g_str_hash, g_str_equal);
        unsigned before = times_compared;

        announcer_begin_comparison(announcer, cause);
        if (state)
                g_hash_table_add(leaves, strrchr(ONE, '/') + 1);
        announcer_absent(announcer, &kind_domain, leaves);
        if (state)
                answer_all(state, reason, id);
        announcer_end_comparison(announcer);
        end_round();
        return times_compared > before;
}

static inline gboolean compare(ComparisonCause cause, const char *state, guint32 id)
{
        begin_round();
        return take_comparison(cause, state, "unknown", id);
}

static inline void happens_to(const char *path, const char *uuid, int event, int detail, guint32 id)
{
        g_autoptr(PackedValue) details = event_details_of_lifecycle(&kind_domain, event, detail, TRUE);
        const Event one = {.kind = &kind_domain,
                           .path = path,
                           .uuid = uuid,
                           .name = strcmp(path, OTHER) == 0 ? other_name : "one",
                           .word = "lifecycle",
                           .details = details,
                           .lifecycle = event,
                           .detail = detail,
                           .id = id,
                           .may_change = TRUE};

        announcer_event(announcer, &one);
}

static inline void happens(int event, int detail, guint32 id)
{
        happens_to(ONE, UUID, event, detail, id);
}

/* Something happens that is no lifecycle's, with which anything may have changed. */
static inline void happens_otherwise(void)
{
        g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new_parsed("@a{sv} {}"));
        g_autoptr(PackedValue) details = packed_value_new(nothing);
        const Event one = {.kind = &kind_domain,
                           .path = ONE,
                           .uuid = UUID,
                           .name = "one",
                           .word = "reboot",
                           .details = details,
                           .lifecycle = -1,
                           .may_change = TRUE};

        announcer_event(announcer, &one);
}

/* Until what waits has waited long enough. */
static inline void let_time_pass(void)
{
        let_pass(700 * G_TIME_SPAN_MILLISECOND);
}

static inline void begin_with(const char *state, guint32 id)
{
        set_up();
        g_assert_true(compare(COMPARISON_FIRST, state, id));
        g_string_truncate(told, 0);
        times_compared = 0;
}
