/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words: each value of libvirt's by its constant, and all values that the header knows, up to each _LAST.
 * A header with a value that has no word fails here, and says which; see support/header.h for later ones. */

#define VIR_ENUM_SENTINELS

#include "virt/enums.h"

#include "header.h"
#include "virt/kind.h"

#include <libvirt/libvirt.h>
#include <string.h>

static const struct {
        const char *enumeration;
        int value;
        const char *word;
} values[] = {
        {"domain-state", VIR_DOMAIN_NOSTATE, "nostate"},
        {"domain-state", VIR_DOMAIN_RUNNING, "running"},
        {"domain-state", VIR_DOMAIN_BLOCKED, "blocked"},
        {"domain-state", VIR_DOMAIN_PAUSED, "paused"},
        {"domain-state", VIR_DOMAIN_SHUTDOWN, "shutdown"},
        {"domain-state", VIR_DOMAIN_SHUTOFF, "shutoff"},
        {"domain-state", VIR_DOMAIN_CRASHED, "crashed"},
        {"domain-state", VIR_DOMAIN_PMSUSPENDED, "pmsuspended"},
        {"domain-event", VIR_DOMAIN_EVENT_DEFINED, "defined"},
        {"domain-event", VIR_DOMAIN_EVENT_UNDEFINED, "undefined"},
        {"domain-event", VIR_DOMAIN_EVENT_STARTED, "started"},
        {"domain-event", VIR_DOMAIN_EVENT_SUSPENDED, "suspended"},
        {"domain-event", VIR_DOMAIN_EVENT_RESUMED, "resumed"},
        {"domain-event", VIR_DOMAIN_EVENT_STOPPED, "stopped"},
        {"domain-event", VIR_DOMAIN_EVENT_SHUTDOWN, "shutdown"},
        {"domain-event", VIR_DOMAIN_EVENT_PMSUSPENDED, "pmsuspended"},
        {"domain-event", VIR_DOMAIN_EVENT_CRASHED, "crashed"},
        {"network-event", VIR_NETWORK_EVENT_DEFINED, "defined"},
        {"network-event", VIR_NETWORK_EVENT_UNDEFINED, "undefined"},
        {"network-event", VIR_NETWORK_EVENT_STARTED, "started"},
        {"network-event", VIR_NETWORK_EVENT_STOPPED, "stopped"},
        {"storage-pool-event", VIR_STORAGE_POOL_EVENT_DEFINED, "defined"},
        {"storage-pool-event", VIR_STORAGE_POOL_EVENT_UNDEFINED, "undefined"},
        {"storage-pool-event", VIR_STORAGE_POOL_EVENT_STARTED, "started"},
        {"storage-pool-event", VIR_STORAGE_POOL_EVENT_STOPPED, "stopped"},
        {"storage-pool-event", VIR_STORAGE_POOL_EVENT_CREATED, "created"},
        {"storage-pool-event", VIR_STORAGE_POOL_EVENT_DELETED, "deleted"},
        {"node-device-event", VIR_NODE_DEVICE_EVENT_CREATED, "created"},
        {"node-device-event", VIR_NODE_DEVICE_EVENT_DELETED, "deleted"},
        {"node-device-event", VIR_NODE_DEVICE_EVENT_DEFINED, "defined"},
        {"node-device-event", VIR_NODE_DEVICE_EVENT_UNDEFINED, "undefined"},
        {"secret-event", VIR_SECRET_EVENT_DEFINED, "defined"},
        {"secret-event", VIR_SECRET_EVENT_UNDEFINED, "undefined"},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_NONE, "none"},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_PAUSE, "pause"},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_RESET, "reset"},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_POWEROFF, "poweroff"},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_SHUTDOWN, "shutdown"},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_DEBUG, "debug"},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_INJECTNMI, "inject-nmi"},
        {"io-error-action", VIR_DOMAIN_EVENT_IO_ERROR_NONE, "none"},
        {"io-error-action", VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, "pause"},
        {"io-error-action", VIR_DOMAIN_EVENT_IO_ERROR_REPORT, "report"},
        {"graphics-phase", VIR_DOMAIN_EVENT_GRAPHICS_CONNECT, "connect"},
        {"graphics-phase", VIR_DOMAIN_EVENT_GRAPHICS_INITIALIZE, "initialize"},
        {"graphics-phase", VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT, "disconnect"},
        {"graphics-address", VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV4, "ipv4"},
        {"graphics-address", VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_IPV6, "ipv6"},
        {"graphics-address", VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_UNIX, "unix"},
        {"block-job-type", VIR_DOMAIN_BLOCK_JOB_TYPE_UNKNOWN, "unknown"},
        {"block-job-type", VIR_DOMAIN_BLOCK_JOB_TYPE_PULL, "pull"},
        {"block-job-type", VIR_DOMAIN_BLOCK_JOB_TYPE_COPY, "copy"},
        {"block-job-type", VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT, "commit"},
        {"block-job-type", VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT, "active-commit"},
        {"block-job-type", VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP, "backup"},
        {"block-job-status", VIR_DOMAIN_BLOCK_JOB_COMPLETED, "completed"},
        {"block-job-status", VIR_DOMAIN_BLOCK_JOB_FAILED, "failed"},
        {"block-job-status", VIR_DOMAIN_BLOCK_JOB_CANCELED, "canceled"},
        {"block-job-status", VIR_DOMAIN_BLOCK_JOB_READY, "ready"},
        {"disk-change-reason", VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START, "changed"},
        {"disk-change-reason", VIR_DOMAIN_EVENT_DISK_DROP_MISSING_ON_START, "dropped"},
        {"tray-change-reason", VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN, "opened"},
        {"tray-change-reason", VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE, "closed"},
        {"agent-state", VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED, "connected"},
        {"agent-state", VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED, "disconnected"},
        {"agent-reason", VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_UNKNOWN, "unknown"},
        {"agent-reason", VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_DOMAIN_STARTED, "domain-started"},
        {"agent-reason", VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL, "channel-event"},
        {"channel-state", 1, "connected"}, /* these since libvirt 12.4 */
        {"channel-state", 2, "disconnected"},
        {"channel-reason", 0, "unknown"},
        {"channel-reason", 1, "domain-started"},
        {"channel-reason", 2, "channel-event"},
        {"metadata-type", VIR_DOMAIN_METADATA_DESCRIPTION, "description"},
        {"metadata-type", VIR_DOMAIN_METADATA_TITLE, "title"},
        {"metadata-type", VIR_DOMAIN_METADATA_ELEMENT, "element"},
        {"memory-failure-recipient", VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_HYPERVISOR, "hypervisor"},
        {"memory-failure-recipient", VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST, "guest"},
        {"memory-failure-action", VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_IGNORE, "ignore"},
        {"memory-failure-action", VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_INJECT, "inject"},
        {"memory-failure-action", VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_FATAL, "fatal"},
        {"memory-failure-action", VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_RESET, "reset"},
        {"connection-close-reason", VIR_CONNECT_CLOSE_REASON_ERROR, "error"},
        {"connection-close-reason", VIR_CONNECT_CLOSE_REASON_EOF, "eof"},
        {"connection-close-reason", VIR_CONNECT_CLOSE_REASON_KEEPALIVE, "keepalive"},
        {"connection-close-reason", VIR_CONNECT_CLOSE_REASON_CLIENT, "client"},
};

