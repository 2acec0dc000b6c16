/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* D-Bus's rules for types, where they are narrower than GVariant's. */

#include "bus/signature.h"

#include "base/assert.h"

#include <string.h>

/* The D-Bus specification's limit: arrays, and as many structs, open at once in one signature. */
#define SIGNATURE_DEPTH_MAX 32

gboolean signature_is_allowed(const char *signature, gsize length)
{
        guint8 outer[SIGNATURE_DEPTH_MAX + 1] = {}; /* arrays open where the n-th bracket was opened */
        unsigned arrays = 0, brackets = 0;

        if (length > SIGNATURE_MAX)
                return FALSE;

        for (const char *c = signature; c < signature + length; c++) {
                switch (*c) {
                case 'm':
                        return FALSE;
                case 'a':
                        if (++arrays > SIGNATURE_DEPTH_MAX)
                                return FALSE;
                        break;
                case '(':
                case '{':
                        if (c[1] == ')' || (*c == '{' && (c == signature || c[-1] != 'a')) ||
                            ++brackets > SIGNATURE_DEPTH_MAX)
                                return FALSE;
                        outer[brackets] = (guint8)arrays;
                        break;
                case ')':
                case '}':
                        brackets--;
                        G_GNUC_FALLTHROUGH;
                default:
                        arrays = outer[brackets];
                }
        }

        return TRUE;
}

gsize signature_fixed_size(char type)
{
        switch (type) {
        case 'y':
                return 1;
        case 'n':
        case 'q':
                return 2;
        case 'i':
        case 'u':
                return 4;
        case 'x':
        case 't':
        case 'd':
                return 8;
        default:
                return 0;
        }
}

char signature_split(const GVariantType *type, char contents[SIGNATURE_MAX + 1])
{
        const char *string = g_variant_type_peek_string(type);
        gsize length = g_variant_type_get_string_length(type) - (*string == 'a' ? 1 : 2);

        ASSERT(length <= SIGNATURE_MAX);

        memcpy(contents, string + 1, length);
        contents[length] = '\0';

        return *string == 'a' ? 'a' : *string == '(' ? 'r' : 'e';
}
