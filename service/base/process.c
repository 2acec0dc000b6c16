/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/process.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of the fields in /proc/PID/stat, counted behind the name. */
#define STAT_START 20

guint64 process_started(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
        g_autofree char *text = NULL;
        g_auto(GStrv) fields = NULL;
        const char *name_end;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return 0;

        /* The name may hold anything, a parenthesis too. */
        name_end = strrchr(text, ')');
        if (!name_end)
                return 0;

        fields = g_strsplit(name_end, " ", STAT_START + 2);
        return g_strv_length(fields) > STAT_START ? g_ascii_strtoull(fields[STAT_START], NULL, 10) : 0;
}

guint64 process_now(void)
{
        struct timespec now = {};
        guint64 ticks = (guint64)sysconf(_SC_CLK_TCK);

        /* As the kernel counts there: also while the machine sleeps. */
        clock_gettime(CLOCK_BOOTTIME, &now);
        return (guint64)now.tv_sec * ticks + (guint64)now.tv_nsec * ticks / G_GUINT64_CONSTANT(1000000000);
}

/* What stands in the line of the file that begins with @key, or NULL. */
static char *read_line(const char *path, const char *key)
{
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
                return NULL;

        lines = g_strsplit(text, "\n", 0);
        for (char **line = lines; *line; line++)
                if (g_str_has_prefix(*line, key))
                        return g_strdup(*line + strlen(key));

        return NULL;
}

gboolean process_is_of(pid_t pid, uid_t uid)
{
        /* Not the owner of the folder: of a process that may not be traced that is root. */
        g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
        g_autofree char *line = read_line(path, "Uid:");
        char *end;
        guint64 real, effective;

        if (!line)
                return FALSE;

        real = g_ascii_strtoull(line, &end, 10);
        effective = g_ascii_strtoull(end, NULL, 10);
        return real == uid || effective == uid;
}

/* -1 or 0 for one that has ended, or is in none of the namespaces that are seen here. */
static pid_t read_pid(int fd)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd);
        g_autofree char *line = read_line(path, "Pid:");

        return line ? (pid_t)g_ascii_strtoll(line, NULL, 10) : 0;
}

pid_t process_of_fd(int fd, guint64 *started)
{
        pid_t pid = read_pid(fd);
        guint64 start = pid > 0 ? process_started(pid) : 0;

        /* While it has its number, that was not given to another. */
        if (pid <= 0 || read_pid(fd) != pid)
                return 0;

        *started = start;
        return pid;
}
