/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* libvirt's enumerations in words, which stay what they are: virsh's, where virsh has them, in lower case
 * with dashes. All functions work on any thread; the words are static. */

/* The word of @value in the enumeration called @enumeration: domain-state, domain-event, network-event,
 * storage-pool-event, node-device-event, secret-event, watchdog-action, io-error-action, graphics-phase,
 * graphics-address, block-job-type, block-job-status, disk-change-reason, tray-change-reason, agent-state,
 * agent-reason, channel-state, channel-reason, metadata-type, memory-failure-recipient, memory-failure-action
 * or connection-close-reason.
 * NULL for a value that is not known, and for every value of another enumeration. */
const char *enum_word(const char *enumeration, int value);

/* Whether @word may be what enum_text() makes of some value of that enumeration, be it of a later libvirt's.
 */
gboolean enum_is_word(const char *enumeration, const char *word);

/* All words of the enumeration, with a comma and a space between them. Free with g_free(). */
char *enum_words(const char *enumeration);

/* The word of @reason, which depends on the domain's @state; NULL when one of them is not known. */
const char *enum_reason_word(int state, int reason);

/* The word of @detail, which depends on the @event of a domain's lifecycle; NULL when one of them is not
 * known. */
const char *enum_detail_word(int event, int detail);

/* A copy of @word, or for NULL, which the three above give for what libvirt may have one day, @value as
 * digits. Free with g_free(). */
char *enum_text(const char *word, int value);
