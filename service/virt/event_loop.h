/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's event API (virEventRegisterImpl) on the default GMainContext. */

/* Makes this the process's event implementation; call it once, on the main thread, before the first libvirt
 * connection is opened. Afterwards the six public functions virEventAddHandle() ... virEventRemoveTimeout()
 * work from any thread; their callbacks and free callbacks run on the thread that iterates the default
 * context, a free callback exactly once and never inside the remove call. */
void event_loop_register(void);

/* From now on, handles that this thread adds are refused, until it is called with NULL: *@fd becomes the
 * descriptor of the last of them. A connection that is opened meanwhile gets no events and no keep-alive, and
 * is read only by threads that wait for an answer on it. Any thread. */
void event_loop_refuse(int *fd);

/* Runs the timeouts that are due. libvirt's threads receive events and deliver them with a timeout of 0. A
 * caller that has an answer of libvirt's receives with this the events that came before it. Main thread. */
void event_loop_catch_up(void);
