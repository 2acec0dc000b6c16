/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/call.h"
#include "objects/object.h"

/* What is answered from memory: the service's own interfaces. Main thread. */

/* Takes @call, a method or a reading of properties of one of them, on @object. It is answered when it is its
 * turn and what @object stands for is known: at once, but while others wait or a connection is opened for the
 * first time. */
void native_submit(Call *call, const Object *object);

/* Answers it now, as a call's conclude() does: for those who kept it until they could be asked again. */
gboolean native_conclude(Call *call);
