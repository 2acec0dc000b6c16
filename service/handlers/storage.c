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

/* Begins a stream of the volume with one of libvirt's two functions for that, whose flags for holes are one.
 */
static GVariant *transfer(Call *call, CallerFileUse use,
                          int (*begin)(virStorageVolPtr, virStreamPtr, unsigned long long, unsigned long long,
                                       unsigned),
                          GError **error)
{
        g_autoptr(Pump) pump = NULL;
        g_autoptr(virStorageVol) volume = NULL;
        guint64 offset, length;
        guint32 flags;

        g_variant_get(call_args(call), "(httu)", NULL, &offset, &length, &flags);
        pump = call_open_pump(call, 0, use, flags & VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM, error);
        if (!pump)
                return NULL;

        volume = call_object_of_pump(call, pump);
        if (!volume || begin(volume, pump_stream(pump), offset, length, flags) < 0)
                return call_failed(error);

        pump_limit(pump, length);
        call_take_pump(call, g_steal_pointer(&pump));
        return call_done();
}

G_STATIC_ASSERT((int)VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM == (int)VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM);

GVariant *storage_vol_download(Call *call, GError **error)
{
        return transfer(call, CALLER_FILE_WRITE, virStorageVolDownload, error);
}

GVariant *storage_vol_upload(Call *call, GError **error)
{
        return transfer(call, CALLER_FILE_READ, virStorageVolUpload, error);
}
