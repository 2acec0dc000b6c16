/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.Secret: the members that are more than one call of libvirt with the arguments as they come. */

#include "call/handler.h"
#include "members.h"

#include <string.h>

GVariant *secret_get_value(Call *call, GError **error)
{
        virSecretPtr secret = call_object(call);
        g_autofree unsigned char *value = NULL;
        GVariant *variant;
        guint32 flags;
        size_t size = 0;

        g_variant_get(call_args(call), "(u)", &flags);
        value = secret ? virSecretGetValue(secret, &size, flags) : NULL;
        if (!value)
                return call_failed(error);

        variant = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, value, size, 1);
        explicit_bzero(value, size);
        return variant;
}
