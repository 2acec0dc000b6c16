/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.libvirt.StoragePool and org.libvirt.StorageVol: the members that are more than one call of libvirt with
 * the arguments as they come. */

#include "call/handler.h"
#include "members.h"
#include "virt/autoptr.h"

GVariant *storage_pool_storage_vol_create_xml_from(Call *call, GError **error)
{
        virStoragePoolPtr pool = call_object(call);
        g_autoptr(virStorageVol) source = NULL;
        const char *xml, *key;
        guint32 flags;

        g_variant_get(call_args(call), "(&s&su)", &xml, &key, &flags);
        if (pool)
                source = virStorageVolLookupByKey(call_connect(call), key);
        if (!source)
                return call_failed(error);

        return call_reply_object(call, &kind_storage_vol,
                                 virStorageVolCreateXMLFrom(pool, xml, source, flags), error);
}
