/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs on GLib's shared pool threads. */

#include "base/background.h"

#include "base/assert.h"
#include "base/lock.h"
#include "base/thread.h"

#include <glib.h>

typedef struct Job {
        BackgroundFunc *work;
        MainQueueFunc *done;
        void *data;
} Job;

static unsigned running; /* main thread only */

static void job_done(void *data)
{
        g_autofree Job *job = data;

        ASSERT(running > 0);
        running--;
        job->done(job->data);
}

static void job_work(void *data, void *user_data)
{
        Job *job = data;

        taken_over(job);
        job->work(job->data);
        main_queue_post(job_done, job);
}

void background_run(BackgroundFunc *work, MainQueueFunc *done, void *data)
{
        static GThreadPool *pool;
        Job *job = g_new(Job, 1);

        ASSERT_MAIN();
        if (!pool)
                pool = g_thread_pool_new(job_work, NULL, -1, FALSE, NULL);

        *job = (Job){work, done, data};
        running++;
        handing_over(job);
        g_thread_pool_push(pool, job, NULL);
}

unsigned background_running(void)
{
        ASSERT_MAIN();
        return running;
}
