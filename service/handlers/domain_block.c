/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Domain: looking into disks and memory. */

#include "base/error.h"
#include "base/utf8.h"
#include "call/handler.h"
#include "members.h"

#include <stdlib.h>

/* libvirt's own limit of one look (REMOTE_DOMAIN_MEMORY_PEEK_BUFFER_MAX, ..._BLOCK_PEEK_...). */
#define PEEK_MAX (4 << 20)

/* Room for @size bytes that the caller asked for, checked before it is taken. */
static void *peek_buffer(guint64 size, GError **error)
{
        if (size <= PEEK_MAX)
                return g_malloc0(size + 1);

        g_set_error(error, GUESTBUS_ERROR, GUESTBUS_ERROR_LIMITS_EXCEEDED,
                    "%" G_GUINT64_FORMAT " bytes are asked for, but at most %d can be read at once", size,
                    PEEK_MAX);
        return NULL;
}

static GVariant *peek_reply(int status, void *buffer, guint64 size, GError **error)
{
        if (status < 0) {
                call_failed(error);
                g_free(buffer);
                return NULL;
        }

        return g_variant_new_from_data(G_VARIANT_TYPE_BYTESTRING, buffer, size, TRUE, g_free, buffer);
}

GVariant *domain_memory_peek(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        guint64 offset, size;
        guint32 flags;
        void *buffer;

        if (!domain)
                return call_failed(error);

        g_variant_get(call_args(call), "(ttu)", &offset, &size, &flags);
        buffer = peek_buffer(size, error);
        return buffer ? peek_reply(virDomainMemoryPeek(domain, offset, size, buffer, flags), buffer, size,
                                   error)
                      : NULL;
}

GVariant *domain_block_peek(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        guint64 offset, size;
        const char *disk;
        guint32 flags;
        void *buffer;

        if (!domain)
                return call_failed(error);

        g_variant_get(call_args(call), "(&sttu)", &disk, &offset, &size, &flags);
        buffer = peek_buffer(size, error);
        return buffer ? peek_reply(virDomainBlockPeek(domain, disk, offset, size, buffer, flags), buffer,
                                   size, error)
                      : NULL;
}

GVariant *domain_get_disk_errors(Call *call, GError **error)
{
        virDomainPtr domain = call_object(call);
        g_autofree virDomainDiskErrorPtr errors = NULL;
        GVariantBuilder builder;
        guint32 flags;
        int n;

        g_variant_get(call_args(call), "(u)", &flags);
        n = domain ? virDomainGetDiskErrors(domain, NULL, 0, flags) : -1;
        if (n > 0) {
                errors = g_new0(virDomainDiskError, n);
                n = virDomainGetDiskErrors(domain, errors, (unsigned)n, flags);
        }
        if (n < 0)
                return call_failed(error);

        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(si)"));
        for (int i = 0; i < n; i++) {
                g_variant_builder_add(&builder, "(@si)", utf8_variant(errors[i].disk), errors[i].error);
                free(errors[i].disk);
        }

        return g_variant_builder_end(&builder);
}
