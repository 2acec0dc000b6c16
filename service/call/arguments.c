/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From GVariant to what libvirt's functions take. The signature was checked before; here it is about what a
 * signature cannot say. */

#include "call/arguments.h"

#include "base/thread.h"

#include <string.h>

/* libvirt's own limit of the name of a typed parameter is VIR_TYPED_PARAM_FIELD_LENGTH; of the number of
 * parameters of one call, the remote protocol's smallest is 16 and its largest some thousands. */
#define PARAMS_MAX 4096

gboolean call_strings(const Call *call, size_t index, Strings *strings, GError **error)
{
        g_autoptr(GVariant) value = g_variant_get_child_value(call_args(call), index);
        gsize n;

        ASSERT_WORKER();
        /* The strings themselves stay the call's. libvirt wants NULL for none. */
        strings->strings = g_variant_get_strv(value, &n);
        strings->n = (unsigned)n;
        if (n == 0)
                g_clear_pointer(&strings->strings, g_free);
        return TRUE;
}

gboolean call_bytes(const Call *call, size_t index, Bytes *bytes, GError **error)
{
        g_autoptr(GVariant) value = g_variant_get_child_value(call_args(call), index);

        ASSERT_WORKER();
        bytes->bytes = g_variant_get_fixed_array(value, &bytes->n, 1);
        return TRUE;
}

gboolean call_bitmap(const Call *call, size_t index, Bitmap *bitmap, GError **error)
{
        g_autoptr(GVariant) value = g_variant_get_child_value(call_args(call), index);
        gsize n;
        const guchar *booleans = g_variant_get_fixed_array(value, &n, 1);

        ASSERT_WORKER();
        bitmap->n = (int)VIR_CPU_MAPLEN(n);
        bitmap->bits = g_malloc0(bitmap->n);
        for (gsize i = 0; i < n; i++)
                if (booleans[i])
                        VIR_USE_CPU(bitmap->bits, i);

        return TRUE;
}

gboolean call_files(const Call *call, size_t index, Files *files, GError **error)
{
        g_autoptr(GVariant) value = g_variant_get_child_value(call_args(call), index);
        GUnixFDList *fds = call_fds(call);
        int n_fds = fds ? g_unix_fd_list_get_length(fds) : 0;
        const int *list = fds ? g_unix_fd_list_peek_fds(fds, NULL) : NULL;
        gsize n;
        const gint32 *handles = g_variant_get_fixed_array(value, &n, sizeof(gint32));

        ASSERT_WORKER();
        files->files = g_new(int, n);
        files->n = (unsigned)n;
        for (gsize i = 0; i < n; i++) {
                if (handles[i] < 0 || handles[i] >= n_fds) {
                        call_invalid(error, "file handle %d is none of the %d descriptors of the message",
                                     handles[i], n_fds);
                        return FALSE;
                }

                files->files[i] = list[handles[i]];
        }

        return TRUE;
}

/* Writes one parameter. D-Bus's types are libvirt's, one to one. */
static gboolean set_param(virTypedParameterPtr param, const char *name, GVariant *value, GError **error)
{
        if (strlen(name) >= sizeof param->field) {
                call_invalid(error, "parameter \"%s\" has a name of more than %zu bytes", name,
                             sizeof param->field - 1);
                return FALSE;
        }

        g_strlcpy(param->field, name, sizeof param->field);
        switch (g_variant_classify(value)) {
        case G_VARIANT_CLASS_INT32:
                param->type = VIR_TYPED_PARAM_INT;
                param->value.i = g_variant_get_int32(value);
                return TRUE;
        case G_VARIANT_CLASS_UINT32:
                param->type = VIR_TYPED_PARAM_UINT;
                param->value.ui = g_variant_get_uint32(value);
                return TRUE;
        case G_VARIANT_CLASS_INT64:
                param->type = VIR_TYPED_PARAM_LLONG;
                param->value.l = g_variant_get_int64(value);
                return TRUE;
        case G_VARIANT_CLASS_UINT64:
                param->type = VIR_TYPED_PARAM_ULLONG;
                param->value.ul = g_variant_get_uint64(value);
                return TRUE;
        case G_VARIANT_CLASS_DOUBLE:
                param->type = VIR_TYPED_PARAM_DOUBLE;
                param->value.d = g_variant_get_double(value);
                return TRUE;
        case G_VARIANT_CLASS_BOOLEAN:
                param->type = VIR_TYPED_PARAM_BOOLEAN;
                param->value.b = (char)g_variant_get_boolean(value);
                return TRUE;
        case G_VARIANT_CLASS_STRING:
                param->type = VIR_TYPED_PARAM_STRING;
                param->value.s = g_variant_dup_string(value, NULL);
                return TRUE;
        default:
                call_invalid(
                        error,
                        "parameter \"%s\" has the type \"%s\", but must be one of i, u, x, t, d, b, s, or, "
                        "with all values of one that may come several times, as",
                        name, g_variant_get_type_string(value));
                return FALSE;
        }
}

