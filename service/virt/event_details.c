/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events in words. */

#include "virt/event_details.h"

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

static const char *event_enumeration(const Kind *kind)
{
        return kind == &kind_domain         ? "domain-event"
               : kind == &kind_network      ? "network-event"
               : kind == &kind_storage_pool ? "storage-pool-event"
               : kind == &kind_node_device  ? "node-device-event"
                                            : "secret-event";
}

void event_details_add(GVariantBuilder *details, const char *key, GVariant *value)
{
        g_variant_builder_add_value(details, g_variant_new_dict_entry(g_variant_new_string(key),
                                                                      g_variant_new_variant(value)));
}

static void add_word(GVariantBuilder *details, const char *key, const char *word, int number)
{
        g_autofree char *number_key = g_strconcat(key, "-number", NULL);

        event_details_add(details, key, g_variant_new_take_string(enum_text(word, number)));
        event_details_add(details, number_key, g_variant_new_int32(number));
}

static void begin_lifecycle(GVariantBuilder *details, const Kind *kind, int event)
{
        const char *state = kind == &kind_domain ? event_details_implied_state(event) : NULL;

        g_variant_builder_init(details, G_VARIANT_TYPE_VARDICT);
        add_word(details, "event", enum_word(event_enumeration(kind), event), event);
        if (state)
                event_details_add(details, "state", g_variant_new_string(state));
}

GVariant *event_details_of_lifecycle(const Kind *kind, int event, int detail, gboolean with_detail)
{
        gboolean is_domain = kind == &kind_domain;
        GVariantBuilder details;

        begin_lifecycle(&details, kind, event);
        if (with_detail)
                add_word(&details, "detail", is_domain ? enum_detail_word(event, detail) : NULL, detail);
        if (is_domain && event_details_implied_state(event))
                event_details_add(&details, "checked",
                                  g_variant_new_boolean(!event_details_are_doubtful(event, detail)));

        return g_variant_builder_end(&details);
}

GVariant *event_details_of_found(const Kind *kind, int event)
{
        GVariantBuilder details;

        begin_lifecycle(&details, kind, event);
        event_details_add(&details, "synthetic", g_variant_new_boolean(TRUE));
        return g_variant_builder_end(&details);
}

/* org.libvirt wraps each value of a dictionary twice; here it is once. */
static GVariant *unwrap(GVariant *dictionary)
{
        GVariantBuilder builder;
        GVariantIter iter;
        GVariant *value;
        const char *key;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        g_variant_iter_init(&iter, dictionary);
        while (g_variant_iter_loop(&iter, "{&sv}", &key, &value)) {
                g_autoptr(GVariant) inner = g_variant_get_variant(value);

                event_details_add(&builder, key, inner);
        }

        return g_variant_builder_end(&builder);
}

GVariant *event_details_of_arguments(const Member *signal, GVariant *arguments)
{
        GVariantBuilder details;

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        for (size_t i = 0; i < g_variant_n_children(arguments); i++) {
                const Argument *argument = &signal->arguments[i];
                g_autoptr(GVariant) value = g_variant_get_child_value(arguments, i);

                if (argument->names) {
                        int number = g_variant_get_int32(value);

                        add_word(&details, argument->name, enum_word(argument->names, number), number);
                } else if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
                        event_details_add(&details, argument->name, unwrap(value));
                } else {
                        event_details_add(&details, argument->name, value);
                }
        }

        return g_variant_builder_end(&details);
}
