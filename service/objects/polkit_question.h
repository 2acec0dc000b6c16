/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "access/authority.h"
#include "objects/object.h"

#include <glib.h>
#include <libvirt/libvirt.h>
#include <systemd/sd-bus.h>

/* What a request asks of the authority. Main thread. */

/* The right that @message, a method call, takes on @object, to @access. FALSE when it takes none: what is the
 * same for everybody and says nothing of the host, and what is going to fail. */
gboolean polkit_question_access(const Object *object, sd_bus_message *message, Access *access);

/* Sets what polkit's rules may look at, for the right that @question has already. The strings are borrowed
 * from the object, the mirror and the message, and from @uuid, which must live as long as @question does. */
void polkit_question_describe(const Object *object, sd_bus_message *message,
                              char uuid[VIR_UUID_STRING_BUFLEN], Question *question);
