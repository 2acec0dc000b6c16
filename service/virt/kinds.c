/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of all kinds: apart from them, so that a program that tests may bring kinds of its own. */

#include "virt/kind.h"

#include <string.h>

const Kind *const kinds[] = {
        &kind_domain,  &kind_domain_checkpoint, &kind_domain_snapshot, &kind_interface,
        &kind_network, &kind_node_device,       &kind_nw_filter,       &kind_nw_filter_binding,
        &kind_secret,  &kind_storage_pool,      &kind_storage_vol,     NULL,
};

const Kind *kind_find(const char *collection)
{
        for (const Kind *const *kind = kinds; *kind; kind++)
                if (strcmp((*kind)->collection, collection) == 0)
                        return *kind;

        return NULL;
}
