/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/member.h"
#include "bus/packed_value.h"
#include "virt/kind.h"

#include <glib.h>

/* The contents of libvirt's events, in the words of org.guestbus.*1.Event: dictionaries a{sv}, packed as they
 * are sent, kept and returned. What returns one gives a reference to the caller. Main thread. */

/* Of any event but a lifecycle's: @arguments (borrowed) are those of the org.libvirt signal. NULL where no
 * message can have them. */
PackedValue *event_details_of_arguments(const Member *signal, GVariant *arguments);

/* Of a lifecycle of an object of @kind; @with_detail if libvirt gives one. */
PackedValue *event_details_of_lifecycle(const Kind *kind, int event, int detail, gboolean with_detail);

/* Of a synthetic event of a domain's lifecycle, which was found by asking libvirt. */
PackedValue *event_details_of_found(const Kind *kind, int event);

/* The power state that an event of a domain's life implies, static; or NULL. */
const char *event_details_implied_state(int event);

/* The reason of that state, static: what libvirt would answer, as far as its event says so; or NULL. */
const char *event_details_implied_reason(int event, int detail);

/* Whether the state that the event implies is not certain before libvirt was asked. */
gboolean event_details_are_doubtful(int event, int detail);
