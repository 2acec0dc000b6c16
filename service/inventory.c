/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Between libvirt's events and answers on one side, and the bus on the other.
 *
 * Events say what happened, answers what is; both may be lost with the connection. So the mirror also knows
 * which state was told last of each object, and a comparison tells what is missing: who only listens to
 * events of a lifecycle ends up where the mirror is. */

#include "inventory.h"

#include "checks.h"
#include "details.h"
#include "lately.h"
#include "logging.h"
#include "meaning.h"
#include "members.h"
#include "names.h"
#include "path.h"
#include "schedule.h"
#include "tell.h"
#include "text.h"

struct Inventory {
        InventoryConfig config;
        Mirror *mirror;
        Refresh *refresh;
        Stream *stream;
        Waits *waits;
        Own *own;
        Schedule *schedule;

        gboolean open, stopped;
        gboolean was_open;
        gboolean comparing; /* answers that are just applied are a comparison's, and not the first one's */
        Lately *lately;     /* what events told, and answers may not show yet */
        Checks *checks;
        Differences found; /* by the last comparison */
        gint64 opened_at;
        guint64 comparisons, differences, reconnects, resync_us;
};

typedef struct Comparison {
        Inventory *inventory;
        InventoryCompared *func;
        void *data;
} Comparison;

/* Whether this is the first comparison since the connection was opened: events of before will not come any
 * more. In other comparisons the event of what is found may be on its way. */
static gboolean is_after_outage(const Inventory *inventory)
{
        return inventory->opened_at > 0;
}

/* Whether a comparison comes upon what nobody told: what an event led to is not its find. */
static gboolean is_found(const Inventory *inventory, const char *uuid)
{
        return inventory->comparing && (is_after_outage(inventory) || !lately_knows(inventory->lately, uuid));
}

/* What the first list has is new, and no find. */
static void count(const Inventory *inventory, guint32 *number, gboolean found)
{
        if (found || !inventory->comparing)
                ++*number;
}

/* The mirror's changes */

static void on_added(const Item *item, void *data)
{
        Inventory *inventory = data;
        const char *uuid = item_string(item, kind_slots(item->kind)->uuid);
        int definition = lately_definition(inventory->lately, uuid);
        gboolean found = is_found(inventory, uuid);

        count(inventory, &inventory->found.added, found);
        tell_added(inventory->config.bus, inventory->stream, item, found);
        mirror_tell(item, lately_state(inventory->lately, uuid), FALSE);
        if (inventory->comparing && !refresh_is_due(inventory->refresh, item->kind, uuid))
                mirror_tell(item, tell_found(inventory->stream, item, definition != VIR_DOMAIN_EVENT_DEFINED),
                            FALSE);
        waits_check(inventory->waits, item->leaf);
}

static gboolean is_restarted(const Item *item, GVariant *const *before)
{
        return item->kind == &kind_domain && !item->start_told && item_boolean(item, DOMAIN1_ACTIVE) &&
               g_variant_get_boolean(before[DOMAIN1_ACTIVE]) &&
               !g_variant_equal(before[DOMAIN1_ID], item->values[DOMAIN1_ID]);
}

static void on_changed(const Item *item, GVariant *const *before, GVariant *changed, void *data)
{
        Inventory *inventory = data;
        const char *uuid = item_string(item, kind_slots(item->kind)->uuid);
        gboolean found = is_found(inventory, uuid);

        count(inventory, &inventory->found.changed, found);
        tell_changed(inventory->config.bus, inventory->stream, item, changed, found);
        if (inventory->comparing)
                tell_found_definition(inventory->stream, item, before,
                                      lately_definition(inventory->lately, uuid));
        if (inventory->comparing && is_restarted(item, before)) {
                tell_found_restart(inventory->stream, item);
                mirror_tell(item, "running", is_after_outage(inventory));
        }
        if (item->kind == &kind_domain)
                waits_check(inventory->waits, item->leaf);
}

static void on_removed(const Item *item, void *data)
{
        Inventory *inventory = data;
        const char *uuid = item_string(item, kind_slots(item->kind)->uuid);
        int definition = lately_definition(inventory->lately, uuid);
        gboolean found = is_found(inventory, uuid);

        count(inventory, &inventory->found.removed, found);
        if (inventory->comparing && !refresh_is_due(inventory->refresh, item->kind, uuid))
                tell_found_removed(inventory->stream, item, definition != VIR_DOMAIN_EVENT_UNDEFINED);
        tell_removed(inventory->config.bus, inventory->stream, item, found);
        if (item->kind == &kind_domain)
                waits_check(inventory->waits, item->leaf);
}

