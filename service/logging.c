/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GLib's structured logging with a writer for two kinds of readers: the journal, and a person. */

#include "logging.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static gboolean be_verbose;

static const char *field(const GLogField *fields, gsize n, const char *key)
{
        for (gsize i = 0; i < n; i++)
                if (strcmp(fields[i].key, key) == 0)
                        return fields[i].value;

        return NULL;
}

static const char *level_word(GLogLevelFlags level)
{
        if (level & G_LOG_LEVEL_ERROR)
                return "fatal: ";
        /* A critical is a broken precondition, GLib's or our own: always a bug, so it must be seen as such.
         */
        if (level & G_LOG_LEVEL_CRITICAL)
                return "CRITICAL ** ";
        if (level & G_LOG_LEVEL_WARNING)
                return "warning: ";

        return "";
}

static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer user_data)
{
        const char *domain = field(fields, n, "GLIB_DOMAIN");
        const char *message = field(fields, n, "MESSAGE");

        if (!be_verbose && (level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)))
                return G_LOG_WRITER_HANDLED;

        if (g_log_writer_is_journald(STDERR_FILENO))
                return g_log_writer_journald(level, fields, n, NULL);

        fprintf(stderr, "%s: %s%s\n", domain ? domain : G_LOG_DOMAIN, level_word(level),
                message ? message : "");
        return G_LOG_WRITER_HANDLED;
}

/* libvirt prints each error to standard error unless told otherwise; ours go to the caller. */
static void ignore_libvirt_error(void *user_data, virErrorPtr error)
{
}

void logging_init(gboolean verbose)
{
        be_verbose = verbose;
        g_log_set_writer_func(write_log, NULL, NULL);
        virSetErrorFunc(NULL, ignore_libvirt_error);
}
