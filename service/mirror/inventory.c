/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a connection has, from its opening to its loss: when libvirt is asked, when everything is compared,
 * and what the connection itself has to tell. What is told of its objects is the announcer's. */

#include "mirror/inventory.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "bus/path.h"
#include "members.h"
#include "mirror/announce.h"
#include "mirror/comparison_schedule.h"
#include "mirror/emit.h"
#include "mirror/hearing.h"
#include "virt/enums.h"
#include "virt/event_loop.h"

#include <string.h>

struct Inventory {
        InventoryConfig config;
        Mirror *mirror;
        Sync *sync;
        EventLog *event_log;
        StateWaits *waits;
        ConnectionProperties *properties;
        ComparisonSchedule *schedule;
        Announcer *announcer;
        Hearing *hearing;

        gboolean open, stopped;
        gboolean was_open;
        gboolean resumed;      /* where the start before has ended */
        gboolean left_open;    /* at the end of that, and at the end of this one */
        gboolean compared;     /* once */
        gboolean polls;        /* the driver tells nothing of some objects */
        gboolean polling;      /* the next comparison is made for want of events: it is to find something */
        gboolean was_silent;   /* once since then, which was logged */
        gboolean after_outage; /* there was no comparison since the connection was opened */
        gboolean after_driver; /* the same, since a driver's own was, */
        guint64 driver_pass;   /* which passes from that number on are asked after, */
        gboolean ends_driver;  /* as that whose answers are taken now */
        Link *drivers[N_MIRRORED]; /* of the kinds that have a driver with a daemon of its own */
        gint64 opened_at;          /* monotonic */
        guint64 begun, over;       /* comparisons */
        Differences last_found;    /* by the last one that is over */
        GQueue callers;            /* of Comparing */
        guint64 comparisons_made, differences, polls_made, reconnects, renewals, resync_us;
};

/* A call that waits for the end of a comparison. */
typedef struct Comparing {
        Inventory *inventory;
        InventoryCompared *func;
        void *data;
        guint64 number; /* of the comparison; 0 until libvirt has answered */
} Comparing;

/* A call that has changed something, or a request that wants to see it. */
typedef struct Showing {
        Inventory *inventory;
        const Kind *kind;
        char uuid[VIR_UUID_STRING_BUFLEN];
        WaitFunc *done;
        void *data;
} Showing;

/* Comparisons */

/* With the epoch: a listener that did not see the service leave and return learns of it. */
static void begin_details(const Inventory *inventory, Packer *details)
{
        packer_begin(details);
        packer_add_string(details, "epoch", inventory->config.epoch->name);
}

/* An event of the connection; the details are the packer's. */
static void add_event(const Inventory *inventory, const char *word, Packer *packer)
{
        g_autoptr(PackedValue) details = packer_end(packer);

        event_log_add(inventory->event_log, &kind_connect, inventory->config.path, word, "", details, FALSE);
}

static void tell_resynced(Inventory *inventory, const Differences *found)
{
        const Member *signal = interface_find(&interface_connection1, MEMBER_SIGNAL, "Resynced");
        Packer details;

        begin_details(inventory, &details);
        packer_add_uint32(&details, "added", found->added);
        packer_add_uint32(&details, "changed", found->changed);
        packer_add_uint32(&details, "removed", found->removed);
        add_event(inventory, "resynced", &details);
        bus_emit(inventory->config.bus, inventory->config.path, &interface_connection1, signal,
                 g_variant_new("(stuuu)", inventory->config.epoch->name,
                               event_log_sequence(inventory->event_log), found->added, found->changed,
                               found->removed));
}

/* @found is NULL when libvirt could not be asked. */
static void finish_comparing(Comparing *comparing, const Differences *found)
{
        g_queue_remove(&comparing->inventory->callers, comparing);
        if (comparing->func)
                comparing->func(found, comparing->data);
        g_free(comparing);
}

