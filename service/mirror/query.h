/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "members.h"
#include "virt/domain_cache.h"
#include "virt/kind.h"

#include <glib.h>
#include <libvirt/libvirt.h>

/* Asking libvirt what is. Worker threads, all of it. */

/* One object as libvirt describes it. */
typedef struct Answer {
        const Kind *kind;
        char uuid[VIR_UUID_STRING_BUFLEN];
        gboolean present;
        GVariant *
                values[N_DOMAIN1]; /* by slot of its native interface; owned; NULL: not asked, or not known */
        GVariant *scheduler;       /* owned: see Item; NULL: not asked */
} Answer;

/* Answers, for g_array_unref(). */
GArray *answers_new(void);

/* All objects of a mirrored kind, in a few calls however many there are. FALSE and an error when libvirt does
 * not say; a driver that does not have the kind has none. @answers may then have some. */
gboolean query_all(virConnectPtr conn, const Kind *kind, GArray *answers, GError **error);

/* What to ask of a domain besides its state. */
typedef enum Aspects {
        ASPECT_STATE = 0,
        ASPECT_LIFE = 1 << 0, /* whether it is active, its number and its name */
        ASPECT_DEFINITION =
                1 << 1, /* that, whether it is persistent and started with the host, its kind of system */
        ASPECT_FACTS = 1 << 2, /* what query_facts() asks; in the background, some at a time */
} Aspects;

/* One domain. Where only its state is asked for, a handle of an earlier question serves. A domain that is
 * gone is an answer, too. */
gboolean query_domain(virConnectPtr conn, DomainCache *domain_cache, const char *uuid, Aspects aspects,
                      GArray *answers, GError **error);

/* What no bulk call tells of a domain, and only a new definition or a start changes: the kind of its system
 * and its scheduler. Nothing is added for a domain that is gone. */
gboolean query_facts(virConnectPtr conn, const char *uuid, GArray *answers, GError **error);