typedef struct Pair {
        int of; /* the state, or the event */
        int value;
        const char *word;
} Pair;

static const Pair reasons[] = {
        {VIR_DOMAIN_NOSTATE, VIR_DOMAIN_NOSTATE_UNKNOWN, "unknown"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNKNOWN, "unknown"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED, "booted"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_MIGRATED, "migrated"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_RESTORED, "restored"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_FROM_SNAPSHOT, "from-snapshot"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED, "unpaused"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_MIGRATION_CANCELED, "migration-canceled"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_SAVE_CANCELED, "save-canceled"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_WAKEUP, "event-wakeup"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_CRASHED, "crashed"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY, "post-copy"},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_POSTCOPY_FAILED, "post-copy-failed"},
        {VIR_DOMAIN_BLOCKED, VIR_DOMAIN_BLOCKED_UNKNOWN, "unknown"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN, "unknown"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, "user"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_MIGRATION, "migrating"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SAVE, "saving"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_DUMP, "dumping"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR, "io-error"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_WATCHDOG, "watchdog"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_FROM_SNAPSHOT, "from-snapshot"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SHUTTING_DOWN, "shutting-down"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SNAPSHOT, "creating-snapshot"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_CRASHED, "crashed"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP, "starting-up"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY, "post-copy"},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, "post-copy-failed"},
        {VIR_DOMAIN_PAUSED, 14, "api-error"}, /* since libvirt 9.2 */
        {VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_UNKNOWN, "unknown"},
        {VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_USER, "user"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_UNKNOWN, "unknown"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SHUTDOWN, "shutdown"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, "destroyed"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, "crashed"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_MIGRATED, "migrated"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_SAVED, "saved"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FAILED, "failed"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT, "from-snapshot"},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON, "daemon"},
        {VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_UNKNOWN, "unknown"},
        {VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED, "panicked"},
        {VIR_DOMAIN_PMSUSPENDED, VIR_DOMAIN_PMSUSPENDED_UNKNOWN, "unknown"},
};