/* Ends the calls that have waited for a comparison that is over. */
static void finish_callers(Inventory *inventory, const Differences *found)
{
        g_autoptr(GList) all = g_list_copy(inventory->callers.head);

        for (GList *each = all; each; each = each->next) {
                Comparing *comparing = each->data;

                if (comparing->number > 0 && comparing->number <= inventory->over)
                        finish_comparing(comparing, found);
        }
}

/* Where there are no events, that something was found says nothing of events that were lost. */
static void count_comparison(Inventory *inventory, ComparisonCause cause, guint32 differences)
{
        if (cause == COMPARISON_POLL) {
                inventory->polls_made++;
                return;
        }

        inventory->comparisons_made++;
        if (inventory->compared)
                inventory->differences += differences;
        inventory->compared = TRUE;
}

static void end_comparison(Inventory *inventory, ComparisonCause cause, const Differences *found)
{
        gboolean after_outage = cause == COMPARISON_FIRST || cause == COMPARISON_AFTER_OUTAGE;
        gboolean always = after_outage || cause == COMPARISON_AFTER_DRIVER;
        guint32 sum = found->added + found->changed + found->removed;

        state_waits_set_blind(inventory->waits, FALSE);
        count_comparison(inventory, cause, sum);
        if (after_outage)
                inventory->resync_us = (guint64)(g_get_monotonic_time() - inventory->opened_at);

        /* A client that asks for one comparison after the other must not push what happened out of the
         * stream. */
        if (always || (sum > 0 && cause != COMPARISON_POLL))
                tell_resynced(inventory, found);
}

/* What a comparison found is told, or libvirt is lost before that. */
static void on_announced(ComparisonCause cause, const Differences *found, void *data)
{
        Inventory *inventory = data;

        inventory->over++;
        inventory->last_found = *found;
        if (inventory->open)
                end_comparison(inventory, cause, found);
        finish_callers(inventory, inventory->open ? found : NULL);
}

static ComparisonCause next_cause(const Inventory *inventory)
{
        if (!sync_is_filled(inventory->sync) && !inventory->resumed)
                return COMPARISON_FIRST;
        if (inventory->after_outage)
                return COMPARISON_AFTER_OUTAGE;
        if (inventory->ends_driver)
                return COMPARISON_AFTER_DRIVER;

        return inventory->polling ? COMPARISON_POLL : COMPARISON_AGAIN;
}

/* What happened while a driver's own daemon was away no event tells, until everything was compared. */
static void set_after_driver(Inventory *inventory, gboolean after)
{
        inventory->after_driver = after;
        for (size_t i = 0; mirrored_kinds[i]; i++)
                if (inventory->drivers[i])
                        announcer_set_silent(inventory->announcer, mirrored_kinds[i], after);
}

static void on_applying(gboolean all, void *data)
{
        Inventory *inventory = data;

        if (!all)
                return;

        inventory->ends_driver =
                inventory->after_driver && sync_passes(inventory->sync) >= inventory->driver_pass;
        announcer_begin_comparison(inventory->announcer, next_cause(inventory));
        inventory->polling = FALSE;
}

static void on_absent(const Kind *kind, GHashTable *leaves, void *data)
{
        const Inventory *inventory = data;

        announcer_absent(inventory->announcer, kind, leaves);
}

static void on_answer(Answer *answer, void *data)
{
        const Inventory *inventory = data;

        announcer_answer(inventory->announcer, answer);
}

static void on_applied(gboolean all, gboolean told, void *data)
{
        Inventory *inventory = data;

        if (all) {
                inventory->after_outage = FALSE;
                if (inventory->ends_driver)
                        set_after_driver(inventory, FALSE);
                inventory->begun++;
                announcer_end_comparison(inventory->announcer);
        }
        /* What libvirt could not be asked about is news still, over an outage, too. */
        if (told)
                announcer_settle(inventory->announcer, sync_passes(inventory->sync));
}

