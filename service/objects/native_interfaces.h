/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "call/call.h"
#include "objects/object.h"

/* What is answered from memory: the service's own interfaces. Main thread. */

/* Takes @call, a method or a reading of properties of one of them. It is answered when it is its turn and
 * what its object stands for is known: at once, but while others wait or a connection is opened for the first
 * time.
 */
void native_submit(Call *call);

/* Answers it now, as a call's conclude() does: for a method that kept it until it can be run again. */
gboolean native_conclude(Call *call);
