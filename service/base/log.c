/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GLib's structured logging with a writer for two kinds of readers: the journal, and a person. */

#include "base/log.h"

#include "base/thread.h"

#include <libvirt/virterror.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int max_level = LOG_NOTICE; /* atomic: every thread logs */

static const char *field(const GLogField *fields, gsize n, const char *key)
{
        for (gsize i = 0; i < n; i++)
                if (strcmp(fields[i].key, key) == 0)
                        return fields[i].value;

        return NULL;
}

static const char *level_word(GLogLevelFlags level, int priority)
{
        if (level & G_LOG_LEVEL_ERROR)
                return "fatal: ";
        /* A critical is a broken precondition, GLib's or our own: always a bug, so it must be seen as such.
         */
        if (level & G_LOG_LEVEL_CRITICAL)
                return "CRITICAL ** ";
        if (priority == LOG_ERR)
                return "error: ";
        if (level & G_LOG_LEVEL_WARNING)
                return "warning: ";

        return "";
}

/* The journal knows which program wrote a line to standard error. A message to its own socket has to say so,
 * or would not be found under the program's name. */
static GLogWriterOutput write_journal(GLogLevelFlags level, const GLogField *fields, gsize n)
{
        g_autofree GLogField *named = g_new(GLogField, n + 1);

        memcpy(named, fields, n * sizeof *fields);
        named[n] = (GLogField){.key = "SYSLOG_IDENTIFIER", .value = LOGGING_IDENTIFIER, .length = -1};
        return g_log_writer_journald(level, named, n + 1, NULL);
}

/* GLib says it in the journal's terms already: one digit. */
static int level_of(const GLogField *fields, gsize n)
{
        const char *priority = field(fields, n, "PRIORITY");

        return priority ? g_ascii_digit_value(priority[0]) : LOG_NOTICE;
}

/* A pipe that accepts anything has room for a line: it accepts up to 4,096 bytes at once. */
#define LINE_MAX_BYTES 4000

/* A pipe that is not read, a terminal that was stopped: losing a line is better than making callers wait. */
static void write_line(const char *line)
{
        struct pollfd record = {.fd = STDERR_FILENO, .events = POLLOUT};

        flockfile(stderr); /* no other thread may take the room in between */
        if (poll(&record, 1, 0) > 0)
                fprintf(stderr, "%.*s\n", LINE_MAX_BYTES, line);
        funlockfile(stderr);
}

static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user_data)
{
        const char *domain = field(fields, n, "GLIB_DOMAIN");
        const char *message = field(fields, n, "MESSAGE");
        g_autofree char *line = NULL;

        if (level_of(fields, n) > log_level())
                return G_LOG_WRITER_HANDLED;

        if (log_to_journal())
                return write_journal(level, fields, n);

        line = g_strdup_printf("%s: %s%s", domain ? domain : G_LOG_DOMAIN,
                               level_word(level, level_of(fields, n)), message ? message : "");
        write_line(line);
        return G_LOG_WRITER_HANDLED;
}

void log_fatal(const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list arguments;

        va_start(arguments, format);
        message = g_strdup_vprintf(format, arguments);
        va_end(arguments);

        /* Its own errors abort the program. */
        g_log_structured_array(G_LOG_LEVEL_WARNING,
                               (const GLogField[]){{"PRIORITY", "3", -1},
                                                   {"GLIB_DOMAIN", G_LOG_DOMAIN, -1},
                                                   {"MESSAGE", message, -1}},
                               3);
}

/* libvirt prints each error to standard error unless told otherwise; ours go to the caller. */
static void ignore_libvirt_error(void *user_data, virErrorPtr error)
{
}

void log_init(int level)
{
        ASSERT_MAIN();
        log_set_level(level);
        g_log_set_writer_func(write_log, NULL, NULL);
        virSetErrorFunc(NULL, ignore_libvirt_error);
}

int log_level(void)
{
        return g_atomic_int_get(&max_level);
}

void log_set_level(int level)
{
        g_atomic_int_set(&max_level, level);
}

gboolean log_to_journal(void)
{
        return g_log_writer_is_journald(STDERR_FILENO);
}
