/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events and names for people. */

#include "guestbusctl/text.h"

#include <stdlib.h>
#include <time.h>

#define NOON  (G_GINT64_CONSTANT(1764417600) * G_USEC_PER_SEC) /* 2025-11-29 12:00:00 UTC */
#define GUEST "/org/libvirt/QEMU/domain/_1"

static Event *event(const char *path, const char *kind, const char *name, const char *details)
{
        g_autofree char *text = g_strdup_printf("('%s', 7, %" G_GINT64_FORMAT ", '%s', %s)", kind,
                                                NOON + 123456, name, details);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) body = g_variant_parse(G_VARIANT_TYPE("(stxsa{sv})"), text, NULL, NULL, &error);

        g_assert_no_error(error);
        return event_new(path, body);
}

static void test_escape(void)
{
        static const char *const rows[][2] = {
                {"web1", "web1"},
                {"a b", "a b"},
                {"\033[31mred\n", "\\x1b[31mred\\x0a"},
                {"\302\233x", "\\x9bx"},
                {"größe 漢字", "größe 漢字"},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *text = text_escape(rows[i][0]);

                g_assert_cmpstr(text, ==, rows[i][1]);
        }
}

static void test_width(void)
{
        g_assert_cmpuint(text_width(""), ==, 0);
        g_assert_cmpuint(text_width("web1"), ==, 4);
        g_assert_cmpuint(text_width("größe"), ==, 5);
        g_assert_cmpuint(text_width("漢字"), ==, 4);
        g_assert_cmpuint(text_width("e\u0301"), ==, 1);
}

static void test_time(void)
{
        g_autofree char *today = text_time(NOON + 123456, NOON + 5),
                        *later = text_time(NOON, NOON + G_TIME_SPAN_DAY);

        g_assert_cmpstr(today, ==, "12:00:00.123");
        g_assert_cmpstr(later, ==, "2025-11-29 12:00:00.000");
}

static void test_lines(void)
{
        static const struct {
                const char *path, *kind, *name, *details, *line;
        } rows[] = {
                {GUEST, "lifecycle", "web1",
                 "{'event': <'stopped'>, 'detail': <'crashed'>, 'event-number': <5>, 'state': <'shutoff'>, "
                 "'checked': <true>}",
                 "QEMU web1 stopped (crashed) → shutoff"},
                {GUEST, "lifecycle", "web1", "{'event': <'defined'>, 'detail': <'added'>}",
                 "QEMU web1 defined (added)"},
                {GUEST, "lifecycle", "web1",
                 "{'event': <'suspended'>, 'state': <'paused'>, 'checked': <false>}",
                 "QEMU web1 suspended → paused?"},
                {GUEST, "lifecycle", "web1",
                 "{'event': <'stopped'>, 'state': <'shutoff'>, 'synthetic': <true>}",
                 "QEMU web1 stopped → shutoff, found"},
                {GUEST, "state-checked", "web1",
                 "{'state': <'running'>, 'reason': <'unpaused'>, 'of': <uint64 5>}",
                 "QEMU web1 state-checked → running (unpaused)"},
                {GUEST, "tray-change", "web\n1",
                 "{'device': <'ide0'>, 'reason': <'opened'>, 'reason-number': <0>, 'more': <''>}",
                 "QEMU web\\x0a1 tray-change device=ide0 reason=opened"},
                {GUEST, "reboot", "web1", "@a{sv} {}", "QEMU web1 reboot"},
                {"/org/libvirt/QEMU/network/_2", "lifecycle", "default", "{'event': <'started'>}",
                 "QEMU network default started"},
                {"/org/libvirt/QEMU", "opened", "", "{'epoch': <'e'>}", "QEMU opened"},
                {"/org/libvirt/QEMU", "resynced", "", "{'epoch': <'e'>, 'added': <uint32 1>}",
                 "QEMU resynced added=1"},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Event) one = event(rows[i].path, rows[i].kind, rows[i].name, rows[i].details);
                g_autofree char *line = text_event(one, NOON, TRUE);
                g_autofree char *expected = g_strconcat("12:00:00.123 ", rows[i].line, NULL);

                g_assert_cmpstr(line, ==, expected);
        }
}

static void test_plain_arrow(void)
{
        g_autoptr(Event) one = event(GUEST, "lifecycle", "a", "{'event': <'started'>, 'state': <'running'>}");
        g_autofree char *line = text_event(one, NOON, FALSE);

        g_assert_cmpstr(line, ==, "12:00:00.123 QEMU a started -> running");
}

static void test_news(void)
{
        static const struct {
                const char *kind, *details;
                gboolean news;
        } rows[] = {
                {"lifecycle", "{'event': <'started'>}", TRUE},
                {"metadata-change", "@a{sv} {}", TRUE},
                {"added", "{'Name': <'a'>, 'Autostart': <true>}", FALSE},
                {"removed", "@a{sv} {}", FALSE},
                {"changed", "{'State': <'running'>}", FALSE},
                {"changed", "{'Autostart': <true>}", TRUE},
        };

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autoptr(Event) one = event(GUEST, rows[i].kind, "a", rows[i].details);

                g_assert_cmpint(text_is_news(one), ==, rows[i].news);
        }
}

int main(int argc, char **argv)
{
        setenv("TZ", "UTC", 1);
        tzset();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/text/escape", test_escape);
        g_test_add_func("/text/width", test_width);
        g_test_add_func("/text/time", test_time);
        g_test_add_func("/text/lines", test_lines);
        g_test_add_func("/text/plain-arrow", test_plain_arrow);
        g_test_add_func("/text/news", test_news);
        return g_test_run();
}