static void on_stale(const Item *item, void *data)
{
        const Inventory *inventory = data;

        emit_slots(inventory->config.bus, inventory->event_log, item, 1u << kind_slots(item->kind)->stale,
                   FALSE);
}

static void on_listed(const Kind *kind, gboolean told, void *data)
{
        Inventory *inventory = data;

        mirror_set_stale(inventory->mirror, kind, !told, on_stale, inventory);
}

static void set_all_stale(Inventory *inventory)
{
        for (size_t i = 0; mirrored_kinds[i]; i++)
                mirror_set_stale(inventory->mirror, mirrored_kinds[i], TRUE, on_stale, inventory);
}

/* Events are heard, but what they do not tell is not known. When libvirt answers again, everything is
 * compared. */
static void on_silent(gboolean all, void *data)
{
        Inventory *inventory = data;

        if (!inventory->was_silent)
                g_warning("%s: libvirt has not answered for %u s", strrchr(inventory->config.path, '/') + 1,
                          inventory->config.limits->open_timeout);
        inventory->was_silent = TRUE;
        announcer_hold_comparisons(inventory->announcer);
        set_all_stale(inventory);
        if (!all)
                sync_all(inventory->sync, NULL, NULL);
}

static const SyncOwner sync_owner = {.applying = on_applying,
                                     .absent = on_absent,
                                     .answer = on_answer,
                                     .applied = on_applied,
                                     .listed = on_listed,
                                     .silent = on_silent};

/* libvirt has answered, or could not be asked. */
static void on_compared(gboolean told, void *data)
{
        Comparing *comparing = data;
        const Inventory *inventory = comparing->inventory;

        comparing->number = inventory->begun;
        if (!told || comparing->number <= inventory->over)
                finish_comparing(comparing, told ? &inventory->last_found : NULL);
}

void inventory_compare(Inventory *inventory, InventoryCompared *compared, void *data)
{
        Comparing *comparing = g_new0(Comparing, 1);

        ASSERT_MAIN();
        comparing->inventory = inventory;
        comparing->func = compared;
        comparing->data = data;
        inventory->polling = FALSE;
        g_queue_push_tail(&inventory->callers, comparing);
        sync_all(inventory->sync, on_compared, comparing);
}

static void on_schedule(void *data)
{
        Inventory *inventory = data;

        inventory->polling = FALSE;
        sync_all(inventory->sync, NULL, NULL);
}

/* A libvirt that answers slowly is not asked again before it has answered. */
static void on_poll(void *data)
{
        Inventory *inventory = data;

        if (sync_is_busy(inventory->sync) || announcer_is_comparing(inventory->announcer))
                return;

        inventory->polling = inventory->compared;
        sync_all(inventory->sync, NULL, NULL);
}

/* How changes of each kind are heard of, as the property Changes says it. */
static GVariant *make_changes(Inventory *inventory, const void *registered)
{
        GVariantBuilder changes;

        inventory->polls = FALSE;
        g_variant_builder_init(&changes, G_VARIANT_TYPE("a{ss}"));
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                gboolean told = inventory->drivers[i] || events_tell_of(registered, mirrored_kinds[i]);

                inventory->polls = inventory->polls || !told;
                announcer_set_silent(inventory->announcer, mirrored_kinds[i], !told);
                g_variant_builder_add(&changes, "{ss}", mirrored_kinds[i]->collection,
                                      told ? "events" : "polling");
        }

        return g_variant_builder_end(&changes);
}

/* Opened and lost */

void inventory_set_driver(Inventory *inventory, const Kind *kind, Link *link)
{
        ASSERT_MAIN();
        if (!kind_is_mirrored(kind))
                return;

        inventory->drivers[mirrored_index(kind)] = link;
        sync_list_over(inventory->sync, kind, link ? link : inventory->config.link);
}