static const MirrorOwner mirror_owner = {.added = on_added, .changed = on_changed, .removed = on_removed};

/* Comparisons */

/* Tells of one object what events did not. */
static void reconcile_item(Inventory *inventory, const Item *item)
{
        const Slots *slots = kind_slots(item->kind);
        const char *uuid = item_string(item, slots->uuid);
        gboolean settled = refresh_is_settled(inventory->refresh, item->kind, uuid);
        const char *told, *now;

        /* Before the first comparison nobody was told anything, but by events. */
        if (!inventory->comparing) {
                if (settled || !item->told)
                        mirror_tell(item, tell_state(item), FALSE);
                return;
        }

        /* An event that came after the question has told something newer. */
        if (!settled)
                return;

        /* A start that was seen, but not told before the connection was lost, is not told any more. */
        if (is_after_outage(inventory) && item->start_seen && tell_is_active(item->told)) {
                tell_found_restart(inventory->stream, item);
                mirror_tell(item, "running", TRUE);
        }

        told = item->told;
        now = tell_found(inventory->stream, item, FALSE);
        mirror_tell(item, now,
                    is_after_outage(inventory) && item->start_seen && !tell_is_active(told) &&
                            tell_is_active(now));
}

static void reconcile(Inventory *inventory)
{
        for (size_t i = 0; mirrored_kinds[i]; i++) {
                GHashTableIter iter;
                gpointer item;

                mirror_iterate(inventory->mirror, mirrored_kinds[i], &iter);
                while (g_hash_table_iter_next(&iter, NULL, &item))
                        reconcile_item(inventory, item);
        }
}

static void tell_resynced(Inventory *inventory)
{
        const Member *signal = interface_find(&interface_connection1, MEMBER_SIGNAL, "Resynced");
        const Differences *found = &inventory->found;
        GVariantBuilder details;

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&details, "{sv}", "added", g_variant_new_uint32(found->added));
        g_variant_builder_add(&details, "{sv}", "changed", g_variant_new_uint32(found->changed));
        g_variant_builder_add(&details, "{sv}", "removed", g_variant_new_uint32(found->removed));
        stream_add(inventory->stream, &kind_connect, inventory->config.path, "resynced", "",
                   g_variant_builder_end(&details), FALSE);
        bus_emit(inventory->config.bus, inventory->config.path, &interface_connection1, signal,
                 g_variant_new("(stuuu)", inventory->config.epoch, stream_sequence(inventory->stream),
                               found->added, found->changed, found->removed));
}

static void on_applying(gboolean all, void *data)
{
        Inventory *inventory = data;

        inventory->found = (Differences){};
        inventory->comparing = all && refresh_is_filled(inventory->refresh);
}

static void end_comparison(Inventory *inventory)
{
        const Differences found = inventory->found;
        gboolean after_outage = is_after_outage(inventory);

        reconcile(inventory);
        waits_set_blind(inventory->waits, FALSE);
        inventory->found = found;
        checks_finish(inventory->checks);

        inventory->comparisons++;
        if (inventory->comparing)
                inventory->differences += found.added + found.changed + found.removed;
        if (after_outage)
                inventory->resync_us = (guint64)(g_get_monotonic_time() - inventory->opened_at);
        inventory->opened_at = 0;

        /* A client that asks for one comparison after the other must not push what happened out of the
         * stream. */
        if (after_outage || found.added + found.changed + found.removed > 0)
                tell_resynced(inventory);
}

static void on_applied(gboolean all, gboolean told, void *data)
{
        Inventory *inventory = data;

        if (all)
                end_comparison(inventory);
        inventory->comparing = FALSE;
        /* What nobody could be asked about is news still, over an outage, too. */
        if (told)
                lately_forget(inventory->lately, refresh_rounds(inventory->refresh));
}

static void on_listed(const Kind *kind, gboolean told, void *data)
{
        Inventory *inventory = data;
        /* That it can be asked again is no difference that it found. */
        const Differences found = inventory->found;

        mirror_set_stale(inventory->mirror, kind, !told);
        inventory->found = found;
}