static const Pair details[] = {
        {VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_ADDED, "added"},
        {VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_UPDATED, "updated"},
        {VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_RENAMED, "renamed"},
        {VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_FROM_SNAPSHOT, "snapshot"},
        {VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED, "removed"},
        {VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_RENAMED, "renamed"},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED, "booted"},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_MIGRATED, "migrated"},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_RESTORED, "restored"},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT, "snapshot"},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_WAKEUP, "event-wakeup"},
        {VIR_DOMAIN_EVENT_STARTED, 5, "recreated"}, /* since libvirt 11.6 */
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, "paused"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, "migrated"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, "io-error"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, "watchdog"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_RESTORED, "restored"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT, "snapshot"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR, "api-error"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY, "post-copy"},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED, "post-copy-error"},
        {VIR_DOMAIN_EVENT_SUSPENDED, 9, "guest-shutdown"}, /* since libvirt 11.10 */
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, "unpaused"},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_MIGRATED, "migrated"},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_FROM_SNAPSHOT, "snapshot"},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_POSTCOPY, "post-copy"},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_POSTCOPY_FAILED, "post-copy-error"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, "shutdown"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED, "destroyed"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED, "crashed"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, "migrated"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED, "saved"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED, "failed"},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT, "snapshot"},
        {VIR_DOMAIN_EVENT_STOPPED, 7, "recreated"}, /* since libvirt 11.6 */
        {VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED, "finished"},
        {VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_GUEST, "finished-after-guest-request"},
        {VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_HOST, "finished-after-host-request"},
        {VIR_DOMAIN_EVENT_PMSUSPENDED, VIR_DOMAIN_EVENT_PMSUSPENDED_MEMORY, "memory"},
        {VIR_DOMAIN_EVENT_PMSUSPENDED, VIR_DOMAIN_EVENT_PMSUSPENDED_DISK, "disk"},
        {VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED, "panicked"},
        {VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED, "crashloaded"},
};

static const struct {
        const char *enumeration;
        int end;
        int first;
} enumerations[] = {
        {"domain-state", VIR_DOMAIN_LAST, 0},
        {"domain-event", VIR_DOMAIN_EVENT_LAST, 0},
        {"network-event", VIR_NETWORK_EVENT_LAST, 0},
        {"storage-pool-event", VIR_STORAGE_POOL_EVENT_LAST, 0},
        {"node-device-event", VIR_NODE_DEVICE_EVENT_LAST, 0},
        {"secret-event", VIR_SECRET_EVENT_LAST, 0},
        {"watchdog-action", VIR_DOMAIN_EVENT_WATCHDOG_LAST, 0},
        {"io-error-action", VIR_DOMAIN_EVENT_IO_ERROR_LAST, 0},
        {"graphics-phase", VIR_DOMAIN_EVENT_GRAPHICS_LAST, 0},
        {"graphics-address", VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_LAST, 0},
        {"block-job-type", VIR_DOMAIN_BLOCK_JOB_TYPE_LAST, 0},
        {"block-job-status", VIR_DOMAIN_BLOCK_JOB_LAST, 0},
        {"disk-change-reason", VIR_DOMAIN_EVENT_DISK_CHANGE_LAST, 0},
        {"tray-change-reason", VIR_DOMAIN_EVENT_TRAY_CHANGE_LAST, 0},
        {"agent-state", VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_LAST, 1},
        {"agent-reason", VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_LAST, 0},
#if LIBVIR_CHECK_VERSION(12, 4, 0)
        {"channel-state", VIR_CONNECT_DOMAIN_EVENT_CHANNEL_LIFECYCLE_STATE_LAST, 1},
        {"channel-reason", VIR_CONNECT_DOMAIN_EVENT_CHANNEL_LIFECYCLE_REASON_LAST, 0},
#endif
        {"metadata-type", VIR_DOMAIN_METADATA_LAST, 0},
        {"memory-failure-recipient", VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_LAST, 0},
        {"memory-failure-action", VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_LAST, 0},
        {"connection-close-reason", VIR_CONNECT_CLOSE_REASON_LAST, 0},
};