void inventory_opened(Inventory *inventory, const char *driver, const void *registered)
{
        Packer details;

        ASSERT_MAIN();
        inventory->open = TRUE;
        inventory->reconnects += inventory->was_open ? 1 : 0;
        connection_properties_set_changes(inventory->properties, make_changes(inventory, registered));
        comparison_schedule_begin(inventory->schedule, inventory->was_open || inventory->resumed,
                                  inventory->polls);
        inventory->was_open = TRUE;
        inventory->opened_at = g_get_monotonic_time();
        inventory->after_outage = TRUE;
        inventory->was_silent = FALSE;

        begin_details(inventory, &details);
        add_event(inventory, "opened", &details);
        announcer_opened(inventory->announcer);
        connection_properties_set_state(inventory->properties, "connected", driver, "");
}

static void add_loss(Packer *details, int reason, const GError *error)
{
        const char *word = reason < 0 ? "unknown" : enum_word("connection-close-reason", reason);
        g_autofree char *text = enum_text(word, reason);
        g_autofree char *why = utf8_make_valid(error ? error->message : NULL);

        packer_add_string(details, "reason", text);
        packer_add_string(details, "error", why);
}

/* What was not heard until now is told as after an outage. */
void inventory_renewed(Inventory *inventory)
{
        ASSERT_MAIN();
        if (inventory->stopped)
                return;

        inventory->renewals++;
        inventory->opened_at = g_get_monotonic_time();
        inventory->after_outage = TRUE;
        sync_all(inventory->sync, NULL, NULL);
}

static void tell_closed(Inventory *inventory, int reason, const GError *error)
{
        Packer details;

        packer_begin(&details);
        add_loss(&details, reason, error);
        add_event(inventory, "closed", &details);
}

void inventory_lost(Inventory *inventory, int reason, const GError *error)
{
        ASSERT_MAIN();
        inventory->open = FALSE;
        set_after_driver(inventory, FALSE);
        comparison_schedule_end(inventory->schedule);
        hearing_forget(inventory->hearing);
        announcer_give_up(inventory->announcer);
        tell_closed(inventory, reason, error);
        connection_properties_set_state(inventory->properties, "disconnected", NULL,
                                        error ? error->message : "");
        sync_forget(inventory->sync);
        state_waits_set_blind(inventory->waits, TRUE);
        set_all_stale(inventory);
}

void inventory_failed(Inventory *inventory, const GError *error)
{
        ASSERT_MAIN();
        connection_properties_set_state(inventory->properties, "disconnected", NULL,
                                        error ? error->message : "");
}

/* The daemon of some kinds. The others go on. */

static void tell_driver(Inventory *inventory, const char *word, const Driver *driver, Packer *details)
{
        packer_add_string(details, "driver", driver->name);
        add_event(inventory, word, details);
}

void inventory_driver_lost(Inventory *inventory, const Driver *driver, int reason, const GError *error)
{
        Packer details;

        ASSERT_MAIN();
        packer_begin(&details);
        add_loss(&details, reason, error);
        tell_driver(inventory, "driver-closed", driver, &details);
        if (!kind_is_mirrored(driver->kind))
                return;

        sync_forget_list(inventory->sync, driver->kind);
        mirror_set_stale(inventory->mirror, driver->kind, TRUE, on_stale, inventory);
}

void inventory_driver_failed(Inventory *inventory, const Driver *driver)
{
        ASSERT_MAIN();
        if (kind_is_mirrored(driver->kind))
                sync_forget_list(inventory->sync, driver->kind);
}

void inventory_driver_opened(Inventory *inventory, const Driver *driver)
{
        Packer details;

        ASSERT_MAIN();
        begin_details(inventory, &details);
        tell_driver(inventory, "driver-opened", driver, &details);
        set_after_driver(inventory, TRUE);
        inventory->driver_pass = sync_last_pass(inventory->sync);
        inventory_compare(inventory, NULL, NULL);
}

/* libvirt's events, and what calls change */