static const RefreshOwner refresh_owner = {.applying = on_applying,
                                           .applied = on_applied,
                                           .listed = on_listed};

static void on_compared(gboolean told, void *data)
{
        Comparison *comparison = data;

        if (comparison->func)
                comparison->func(told ? &comparison->inventory->found : NULL, comparison->data);
        g_free(comparison);
}

void inventory_compare(Inventory *inventory, InventoryCompared *compared, void *data)
{
        Comparison *comparison = g_new0(Comparison, 1);

        comparison->inventory = inventory;
        comparison->func = compared;
        comparison->data = data;
        refresh_all(inventory->refresh, on_compared, comparison);
}

static void on_schedule(void *data)
{
        const Inventory *inventory = data;

        refresh_all(inventory->refresh, NULL, NULL);
}

/* Opened and lost */

void inventory_opened(Inventory *inventory, const char *driver, InventoryCompared *compared, void *data)
{
        inventory->open = TRUE;
        inventory->reconnects += inventory->was_open ? 1 : 0;
        schedule_begin(inventory->schedule, inventory->was_open);
        inventory->was_open = TRUE;
        inventory->opened_at = g_get_monotonic_time();

        stream_add(inventory->stream, &kind_connect, inventory->config.path, "opened", "",
                   g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0), FALSE);
        own_set_state(inventory->own, "connected", driver, "");
        inventory_compare(inventory, compared, data);
}

void inventory_lost(Inventory *inventory, int reason, const GError *error)
{
        const char *word = reason < 0 ? "unknown" : name_find("connection-close-reason", reason);
        GVariantBuilder details;

        inventory->open = FALSE;
        schedule_end(inventory->schedule);

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&details, "{sv}", "reason", g_variant_new_take_string(name_text(word, reason)));
        g_variant_builder_add(&details, "{sv}", "error", text_variant(error ? error->message : NULL));
        stream_add(inventory->stream, &kind_connect, inventory->config.path, "closed", "",
                   g_variant_builder_end(&details), FALSE);

        own_set_state(inventory->own, "disconnected", NULL, error ? error->message : "");
        refresh_forget(inventory->refresh);
        waits_set_blind(inventory->waits, TRUE);
        for (size_t i = 0; mirrored_kinds[i]; i++)
                mirror_set_stale(inventory->mirror, mirrored_kinds[i], TRUE);
}

void inventory_failed(Inventory *inventory, const GError *error)
{
        own_set_state(inventory->own, "disconnected", NULL, error ? error->message : "");
}

/* libvirt's events */

/* The number of the last round that began. */
static guint64 last_round(const Inventory *inventory)
{
        return refresh_rounds(inventory->refresh) + (refresh_is_busy(inventory->refresh) ? 1 : 0);
}

static void note_told(Inventory *inventory, const Event *event, const Item *item)
{
        const char *state = meaning_state(event);
        gboolean wakeup = event->kind == &kind_domain && event->detail == VIR_DOMAIN_EVENT_STARTED_WAKEUP;
        gboolean started = event->lifecycle == VIR_DOMAIN_EVENT_STARTED && !wakeup;

        lately_note(inventory->lately, event->uuid, last_round(inventory), state, event->lifecycle);
        if (!state || !item)
                return;

        mirror_tell(item, state, started);
        if (event->kind == &kind_domain && (started || event->lifecycle == VIR_DOMAIN_EVENT_STOPPED))
                waits_disturb(inventory->waits, item->leaf);
}

void inventory_event(Inventory *inventory, const Event *event)
{
        guint64 sequence = stream_add(inventory->stream, event->kind, event->path, event->word, event->name,
                                      event->details, FALSE);
        const Item *item;

        if (inventory->stopped || event->lifecycle < 0 || !kind_is_mirrored(event->kind))
                return;

        item = mirror_find_uuid(inventory->mirror, event->kind, event->uuid);
        note_told(inventory, event, item);
        /* Who waits for a state is told of one that does not last, too, where libvirt can be asked in time.
         */
        refresh_one(inventory->refresh, event->kind, event->uuid, meaning_aspects(event, item != NULL),
                    waits_size(inventory->waits) > 0);
        if (event->kind == &kind_domain && details_are_doubtful(event->lifecycle, event->detail))
                checks_begin(inventory->checks, event, sequence);
}

