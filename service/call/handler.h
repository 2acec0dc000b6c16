/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/caller_file.h"
#include "bus/member.h"
#include "virt/kind.h"
#include "virt/pump.h"

#include <gio/gunixfdlist.h>
#include <glib.h>
#include <libvirt/libvirt.h>

/* A call as its handler has it, on the worker thread that runs it. What else there is to a call, its message
 * and its caller, is the main thread's. */

/* The arguments, as a tuple of the row's signature; for a property's setter, the tuple of its new value. */
GVariant *call_args(const Call *call);

/* The descriptors that came with the message: handles in call_args() are indexes into it. NULL for none. */
GUnixFDList *call_fds(const Call *call);

/* The connection to libvirt, borrowed. */
virConnectPtr call_connect(const Call *call);

/* The libvirt object that the call's object stands for: a virDomainPtr, virNetworkPtr, ..., the virConnectPtr
 * for a connection's. Borrowed. A domain may have been looked up for an earlier call: what the handle itself
 * knows, the name and the number, can be out of date, and the domain can be gone, which libvirt then says
 * when it is asked. NULL when libvirt does not find it: return call_failed(). */
void *call_object(Call *call);

/* The same, looked up during this call, which takes a round trip: for what the handle itself says. It takes
 * the place of what call_object() gave before. */
void *call_object_now(Call *call);

/* NULL for "", as clients write it. */
static inline const char *call_nullable(const char *string)
{
        return *string ? string : NULL;
}

/* The result of a method that returns nothing. */
GVariant *call_done(void);

/* Takes libvirt's last error into @error and returns NULL. */
GVariant *call_failed(GError **error);

/* Sets @error to say what is wrong with the arguments, and returns NULL. */
GVariant *call_invalid(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Adds @fd, which is taken over, to the descriptors of the reply, and returns its handle; -1 and an error
 * when there is no room for it. */
int call_add_fd(Call *call, int fd, GError **error);

/* A pump for the descriptor that is the argument of that number. With org.guestbus.Stream alone. */
Pump *call_open_pump(Call *call, unsigned argument, CallerFileUse use, gboolean sparse, GError **error);

/* One in both directions, whose other end is to be the reply: *@reply becomes its handle, also
 * when it fails. */
Pump *call_open_interactive_pump(Call *call, GVariant **reply, GError **error);

/* The call's object on the pump's connection, for the caller to free; NULL and libvirt's error. */
void *call_object_of_pump(Call *call, const Pump *pump);

/* Takes over a pump whose stream is begun: it runs when the handler has returned, and the handler's result is
 * the reply when it ends well. */
void call_take_pump(Call *call, Pump *pump);

/* A libvirt result as a reply. NULL means failure; text is freed where libvirt's function gives it away
 * ("char *") and copied where it does not ("const char *"). */
#define call_reply_text(text, error)                                                                         \
        _Generic((text), char *: call_reply_owned_text, const char *: call_reply_borrowed_text)((text), (error))
GVariant *call_reply_owned_text(char *text, GError **error);
GVariant *call_reply_borrowed_text(const char *text, GError **error);

/* The same for numbers; a negative @value means failure. */
GVariant *call_reply_boolean(int value, GError **error);
GVariant *call_reply_int32(int value, GError **error);
GVariant *call_reply_uint32(int value, GError **error);

/* The @n strings of an array that libvirt allocated, which is freed with them. A negative @n means failure.
 */
GVariant *call_reply_strings(char **strings, int n, GError **error);

/* The path of @object, which is freed; NULL means failure. An error when sd-bus does not take the path. */
GVariant *call_reply_object(Call *call, const Kind *kind, void *object, GError **error);

/* The paths of the @n objects that libvirt listed for the last argument, its flags; the objects are freed,
 * and
 * @list with them. A negative @n means failure. An object whose path sd-bus does not take is left out. */
GVariant *call_reply_list(Call *call, const Kind *kind, void **list, int n, GError **error);

/* Runs the handler of @call and leaves a checked result, or an error: what the thread does that has the call.
 */
void call_run(Call *call);