typedef struct End {
        int of;
        int end;
} End;

static const End reason_ends[] = {
        {VIR_DOMAIN_NOSTATE, VIR_DOMAIN_NOSTATE_LAST},
        {VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_LAST},
        {VIR_DOMAIN_BLOCKED, VIR_DOMAIN_BLOCKED_LAST},
        {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_LAST},
        {VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_LAST},
        {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_LAST},
        {VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_LAST},
        {VIR_DOMAIN_PMSUSPENDED, VIR_DOMAIN_PMSUSPENDED_LAST},
};

static const End detail_ends[] = {
        {VIR_DOMAIN_EVENT_DEFINED, VIR_DOMAIN_EVENT_DEFINED_LAST},
        {VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_LAST},
        {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_LAST},
        {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_LAST},
        {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_LAST},
        {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_LAST},
        {VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_LAST},
        {VIR_DOMAIN_EVENT_PMSUSPENDED, VIR_DOMAIN_EVENT_PMSUSPENDED_LAST},
        {VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_LAST},
};

/* Whether it is one of ours: lower case, digits, and dashes within. */
static gboolean is_word(const char *word)
{
        return word && word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0' &&
               g_ascii_isalpha(word[0]) && !g_str_has_suffix(word, "-") && !strstr(word, "--");
}

/* That a value has a word which no other one of its enumeration has. */
static void check_words(const char *family, const char *const *words, int first, int end)
{
        for (int value = first; value < end; value++) {
                if (!words[value]) {
                        header_has_unknown(family, value);
                        continue;
                }

                g_assert_true(is_word(words[value]));
                for (int other = first; other < value; other++)
                        g_assert_cmpstr(words[value], !=, words[other]);
        }
}

static void test_values(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
                g_assert_cmpstr(enum_word(values[i].enumeration, values[i].value), ==, values[i].word);
}

static void check_pairs(const Pair *pairs, size_t n, const char *(*find)(int of, int value))
{
        for (size_t i = 0; i < n; i++)
                g_assert_cmpstr(find(pairs[i].of, pairs[i].value), ==, pairs[i].word);
}

static void test_reasons(void)
{
        check_pairs(reasons, G_N_ELEMENTS(reasons), enum_reason_word);
}

static void test_details(void)
{
        check_pairs(details, G_N_ELEMENTS(details), enum_detail_word);
}

static void test_header_is_covered(void)
{
        for (size_t i = 0; i < G_N_ELEMENTS(enumerations); i++) {
                const char *words[64] = {};

                g_test_message("%s", enumerations[i].enumeration);
                g_assert_cmpint(enumerations[i].end, <=, G_N_ELEMENTS(words));
                for (int value = 0; value < enumerations[i].end; value++)
                        words[value] = enum_word(enumerations[i].enumeration, value);
                check_words(enumerations[i].enumeration, words, enumerations[i].first, enumerations[i].end);
        }
}

static void check_ends(const char *family, const End *ends, int n, const char *(*find)(int of, int value))
{
        for (int i = 0; i < n; i++) {
                g_autofree char *name = g_strdup_printf("%s %d:", family, ends[i].of);
                const char *words[64] = {};

                g_test_message("%s", name);
                g_assert_cmpint(ends[i].of, ==, i);
                g_assert_cmpint(ends[i].end, <=, G_N_ELEMENTS(words));
                for (int value = 0; value < ends[i].end; value++)
                        words[value] = find(i, value);
                check_words(name, words, 0, ends[i].end);
        }
}