void inventory_wait(Inventory *inventory, const Kind *kind, const char *uuid, RefreshWait *done, void *data)
{
        lately_note(inventory->lately, uuid, last_round(inventory), NULL, -1);
        refresh_wait(inventory->refresh, kind, uuid, ASPECT_DEFINITION | ASPECT_FACTS,
                     inventory->config.limits->open_timeout * 1000, done, data);
}

gboolean inventory_is_settled(const Inventory *inventory, const Kind *kind, const char *uuid)
{
        return !inventory->open || refresh_is_settled(inventory->refresh, kind, uuid);
}

void inventory_settle(Inventory *inventory, RefreshWait *done, void *data)
{
        refresh_settle(inventory->refresh, done, data);
}

/* Life */

Inventory *inventory_new(const InventoryConfig *config)
{
        Inventory *inventory = g_new0(Inventory, 1);

        inventory->config = *config;
        inventory->mirror = mirror_new(config->path, &mirror_owner, inventory);
        inventory->refresh = refresh_new(config->link, inventory->mirror, &refresh_owner, inventory);
        inventory->stream = stream_new(config->bus, config->limits, config->epoch);
        inventory->waits = waits_new(inventory->mirror, config->finish, config->data);
        inventory->lately = lately_new();
        inventory->checks = checks_new(inventory->mirror, inventory->refresh, inventory->stream);
        inventory->schedule = schedule_new(config->limits->check_interval, on_schedule, inventory);
        inventory->own = own_new(config->bus, config->path, config->uri, config->epoch);
        return inventory;
}

void inventory_stop(Inventory *inventory)
{
        inventory->stopped = TRUE;
        inventory->open = FALSE;
        refresh_stop(inventory->refresh);
        schedule_end(inventory->schedule);
}

gboolean inventory_is_busy(const Inventory *inventory)
{
        return refresh_is_busy(inventory->refresh);
}

void inventory_free(Inventory *inventory)
{
        if (!inventory)
                return;

        waits_free(inventory->waits);
        refresh_free(inventory->refresh);
        mirror_free(inventory->mirror);
        stream_free(inventory->stream);
        lately_free(inventory->lately);
        checks_free(inventory->checks);
        own_free(inventory->own);
        schedule_free(inventory->schedule);
        g_free(inventory);
}

gboolean inventory_is_filled(const Inventory *inventory)
{
        return refresh_is_filled(inventory->refresh);
}

GVariant *inventory_facts(const Inventory *inventory, const char *uuid)
{
        const Item *item = mirror_find_uuid(inventory->mirror, &kind_domain, uuid);
        GVariantBuilder facts;

        if (!item || !item->scheduler || !inventory->open || item_boolean(item, DOMAIN1_STALE) ||
            !refresh_is_settled(inventory->refresh, &kind_domain, uuid))
                return NULL;

        g_variant_builder_init(&facts, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&facts, "{sv}", "Persistent", item->values[DOMAIN1_PERSISTENT]);
        g_variant_builder_add(&facts, "{sv}", "SchedulerType", item->scheduler);
        if (*item_string(item, DOMAIN1_OS_TYPE))
                g_variant_builder_add(&facts, "{sv}", "OSType", item->values[DOMAIN1_OS_TYPE]);
        return g_variant_ref_sink(g_variant_builder_end(&facts));
}

const Mirror *inventory_mirror(const Inventory *inventory)
{
        return inventory->mirror;
}

const Stream *inventory_stream(const Inventory *inventory)
{
        return inventory->stream;
}

Waits *inventory_waits(const Inventory *inventory)
{
        return inventory->waits;
}

const Own *inventory_own(const Inventory *inventory)
{
        return inventory->own;
}

void inventory_count(const Inventory *inventory, GVariantBuilder *counters)
{
        const struct {
                const char *name;
                guint64 value;
        } own[] = {
                {"refreshes", refresh_rounds(inventory->refresh)},
                {"refreshes.coalesced", refresh_coalesced(inventory->refresh)},
                {"comparisons", inventory->comparisons},
                {"comparisons.differences", inventory->differences},
                {"reconnects", inventory->reconnects},
                {"resync-us", inventory->resync_us},
                {"waits", waits_size(inventory->waits)},
        };

        stream_count(inventory->stream, counters);
        for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
                g_variant_builder_add(counters, "{st}", own[i].name, own[i].value);
}