void inventory_event(Inventory *inventory, const Event *event)
{
        ASSERT_MAIN();
        /* At the end there is nothing more that could be asked, and the numbers of another start follow. */
        if (inventory->stopped)
                return;

        if (!kind_is_mirrored(event->kind)) {
                event_log_add(inventory->event_log, event->kind, event->path, event->word, event->name,
                              event->details, FALSE);
                return;
        }

        if (hearing_heard(inventory->hearing, event->kind))
                comparison_schedule_set_polls(inventory->schedule, inventory->polls);
        announcer_event(inventory->announcer, event);
}

static void on_missed(const Kind *kind, void *data)
{
        const Inventory *inventory = data;

        if (inventory->open)
                hearing_missed(inventory->hearing, kind);
}

static const AnnouncerOwner announcer_owner = {.compared = on_announced, .missed = on_missed};

/* Until an event is heard again, changes are looked for as where a driver has no events: other listeners may
 * keep libvirt's queue as it is. */
static void on_deaf(const Kind *kind, void *data)
{
        const Inventory *inventory = data;
        Link *driver = inventory->drivers[mirrored_index(kind)];

        g_warning("%s: libvirt has changed a %s and told nothing of it: its events are registered for anew",
                  strrchr(inventory->config.path, '/') + 1, kind->collection);
        comparison_schedule_set_polls(inventory->schedule, TRUE);
        link_renew(driver ? driver : inventory->config.link);
}

static Showing *showing_new(Inventory *inventory, const Kind *kind, const char *uuid, WaitFunc *done,
                            void *data)
{
        Showing *showing = g_new0(Showing, 1);

        showing->inventory = inventory;
        showing->kind = kind;
        g_strlcpy(showing->uuid, uuid, sizeof showing->uuid);
        showing->done = done;
        showing->data = data;
        return showing;
}

static void on_shown(gboolean told, void *data)
{
        g_autofree Showing *showing = data;

        showing->done(told, showing->data);
}

/* libvirt has answered; but what it said may wait for libvirt's own word. */
static void on_asked(gboolean told, void *data)
{
        Showing *showing = data;

        if (!told ||
            !announcer_wait(showing->inventory->announcer, showing->kind, showing->uuid, on_shown, showing))
                on_shown(told, showing);
}

void inventory_wait(Inventory *inventory, const Kind *kind, const char *uuid, Changes changes, WaitFunc *done,
                    void *data)
{
        static const Aspects aspects[] = {
                [CHANGES_STATE] = ASPECT_STATE,
                [CHANGES_LIFE] = ASPECT_LIFE,
                [CHANGES_ANYTHING] = ASPECT_DEFINITION,
        };

        ASSERT_MAIN();
        /* The event that the call has caused is likely to be here: one question is for both. */
        event_loop_catch_up();
        announcer_touch(inventory->announcer, kind, uuid);
        sync_wait(inventory->sync, kind, uuid, aspects[changes],
                  inventory->config.limits->open_timeout * 1000, on_asked,
                  showing_new(inventory, kind, uuid, done, data));
}

void inventory_ask(Inventory *inventory, const Kind *kind, const char *uuid)
{
        ASSERT_MAIN();
        if (inventory->open && mirror_find_uuid(inventory->mirror, kind, uuid))
                sync_one(inventory->sync, kind, uuid, ASPECT_LIFE, FALSE);
}

gboolean inventory_is_settled(const Inventory *inventory, const Kind *kind, const char *uuid)
{
        ASSERT_MAIN();
        return !inventory->open || (sync_is_settled(inventory->sync, kind, uuid) &&
                                    announcer_is_settled(inventory->announcer, kind, uuid));
}

void inventory_settle(Inventory *inventory, const Kind *kind, const char *uuid, WaitFunc *done, void *data)
{
        ASSERT_MAIN();
        sync_settle(inventory->sync, on_asked, showing_new(inventory, kind, uuid, done, data));
}

/* Life */