static void test_header_is_covered_in_pairs(void)
{
        check_ends("reason of state", reason_ends, G_N_ELEMENTS(reason_ends), enum_reason_word);
        for (int state = G_N_ELEMENTS(reason_ends); state < VIR_DOMAIN_LAST; state++)
                header_has_unknown("reasons of state", state);

        check_ends("detail of event", detail_ends, G_N_ELEMENTS(detail_ends), enum_detail_word);
        for (int event = G_N_ELEMENTS(detail_ends); event < VIR_DOMAIN_EVENT_LAST; event++)
                header_has_unknown("details of event", event);
}

/* What libvirt may say one day, and what it never says. */
static void test_unknown(void)
{
        static const int unknown[] = {G_MININT, -1, 15, 16, 17, 1000, G_MAXINT};

        for (size_t i = 0; i < G_N_ELEMENTS(unknown); i++) {
                for (size_t j = 0; j < G_N_ELEMENTS(enumerations); j++)
                        g_assert_null(enum_word(enumerations[j].enumeration, unknown[i]));
                for (int of = 0; of < 32; of++) {
                        g_assert_null(enum_reason_word(of, unknown[i]));
                        g_assert_null(enum_detail_word(of, unknown[i]));
                        g_assert_null(enum_reason_word(unknown[i], of));
                        g_assert_null(enum_detail_word(unknown[i], of));
                }
        }

        g_assert_null(enum_word("agent-state", 0));
        g_assert_null(enum_word("", 0));
        g_assert_null(enum_word("domain", 0));
        g_assert_null(enum_word("domain-state-", 0));
}

/* An argument whose annotation names an enumeration that is not here would be a number for ever. */
static void test_interfaces(void)
{
        g_autoptr(GRegex) regex = g_regex_new("\"org\\.guestbus\\.Names\" value=\"([^\"]*)\"", 0, 0, NULL);
        unsigned found = 0;

        for (size_t i = 0; kinds[i]; i++) {
                g_autoptr(GMatchInfo) match = NULL;

                g_regex_match(regex, kinds[i]->interface->xml, 0, &match);
                for (; g_match_info_matches(match); g_match_info_next(match, NULL)) {
                        g_autofree char *enumeration = g_match_info_fetch(match, 1);

                        g_test_message("%s of %s", enumeration, kinds[i]->interface->name);
                        g_assert_nonnull(enum_word(enumeration, 1));
                        found++;
                }
        }

        g_assert_cmpuint(found, >, 0);
}

static void check_text(const char *word, int value, const char *expected)
{
        g_autofree char *text = enum_text(word, value);

        g_assert_cmpstr(text, ==, expected);
}

static void test_text(void)
{
        check_text(enum_word("io-error-action", VIR_DOMAIN_EVENT_IO_ERROR_PAUSE),
                   VIR_DOMAIN_EVENT_IO_ERROR_PAUSE, "pause");
        check_text(enum_word("io-error-action", 77), 77, "77");
        check_text(NULL, -1, "-1");
        check_text(NULL, 0, "0");
        check_text(NULL, G_MININT, "-2147483648");
}

static void test_words(void)
{
        g_autofree char *states = enum_words("domain-state");
        g_autofree char *agent = enum_words("agent-state");
        g_autofree char *none = enum_words("state");

        g_assert_cmpstr(states, ==,
                        "nostate, running, blocked, paused, shutdown, shutoff, crashed, pmsuspended");
        g_assert_cmpstr(agent, ==, "connected, disconnected");
        g_assert_cmpstr(none, ==, "");
        g_assert_true(enum_is_word("domain-state", "running"));
        g_assert_true(enum_is_word("domain-state", "77"));
        g_assert_false(enum_is_word("domain-state", "connected"));
        g_assert_false(enum_is_word("domain-state", ""));
        g_assert_false(enum_is_word("domain-state", "7 "));
        g_assert_false(enum_is_word("domain-state", "99999999999999999999"));
}

int main(int argc, char *argv[])
{
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/names/values", test_values);
        g_test_add_func("/names/reasons", test_reasons);
        g_test_add_func("/names/details", test_details);
        g_test_add_func("/names/header-is-covered", test_header_is_covered);
        g_test_add_func("/names/header-is-covered-in-pairs", test_header_is_covered_in_pairs);
        g_test_add_func("/names/unknown", test_unknown);
        g_test_add_func("/names/interfaces", test_interfaces);
        g_test_add_func("/names/text", test_text);
        g_test_add_func("/names/words", test_words);

        return g_test_run();
}
