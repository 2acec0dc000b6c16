/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's typed parameters as a dictionary. One of a type that came after this program is left out. */

#include "virt/typed_params.h"

#include "base/utf8.h"

/* NULL for a type that came after this program. */
static GVariant *param_value(const virTypedParameter *param)
{
        switch (param->type) {
        case VIR_TYPED_PARAM_INT:
                return g_variant_new_int32(param->value.i);
        case VIR_TYPED_PARAM_UINT:
                return g_variant_new_uint32(param->value.ui);
        case VIR_TYPED_PARAM_LLONG:
                return g_variant_new_int64(param->value.l);
        case VIR_TYPED_PARAM_ULLONG:
                return g_variant_new_uint64(param->value.ul);
        case VIR_TYPED_PARAM_DOUBLE:
                return g_variant_new_double(param->value.d);
        case VIR_TYPED_PARAM_BOOLEAN:
                return g_variant_new_boolean(param->value.b != 0);
        case VIR_TYPED_PARAM_STRING:
                return utf8_variant(param->value.s);
        default:
                return NULL;
        }
}

GVariant *typed_params_to_variant(const virTypedParameter *params, int n)
{
        GVariantBuilder builder;

        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);

        for (int i = 0; i < n; i++) {
                g_autofree char *field = NULL;
                GVariant *value;

                value = param_value(&params[i]);
                if (!value)
                        continue;

                /* The format's v is one variant, this is the second. */
                field = utf8_make_valid(params[i].field);
                g_variant_builder_add(&builder, "{sv}", field, g_variant_new_variant(value));
        }

        return g_variant_builder_end(&builder);
}