static Announcer *make_announcer(Inventory *inventory)
{
        const Emitter emitter = {
                .bus = inventory->config.bus,
                .mirror = inventory->mirror,
                .sync = inventory->sync,
                .event_log = inventory->event_log,
                .waits = inventory->waits,
        };

        return announcer_new(&emitter, &announcer_owner, inventory);
}

Inventory *inventory_new(const InventoryConfig *config)
{
        Inventory *inventory = g_new0(Inventory, 1);

        ASSERT_MAIN();
        inventory->config = *config;
        inventory->mirror = mirror_new(config->path);
        inventory->sync = sync_new(config->link, inventory->mirror, config->limits->open_timeout * 1000,
                                   &sync_owner, inventory);
        inventory->event_log = event_log_new(config->bus, config->limits, config->epoch);
        inventory->waits = state_waits_new(inventory->mirror, config->finish, config->data);
        inventory->announcer = make_announcer(inventory);
        inventory->hearing = hearing_new(on_deaf, inventory);
        inventory->schedule = comparison_schedule_new(config->limits->check_interval, on_schedule,
                                                      config->limits->poll_interval, on_poll, inventory);
        inventory->properties =
                connection_properties_new(config->bus, config->path, config->uri, config->epoch->name);
        return inventory;
}

GVariant *inventory_save(const Inventory *inventory)
{
        GVariant *events;

        ASSERT_MAIN();
        ASSERT(inventory->stopped);
        events = inventory_is_known(inventory) ? event_log_save(inventory->event_log) : NULL;
        return events ? g_variant_new("(b@" EVENT_LOG_SAVED "@" SAVED_OBJECTS ")", inventory->left_open,
                                      events, saved_objects(inventory->mirror))
                      : NULL;
}

gboolean inventory_restore(Inventory *inventory, GVariant *saved)
{
        g_autoptr(GVariant) events = g_variant_get_child_value(saved, 1);
        g_autoptr(GVariant) objects = g_variant_get_child_value(saved, 2);

        ASSERT_MAIN();
        ASSERT(!inventory->open && !inventory->was_open);
        if (!event_log_restore(inventory->event_log, events))
                return FALSE;

        saved_restore(objects, inventory->mirror);
        announcer_resume(inventory->announcer);
        g_variant_get_child(saved, 0, "b", &inventory->left_open);
        inventory->resumed = TRUE;
        return TRUE;
}

void inventory_resume(Inventory *inventory)
{
        ASSERT_MAIN();
        if (!inventory->resumed)
                return;

        if (inventory->left_open)
                tell_closed(inventory, VIR_CONNECT_CLOSE_REASON_CLIENT, NULL);
        set_all_stale(inventory);
}

void inventory_stop(Inventory *inventory)
{
        ASSERT_MAIN();
        inventory->stopped = TRUE;
        inventory->left_open = inventory->open;
        inventory->open = FALSE;
        sync_stop(inventory->sync);
        comparison_schedule_end(inventory->schedule);
        hearing_forget(inventory->hearing);
        announcer_give_up(inventory->announcer);
}

gboolean inventory_is_busy(const Inventory *inventory)
{
        ASSERT_MAIN();
        return sync_is_busy(inventory->sync);
}

void inventory_free(Inventory *inventory)
{
        ASSERT_MAIN();
        if (!inventory)
                return;

        announcer_free(inventory->announcer);
        hearing_free(inventory->hearing);
        state_waits_free(inventory->waits);
        sync_free(inventory->sync);
        mirror_free(inventory->mirror);
        event_log_free(inventory->event_log);
        connection_properties_free(inventory->properties);
        comparison_schedule_free(inventory->schedule);
        g_free(inventory);
}

void inventory_flush(Inventory *inventory)
{
        ASSERT_MAIN();
        announcer_flush(inventory->announcer);
        sync_want_systems(inventory->sync);
}

