/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Without a fuzzer: gives the target each file of the directories (or files) that it is called with, and
 * fails when there is none. */

#include "fuzz.h"

#include <stdio.h>

static unsigned run_file(const char *path)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *contents = NULL;
        gsize size;

        if (!g_file_get_contents(path, &contents, &size, &error))
                g_error("%s", error->message);

        printf("%s\n", path);
        fflush(stdout);
        /* A copy of its very size, so that a sanitizer sees what reads beyond it. */
        g_autofree guint8 *exact = g_memdup2(contents, size);

        LLVMFuzzerTestOneInput(exact ? exact : (const guint8 *)"", size);
        return 1;
}

static unsigned run(const char *path)
{
        g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
        unsigned n = 0;
        const char *name;

        if (!directory)
                return run_file(path);

        while ((name = g_dir_read_name(directory))) {
                g_autofree char *file = g_build_filename(path, name, NULL);

                n += run_file(file);
        }

        return n;
}

int main(int argc, char *argv[])
{
        unsigned n = 0;

        for (int i = 1; i < argc; i++)
                n += run(argv[i]);

        printf("%u inputs\n", n);
        return n > 0 ? 0 : 1;
}
