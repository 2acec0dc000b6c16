/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking up rows. They are sorted by kind and name when they are made. */

#include "bus/member.h"

#include <stdlib.h>
#include <string.h>

static int compare_members(const void *a, const void *b)
{
        const Member *x = a, *y = b;

        return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->name, y->name);
}

const Member *interface_find(const Interface *interface, MemberKind kind, const char *name)
{
        const Member key = {.name = name, .kind = kind};

        return bsearch(&key, interface->members, interface->n_members, sizeof key, compare_members);
}

const Member *interface_properties(const Interface *interface)
{
        const Member *member = interface->members;

        while (member->kind != MEMBER_PROPERTY)
                member++;

        return member;
}