gboolean inventory_is_filled(const Inventory *inventory)
{
        ASSERT_MAIN();
        return inventory->compared;
}

gboolean inventory_is_known(const Inventory *inventory)
{
        ASSERT_MAIN();
        return inventory->compared || inventory->resumed;
}

/* Of a domain, what no list tells */

GVariant *inventory_known(const Inventory *inventory, const char *uuid, guint64 *version)
{
        const Item *item = mirror_find_uuid(inventory->mirror, &kind_domain, uuid);
        GVariantBuilder known;

        ASSERT_MAIN();
        if (!item || !inventory->open || item_boolean(item, DOMAIN1_STALE) ||
            !inventory_is_settled(inventory, &kind_domain, uuid))
                return NULL;

        *version = item->version;
        if (!item->scheduler)
                return NULL;

        g_variant_builder_init(&known, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&known, "{sv}", "Persistent", item->values[DOMAIN1_PERSISTENT]);
        g_variant_builder_add(&known, "{sv}", "SchedulerType", item->scheduler);
        if (*item_string(item, DOMAIN1_OS_TYPE))
                g_variant_builder_add(&known, "{sv}", "OSType", item->values[DOMAIN1_OS_TYPE]);
        return g_variant_ref_sink(g_variant_builder_end(&known));
}

/* A property as a GetAll of org.libvirt.Domain has it, owned; or NULL. */
static GVariant *property_of(GVariant *properties, const char *name)
{
        g_autoptr(GVariant) wrapped = g_variant_lookup_value(properties, name, G_VARIANT_TYPE_VARIANT);

        return wrapped ? g_variant_get_variant(wrapped) : NULL;
}

void inventory_remember(Inventory *inventory, const char *uuid, guint64 version, GVariant *properties)
{
        const Item *item = mirror_find_uuid(inventory->mirror, &kind_domain, uuid);
        g_autoptr(GVariant) type = property_of(properties, "OSType");
        g_autoptr(GVariant) scheduler = property_of(properties, "SchedulerType");
        /* libvirt was asked for this after the others: it has answered those, if not with a value. */
        g_autoptr(GVariant) last = property_of(properties, "Updated");

        ASSERT_MAIN();
        if (!item || item->version != version || !inventory->open || !type || !last)
                return;

        announcer_system(inventory->announcer, item, type);
        mirror_set_scheduler(inventory->mirror, uuid, version,
                             scheduler ? scheduler : g_variant_new_tuple(NULL, 0));
}

void inventory_want_systems(Inventory *inventory)
{
        ASSERT_MAIN();
        sync_want_systems(inventory->sync);
}

const Mirror *inventory_mirror(const Inventory *inventory)
{
        ASSERT_MAIN();
        return inventory->mirror;
}

const EventLog *inventory_stream(const Inventory *inventory)
{
        ASSERT_MAIN();
        return inventory->event_log;
}

StateWaits *inventory_waits(const Inventory *inventory)
{
        ASSERT_MAIN();
        return inventory->waits;
}

const ConnectionProperties *inventory_own(const Inventory *inventory)
{
        ASSERT_MAIN();
        return inventory->properties;
}

void inventory_count(const Inventory *inventory, GVariantBuilder *counters)
{
        const struct {
                const char *name;
                guint64 value;
        } properties[] = {
                {"refreshes", sync_passes(inventory->sync)},
                {"refreshes.coalesced", sync_coalesced(inventory->sync)},
                {"comparisons", inventory->comparisons_made},
                {"comparisons.differences", inventory->differences},
                {"polls", inventory->polls_made},
                {"reconnects", inventory->reconnects},
                {"renewals", inventory->renewals},
                {"resync-us", inventory->resync_us},
                {"waits", state_waits_size(inventory->waits)},
        };

        ASSERT_MAIN();
        event_log_count(inventory->event_log, counters);
        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++)
                g_variant_builder_add(counters, "{st}", properties[i].name, properties[i].value);
}
