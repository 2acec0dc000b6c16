/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events in words. */

#include "virt/event_details.h"

#include "base/thread.h"
#include "virt/enums.h"

#include <libvirt/libvirt.h>

const char *event_details_implied_state(int event)
{
        switch (event) {
        case VIR_DOMAIN_EVENT_STARTED:
        case VIR_DOMAIN_EVENT_RESUMED:
                return "running";
        case VIR_DOMAIN_EVENT_SUSPENDED:
                return "paused";
        case VIR_DOMAIN_EVENT_STOPPED:
                return "shutoff";
        case VIR_DOMAIN_EVENT_SHUTDOWN:
                return "shutdown";
        case VIR_DOMAIN_EVENT_PMSUSPENDED:
                return "pmsuspended";
        case VIR_DOMAIN_EVENT_CRASHED:
                return "crashed";
        default:
                return NULL;
        }
}

/* The state and the reason with which libvirt's drivers send an event, by its number and detail. */
static const int implied[][4] = {
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_BOOTED},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_MIGRATED, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_MIGRATED},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_RESTORED, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_RESTORED},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_FROM_SNAPSHOT},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_WAKEUP, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_WAKEUP},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, VIR_DOMAIN_PAUSED,
         VIR_DOMAIN_PAUSED_USER},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, VIR_DOMAIN_PAUSED,
         VIR_DOMAIN_PAUSED_IOERROR},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, VIR_DOMAIN_PAUSED,
         VIR_DOMAIN_PAUSED_WATCHDOG},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT, VIR_DOMAIN_PAUSED,
         VIR_DOMAIN_PAUSED_FROM_SNAPSHOT},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_UNPAUSED},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_MIGRATED, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_MIGRATED},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_FROM_SNAPSHOT},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_POSTCOPY, VIR_DOMAIN_RUNNING,
         VIR_DOMAIN_RUNNING_POSTCOPY},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, VIR_DOMAIN_SHUTOFF,
         VIR_DOMAIN_SHUTOFF_SHUTDOWN},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, VIR_DOMAIN_SHUTOFF,
         VIR_DOMAIN_SHUTOFF_DESTROYED},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED, VIR_DOMAIN_SHUTOFF,
         VIR_DOMAIN_SHUTOFF_CRASHED},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, VIR_DOMAIN_SHUTOFF,
         VIR_DOMAIN_SHUTOFF_MIGRATED},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED, VIR_DOMAIN_SHUTOFF,
         VIR_DOMAIN_SHUTOFF_SAVED},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, VIR_DOMAIN_SHUTOFF,
         VIR_DOMAIN_SHUTOFF_FAILED},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT, VIR_DOMAIN_SHUTOFF,
         VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT},
        {VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED, VIR_DOMAIN_CRASHED,
         VIR_DOMAIN_CRASHED_PANICKED},
};

const char *event_details_implied_reason(int event, int detail)
{
        for (size_t i = 0; i < G_N_ELEMENTS(implied); i++)
                if (implied[i][0] == event && implied[i][1] == detail)
                        return enum_reason_word(implied[i][2], implied[i][3]);

        return NULL;
}

gboolean event_details_are_doubtful(int event, int detail)
{
        /* The source of a migration is suspended for its last phase, and runs on when that fails. */
        return event == VIR_DOMAIN_EVENT_SUSPENDED && (detail == VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED ||
                                                       detail == VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY ||
                                                       detail == VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED);
}

/* The kinds that have a lifecycle, and what its events are called. */
static const struct {
        const Kind *kind;
        const char *enumeration;
} lifecycles[] = {
        {&kind_domain, "domain-event"},
        {&kind_network, "network-event"},
        {&kind_storage_pool, "storage-pool-event"},
        {&kind_node_device, "node-device-event"},
        {&kind_secret, "secret-event"},
};

static size_t lifecycle_index(const Kind *kind)
{
        size_t i = 0;

        while (lifecycles[i].kind != kind)
                i++;

        return i;
}

static void add_word(Packer *details, const char *key, const char *word, int number)
{
        g_autofree char *text = word ? NULL : enum_text(NULL, number);
        g_autofree char *number_key = g_strconcat(key, "-number", NULL);

        packer_add_string(details, key, word ? word : text);
        packer_add_int32(details, number_key, number);
}

static void begin_lifecycle(Packer *details, const Kind *kind, int event)
{
        const char *state = kind == &kind_domain ? event_details_implied_state(event) : NULL;

        packer_begin(details);
        add_word(details, "event", enum_word(lifecycles[lifecycle_index(kind)].enumeration, event), event);
        if (state)
                packer_add_string(details, "state", state);
}

static PackedValue *make_lifecycle(const Kind *kind, int event, int detail, gboolean with_detail)
{
        gboolean is_domain = kind == &kind_domain;
        Packer details;

        begin_lifecycle(&details, kind, event);
        if (with_detail)
                add_word(&details, "detail", is_domain ? enum_detail_word(event, detail) : NULL, detail);
        if (is_domain && event_details_implied_state(event))
                packer_add_boolean(&details, "checked", !event_details_are_doubtful(event, detail));

        return packer_end(&details);
}

/* What is made of numbers below these, which are libvirt's with some to come, is made once. */
#define EVENTS_KEPT  12
#define DETAILS_KEPT 16

PackedValue *event_details_of_lifecycle(const Kind *kind, int event, int detail, gboolean with_detail)
{
        static PackedValue *kept[G_N_ELEMENTS(lifecycles)][2][EVENTS_KEPT][DETAILS_KEPT];
        PackedValue **place;

        ASSERT_MAIN();
        if (event < 0 || event >= EVENTS_KEPT || detail < 0 || detail >= DETAILS_KEPT)
                return make_lifecycle(kind, event, detail, with_detail);

        place = &kept[lifecycle_index(kind)][with_detail != FALSE][event][detail];
        if (!*place)
                *place = make_lifecycle(kind, event, detail, with_detail);
        return packed_value_ref(*place);
}

PackedValue *event_details_of_found(const Kind *kind, int event)
{
        Packer details;

        ASSERT_MAIN();
        begin_lifecycle(&details, kind, event);
        packer_add_boolean(&details, "synthetic", TRUE);
        return packer_end(&details);
}

/* org.libvirt wraps each value of a dictionary twice; here it is once. */
static void add_unwrapped(Packer *details, const char *key, GVariant *dictionary)
{
        GVariantIter iter;
        GVariant *value;
        const char *entry;

        packer_open(details, key);
        g_variant_iter_init(&iter, dictionary);
        while (g_variant_iter_loop(&iter, "{&sv}", &entry, &value)) {
                g_autoptr(GVariant) inner = g_variant_get_variant(value);

                packer_add(details, entry, inner);
        }
        packer_close(details);
}

PackedValue *event_details_of_arguments(const Member *signal, GVariant *arguments)
{
        Packer details;

        ASSERT_MAIN();
        packer_begin(&details);
        for (size_t i = 0; i < g_variant_n_children(arguments); i++) {
                const Argument *argument = &signal->arguments[i];
                g_autoptr(GVariant) value = g_variant_get_child_value(arguments, i);

                if (argument->names) {
                        int number = g_variant_get_int32(value);

                        add_word(&details, argument->name, enum_word(argument->names, number), number);
                } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
                        add_unwrapped(&details, argument->name, value);
                } else {
                        packer_add(&details, argument->name, value);
                }
        }

        return packer_end(&details);
}
