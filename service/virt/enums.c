/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words stand in the order of libvirt's values, from 0 on; NULL is a value that libvirt does not use.
 * Newer libraries than the one that this is built with have more values: those up to libvirt 12.8 are here,
 * and what comes after them is a number until it has a word. */

#include "virt/enums.h"

#include <libvirt/libvirt.h>
#include <string.h>

/* More than any of the enumerations has. */
#define WORDS_MAX 16

typedef const char *const Words[WORDS_MAX];

static const Words reasons[] = {
        [VIR_DOMAIN_NOSTATE] = {"unknown"},
        [VIR_DOMAIN_RUNNING] = {"unknown", "booted", "migrated", "restored", "from-snapshot", "unpaused",
                                "migration-canceled", "save-canceled", "event-wakeup", "crashed", "post-copy",
                                "post-copy-failed"},
        [VIR_DOMAIN_BLOCKED] = {"unknown"},
        [VIR_DOMAIN_PAUSED] = {"unknown", "user", "migrating", "saving", "dumping", "io-error", "watchdog",
                               "from-snapshot", "shutting-down", "creating-snapshot", "crashed",
                               "starting-up", "post-copy", "post-copy-failed", "api-error" /* 9.2 */},
        [VIR_DOMAIN_SHUTDOWN] = {"unknown", "user"},
        [VIR_DOMAIN_SHUTOFF] = {"unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed",
                                "from-snapshot", "daemon"},
        [VIR_DOMAIN_CRASHED] = {"unknown", "panicked"},
        [VIR_DOMAIN_PMSUSPENDED] = {"unknown"},
};

static const Words details[] = {
        [VIR_DOMAIN_EVENT_DEFINED] = {"added", "updated", "renamed", "snapshot"},
        [VIR_DOMAIN_EVENT_UNDEFINED] = {"removed", "renamed"},
        [VIR_DOMAIN_EVENT_STARTED] = {"booted", "migrated", "restored", "snapshot", "event-wakeup",
                                      "recreated" /* 11.6 */},
        [VIR_DOMAIN_EVENT_SUSPENDED] = {"paused", "migrated", "io-error", "watchdog", "restored", "snapshot",
                                        "api-error", "post-copy", "post-copy-error",
                                        "guest-shutdown" /* 11.10 */},
        [VIR_DOMAIN_EVENT_RESUMED] = {"unpaused", "migrated", "snapshot", "post-copy", "post-copy-error"},
        [VIR_DOMAIN_EVENT_STOPPED] = {"shutdown", "destroyed", "crashed", "migrated", "saved", "failed",
                                      "snapshot", "recreated" /* 11.6 */},
        [VIR_DOMAIN_EVENT_SHUTDOWN] = {"finished", "finished-after-guest-request",
                                       "finished-after-host-request"},
        [VIR_DOMAIN_EVENT_PMSUSPENDED] = {"memory", "disk"},
        [VIR_DOMAIN_EVENT_CRASHED] = {"panicked", "crashloaded"},
};

static const struct Enumeration {
        const char *name;
        Words words;
} enumerations[] = {
        /* By libvirt's own names: virsh's "idle", "in shutdown" and "shut off" are for people. */
        {"domain-state",
         {"nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"}},
        {"domain-event",
         {"defined", "undefined", "started", "suspended", "resumed", "stopped", "shutdown", "pmsuspended",
          "crashed"}},
        {"network-event", {"defined", "undefined", "started", "stopped"}},
        {"storage-pool-event", {"defined", "undefined", "started", "stopped", "created", "deleted"}},
        {"node-device-event", {"created", "deleted", "defined", "undefined"}},
        {"secret-event", {"defined", "undefined"}},
        {"watchdog-action", {"none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi"}},
        {"io-error-action", {"none", "pause", "report"}},
        {"graphics-phase", {"connect", "initialize", "disconnect"}},
        {"graphics-address", {"ipv4", "ipv6", "unix"}},
        {"block-job-type", {"unknown", "pull", "copy", "commit", "active-commit", "backup"}},
        {"block-job-status", {"completed", "failed", "canceled", "ready"}},
        {"disk-change-reason", {"changed", "dropped"}},
        {"tray-change-reason", {"opened", "closed"}},
        {"agent-state", {NULL, "connected", "disconnected"}},
        {"agent-reason", {"unknown", "domain-started", "channel-event"}},
        {"channel-state", {NULL, "connected", "disconnected"}},
        {"channel-reason", {"unknown", "domain-started", "channel-event"}},
        /* Of domains and of networks: they have the same values. */
        {"metadata-type", {"description", "title", "element"}},
        {"memory-failure-recipient", {"hypervisor", "guest"}},
        {"memory-failure-action", {"ignore", "inject", "fatal", "reset"}},
        {"connection-close-reason", {"error", "eof", "keepalive", "client"}},
};

static const char *find_word(const Words words, int value)
{
        return value >= 0 && value < WORDS_MAX ? words[value] : NULL;
}

/* NULL for an enumeration that is not there. */
static const Words *find_words(const char *enumeration)
{
        for (size_t i = 0; i < G_N_ELEMENTS(enumerations); i++)
                if (g_str_equal(enumerations[i].name, enumeration))
                        return &enumerations[i].words;

        return NULL;
}

const char *enum_word(const char *enumeration, int value)
{
        const Words *words = find_words(enumeration);

        return words ? find_word(*words, value) : NULL;
}

gboolean enum_is_word(const char *enumeration, const char *word)
{
        const Words *words = find_words(enumeration);

        for (unsigned i = 0; words && i < WORDS_MAX; i++)
                if ((*words)[i] && strcmp((*words)[i], word) == 0)
                        return TRUE;

        return g_ascii_string_to_signed(word, 10, G_MININT, G_MAXINT, NULL, NULL);
}

char *enum_words(const char *enumeration)
{
        GString *list = g_string_new(NULL);
        const Words *words = find_words(enumeration);

        for (unsigned i = 0; words && i < WORDS_MAX; i++)
                if ((*words)[i])
                        g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", (*words)[i]);

        return g_string_free(list, FALSE);
}

const char *enum_reason_word(int state, int reason)
{
        return state >= 0 && state < (int)G_N_ELEMENTS(reasons) ? find_word(reasons[state], reason) : NULL;
}

const char *enum_detail_word(int event, int detail)
{
        return event >= 0 && event < (int)G_N_ELEMENTS(details) ? find_word(details[event], detail) : NULL;
}

char *enum_text(const char *word, int value)
{
        return word ? g_strdup(word) : g_strdup_printf("%d", value);
}
