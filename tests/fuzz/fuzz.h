/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <string.h>

/* What the fuzz targets share. A target is one function of any bytes; whatever they are, it must return, and
 * what it asserts must be so. */

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

/* The bytes, taken from the front. When there are none left, what is taken is 0 and empty. */
typedef struct Input {
        const guint8 *data;
        size_t left;
} Input;

static inline const guint8 *input_bytes(Input *input, size_t n)
{
        const guint8 *bytes = input->data;

        g_assert_cmpuint(n, <=, input->left);
        input->data += n;
        input->left -= n;
        return bytes;
}

static inline guint8 input_byte(Input *input)
{
        return input->left > 0 ? *input_bytes(input, 1) : 0;
}

/* The first of the values below @n, which a byte can tell. */
static inline guint8 input_below(Input *input, guint8 n)
{
        return input_byte(input) % n;
}

static inline guint64 input_number(Input *input)
{
        guint64 number = 0;
        size_t n = MIN(input->left, sizeof number);

        memcpy(&number, input_bytes(input, n), n);
        return GUINT64_FROM_LE(number);
}

/* A length in two bytes, and as many bytes as that says, at most. */
static inline const guint8 *input_block(Input *input, size_t *n)
{
        guint8 low = input_byte(input), high = input_byte(input);

        *n = MIN(input->left, (size_t)(high << 8 | low));
        return input_bytes(input, *n);
}

/* What comes before the next zero byte, of any encoding. */
static inline char *input_string(Input *input)
{
        const guint8 *end = input->left > 0 ? memchr(input->data, 0, input->left) : NULL;
        size_t n = end ? (size_t)(end - input->data) : input->left;
        char *string = g_strndup((const char *)input->data, n);

        input_bytes(input, end ? n + 1 : n);
        return string;
}
