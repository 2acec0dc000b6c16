/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mirror/query.h"
#include "virt/events.h"

#include <glib.h>

/* What an event of a lifecycle means for what is known of its object. Any thread. */

/* What libvirt has to be asked about a domain; @known: it is in the mirror. */
Aspects event_meaning_aspects(const Event *event, gboolean known);

/* The state that the event tells, static; or NULL. */
const char *event_meaning_state(const Event *event);