/* What a reply wraps twice may come back as it was. */
static GVariant *unwrap(GVariant *value)
{
        while (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
                GVariant *inner = g_variant_get_variant(value);

                g_variant_unref(value);
                value = inner;
        }

        return value;
}

/* Entry @i of a dictionary; @name stays the dictionary's. */
static GVariant *get_entry(GVariant *dictionary, gsize i, const char **name)
{
        GVariant *value;

        g_variant_get_child(dictionary, i, "{&sv}", name, &value);
        return unwrap(value);
}

/* A parameter that may come several times comes as a key that does, or as one key with all its values, as
 * most languages have dictionaries in which a key is there once. In libvirt these are texts (migrate_disks,
 * compression); which they are it knows itself, and refuses others. */
static gboolean is_multiple(GVariant *value)
{
        return g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY);
}

static gsize count_params(GVariant *dictionary)
{
        gsize n = 0;

        for (gsize i = 0; i < g_variant_n_children(dictionary); i++) {
                const char *name;
                g_autoptr(GVariant) value = get_entry(dictionary, i, &name);

                n += is_multiple(value) ? g_variant_n_children(value) : 1;
        }

        return n;
}

static gboolean add_param(Params *params, const char *name, GVariant *value, GError **error)
{
        if (!set_param(&params->params[params->n], name, value, error))
                return FALSE;

        params->n++;
        return TRUE;
}

static gboolean add_entry(Params *params, const char *name, GVariant *value, GError **error)
{
        if (!is_multiple(value))
                return add_param(params, name, value, error);

        for (gsize i = 0; i < g_variant_n_children(value); i++) {
                g_autoptr(GVariant) one = g_variant_get_child_value(value, i);

                if (!add_param(params, name, one, error))
                        return FALSE;
        }

        return TRUE;
}

gboolean call_params(const Call *call, size_t index, Params *params, GError **error)
{
        g_autoptr(GVariant) dictionary = g_variant_get_child_value(call_args(call), index);
        gsize n = count_params(dictionary);

        ASSERT_WORKER();
        if (n > PARAMS_MAX) {
                call_invalid(error, "%" G_GSIZE_FORMAT " parameters are more than the %d that libvirt takes",
                             n, PARAMS_MAX);
                return FALSE;
        }

        params->params = g_new0(virTypedParameter, n);
        for (gsize i = 0; i < g_variant_n_children(dictionary); i++) {
                const char *name;
                g_autoptr(GVariant) value = get_entry(dictionary, i, &name);

                if (!add_entry(params, name, value, error))
                        return FALSE;
        }

        return TRUE;
}

gboolean params_allocate(Params *params)
{
        params->params = g_new0(virTypedParameter, MAX(params->n, 0));
        return TRUE;
}

GVariant *bits_to_variant(const unsigned char *map, unsigned bits)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE("ab"));
        for (unsigned i = 0; i < bits; i++)
                g_variant_builder_add(&builder, "b", VIR_CPU_USED(map, i) != 0);

        return g_variant_builder_end(&builder);
}

void strings_clear(Strings *strings)
{
        g_clear_pointer(&strings->strings, g_free);
}

void bytes_clear(Bytes *bytes)
{
}

void bitmap_clear(Bitmap *bitmap)
{
        g_clear_pointer(&bitmap->bits, g_free);
}

void files_clear(Files *files)
{
        g_clear_pointer(&files->files, g_free);
}

/* The array is ours, made by GLib; strings in it are ours or libvirt's, and both come from malloc(). */
void params_clear(Params *params)
{
        virTypedParamsClear(params->params, params->n);
        g_clear_pointer(&params->params, g_free);
}
