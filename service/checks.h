/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "events.h"
#include "mirror.h"
#include "refresh.h"
#include "stream.h"

#include <glib.h>

/* States that libvirt told with doubt, such as that of a domain which is suspended because it migrates: it is
 * asked what they are, and the stream tells. Main thread. */

typedef struct Checks Checks;

/* All of them must outlive it. */
Checks *checks_new(Mirror *mirror, Refresh *refresh, Stream *stream);

/* Once @refresh is stopped and not busy. NULL is fine. */
void checks_free(Checks *checks);

/* @event, which has that number in the stream, is in doubt. */
void checks_begin(Checks *checks, const Event *event, guint64 sequence);

/* The mirror shows what is: tells of those that could not be asked, because the connection was lost. */
void checks_finish(Checks *checks);
