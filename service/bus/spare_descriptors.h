/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Descriptors that are kept for messages of the bus. Main thread.
 *
 * If there is no room for the descriptors of a message, sd-bus loses its first bytes and would read the rest
 * as if it were a message, with contents that its sender chose. The bus would have to be given up. So the
 * last descriptors that the process may have are for messages alone. A call that takes some of these is
 * refused, which gives them back. */

/* Raises the limit of descriptors to all that may be had, less the spare ones. Once, at the start. */
void spare_descriptors_init(void);

/* Lets the spare ones be used if what is to be read next from the socket @fd brings descriptors. Returns
 * whether it does; then spare_descriptors_return() has to follow. */
gboolean spare_descriptors_lend(int fd);
void spare_descriptors_return(void);

/* In between: whether the ordinary ones are all in use. @fd is any that is open. */
gboolean spare_descriptors_are_all(int fd);

/* Whether @fd is one of them. Ordinary ones may have become free since it was opened. */
gboolean spare_descriptors_has(int fd);
