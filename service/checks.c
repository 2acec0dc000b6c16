/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "checks.h"

#include "names.h"
#include "tell.h"

struct Checks {
        Mirror *mirror;
        Refresh *refresh;
        Stream *stream;
        GPtrArray *failed; /* of Check: those that could not be done */
};

/* A state that was told with doubt. */
typedef struct Check {
        Checks *checks;
        char *uuid, *path, *name;
        guint64 sequence; /* of the event */
} Check;

static void check_free(void *data)
{
        Check *check = data;

        g_free(check->uuid);
        g_free(check->path);
        g_free(check->name);
        g_free(check);
}

Checks *checks_new(Mirror *mirror, Refresh *refresh, Stream *stream)
{
        Checks *checks = g_new0(Checks, 1);

        checks->mirror = mirror;
        checks->refresh = refresh;
        checks->stream = stream;
        checks->failed = g_ptr_array_new_with_free_func(check_free);
        return checks;
}

void checks_free(Checks *checks)
{
        if (!checks)
                return;

        g_ptr_array_unref(checks->failed);
        g_free(checks);
}

static void tell_checked(const Checks *checks, const Check *check)
{
        const Item *item = mirror_find_uuid(checks->mirror, &kind_domain, check->uuid);
        GVariantBuilder details;

        g_variant_builder_init(&details, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&details, "{sv}", "of", g_variant_new_uint64(check->sequence));
        if (item) {
                g_variant_builder_add(&details, "{sv}", "state", item->values[DOMAIN1_STATE]);
                g_variant_builder_add(&details, "{sv}", "reason", item->values[DOMAIN1_STATE_REASON]);
                mirror_tell(item, tell_state(item), FALSE);
        } else {
                g_variant_builder_add(&details, "{sv}", "state", g_variant_new_string("gone"));
                g_variant_builder_add(&details, "{sv}", "reason", g_variant_new_string(""));
        }

        stream_add(checks->stream, &kind_domain, check->path, "state-checked", check->name,
                   g_variant_builder_end(&details), FALSE);
}

static void on_checked(gboolean told, void *data)
{
        Check *check = data;
        Checks *checks = check->checks;

        /* What could not be asked is left to the comparison at the end of the outage. */
        if (!told) {
                g_ptr_array_add(checks->failed, check);
                return;
        }

        tell_checked(checks, check);
        check_free(check);
}

void checks_begin(Checks *checks, const Event *event, guint64 sequence)
{
        Check *check = g_new0(Check, 1);

        check->checks = checks;
        check->uuid = g_strdup(event->uuid);
        check->path = g_strdup(event->path);
        check->name = g_strdup(event->name);
        check->sequence = sequence;
        refresh_wait(checks->refresh, &kind_domain, event->uuid, ASPECT_STATE, 0, on_checked, check);
}

void checks_finish(Checks *checks)
{
        for (guint i = 0; i < checks->failed->len; i++)
                tell_checked(checks, g_ptr_array_index(checks->failed, i));
        g_ptr_array_set_size(checks->failed, 0);
}
