#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Derives the service's tables from the interface files.

The interface XML is the API: this program turns it into one row per member (name, signatures, access class,
handlers) and into the text that Introspect serves. A member annotated

    org.guestbus.Calls      is one libvirt function, argument by argument: its handler is written here;
    org.guestbus.Function   stands on a libvirt function: its handler is written by hand, under the name that
                            the rule gives (Domain.GetXMLDesc is domain_get_xml_desc()); where it is missing,
                            the build fails, and one that no file names is a warning.

Further annotations: org.guestbus.Access (monitor or manage, libvirt's own rule of what a read-only connection
may do; writing a property is always manage), org.guestbus.Changes (the reply waits until the mirror shows it).
"""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree

# D-Bus type: (C type, how g_variant_get() reads it)
BASIC = {
    's': ('const char *', '&s'),
    'b': ('gboolean ', 'b'),
    'i': ('gint32 ', 'i'),
    'u': ('guint32 ', 'u'),
    'x': ('gint64 ', 'x'),
    't': ('guint64 ', 't'),
    'd': ('double ', 'd'),
}

# What a member acts on, and the helper that takes that kind of object for a reply.
OBJECTS = {'Connect': 'call_connect', 'Domain': 'call_domain'}
REPLIES = {'Domain': 'call_reply_domain'}


def fail(message):
    sys.exit(f'generate.py: {message}')


def snake(name):
    """GetXMLDesc -> get_xml_desc, OSType -> os_type, MigrateToURI3 -> migrate_to_uri3"""
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '_', name).lower()


def annotation(element, name):
    for child in element.findall('annotation'):
        if child.get('name') == name:
            return child.get('value')
    return None


class Member:
    def __init__(self, interface, element):
        self.interface = interface
        self.kind = element.tag
        self.name = element.get('name')
        self.calls = annotation(element, 'org.guestbus.Calls')
        self.access = annotation(element, 'org.guestbus.Access')
        self.changes = annotation(element, 'org.guestbus.Changes') == 'true'
        self.writable = element.get('access') == 'readwrite'
        args = element.findall('arg')

        if self.kind == 'property':
            self.ins, self.outs = [], [element.get('type')]
        elif self.kind == 'signal':
            self.ins, self.outs = [], [a.get('type') for a in args]
        else:
            self.ins = [a.get('type') for a in args if a.get('direction') == 'in']
            self.outs = [a.get('type') for a in args if a.get('direction') == 'out']

        if self.kind != 'signal' and self.access not in ('monitor', 'manage'):
            fail(f'{interface.name}.{self.name}: org.guestbus.Access must be "monitor" or "manage", '
                 f'and is {self.access!r}')

    @property
    def handler(self):
        middle = '_property_' if self.kind == 'property' else '_'
        return interface_prefix(self.interface) + middle + snake(self.name)

    @property
    def setter(self):
        return f'{self.handler}_set'

    @property
    def out_type(self):
        """The GVariant type that the handler returns: the bare value, or a tuple unless it is just one.
        A signal's is always the tuple."""
        if len(self.outs) == 1 and self.kind != 'signal':
            return self.outs[0]
        return f'({"".join(self.outs)})'


class Interface:
    def __init__(self, element):
        self.name = element.get('name')
        self.short = self.name.rsplit('.', 1)[1]
        self.element = element
        self.members = [Member(self, e) for e in element if e.tag in ('method', 'property', 'signal')]

    @property
    def symbol(self):
        return 'interface_' + self.name.replace('.', '_').lower()


def interface_prefix(interface):
    return snake(interface.short)


def reply_expression(member, call):
    """How the result of the libvirt function becomes the reply; its C type and when it means failure."""
    out = ''.join(member.outs)
    if not member.outs:
        return f'return {call} < 0 ? call_failed(error) : call_done();'
    if out == 's':
        return f'return call_reply_text({call}, error);'
    if out == 'b':
        return f'return call_reply_boolean({call}, error);'
    if out == 'o':
        for kind, helper in REPLIES.items():
            if kind in member.name:
                return f'return {helper}(call, {call}, error);'
    return fail(f'{member.interface.name}.{member.name}: no rule writes a handler that returns {out!r}; '
                'use org.guestbus.Function and write it by hand')


def generated_handler(member):
    helper = OBJECTS.get(member.interface.short)
    if helper is None or any(t not in BASIC for t in member.ins):
        fail(f'{member.interface.name}.{member.name}: no rule writes this handler; '
             'use org.guestbus.Function and write it by hand')

    kind = f'vir{member.interface.short}Ptr'
    lines = [f'static GVariant *{member.handler}(Call *call, GError **error)', '{']
    lines.append(f'        {kind} object = {helper}(call);')
    names = [f'arg{i}' for i in range(len(member.ins))]
    for name, dbus_type in zip(names, member.ins):
        lines.append(f'        {BASIC[dbus_type][0]}{name};')
    lines += ['', '        if (!object)', '                return call_failed(error);', '']
    if names:
        form = ''.join(BASIC[t][1] for t in member.ins)
        lines.append(f'        g_variant_get(call_args(call), "({form})", {", ".join("&" + n for n in names)});')
    call = f'{member.calls}({", ".join(["object"] + names)})'
    lines += [f'        {reply_expression(member, call)}', '}', '']
    return lines


def row(member):
    kind = {'method': 'MEMBER_METHOD', 'property': 'MEMBER_PROPERTY', 'signal': 'MEMBER_SIGNAL'}[member.kind]
    ins = ''.join(member.ins)
    fields = [f'.name = "{member.name}"', f'.kind = {kind}', f'.in_signature = "{ins}"',
              f'.out_type = "{member.out_type}"']
    if member.kind != 'signal':
        fields += [f'.access = ACCESS_{member.access.upper()}', f'.handler = {member.handler}']
    if member.writable:
        fields.append(f'.setter = {member.setter}')
    if member.kind == 'method' and len(member.outs) != 1:
        fields.append('.tuple = true')
    if member.changes:
        fields.append('.changes = true')
    return '        { ' + ', '.join(fields) + ' },'


def served_text(element):
    """The interface as Introspect serves it: the same elements, without comments and white space."""
    copy = ElementTree.fromstring(ElementTree.tostring(element))
    for node in copy.iter():
        node.text = node.tail = None
    return ElementTree.tostring(copy, encoding='unicode', short_empty_elements=True)


def c_string(text, width=90):
    quoted = text.replace('\\', '\\\\').replace('"', '\\"')
    pieces = re.findall(r'(?:\\.|[^\\]){1,%d}' % width, quoted)
    return '\n'.join(f'        "{piece}"' for piece in pieces)


def interface_table(interface):
    lines = []
    for member in interface.members:
        if member.kind != 'signal' and member.calls:
            lines += generated_handler(member)
    members = sorted(interface.members, key=lambda m: (m.kind != 'method', m.kind != 'property', m.name))
    lines.append(f'static const Member {interface.symbol}_members[] = {{')
    lines += [row(m) for m in members]
    lines += ['};', '', f'const Interface {interface.symbol} = {{',
              f'        .name = "{interface.name}",',
              f'        .members = {interface.symbol}_members,',
              f'        .n_members = G_N_ELEMENTS({interface.symbol}_members),',
              # Clients of libvirt-dbus expect two variants around each property in GetAll.
              f'        .wraps_twice = {"true" if interface.name.startswith("org.libvirt.") else "false"},',
              '        .xml =', c_string(served_text(interface.element)) + ',', '};', '']
    return lines


def write_source(interfaces, standard):
    lines = ['/* Made by generate.py from the interface files; do not edit. */', '',
             '#include "call.h"', '#include "members.h"', '']
    for interface in interfaces:
        lines += interface_table(interface)
    lines += ['const char interface_standard_xml[] =',
              c_string(''.join(served_text(e) for e in standard)) + ';', '']
    return lines


def write_header(interfaces):
    lines = ['/* Made by generate.py from the interface files; do not edit. */', '#pragma once', '',
             '#include "member.h"', '',
             '/* Peer, Introspectable and Properties, which every object has. */',
             'extern const char interface_standard_xml[];', '']
    for interface in interfaces:
        lines.append(f'extern const Interface {interface.symbol};')
        for member in interface.members:
            if member.kind == 'signal':
                continue
            if not member.calls:
                lines.append(f'Handler {member.handler};')
            if member.writable:
                lines.append(f'Handler {member.setter};')
        lines.append('')
    return lines


def main():
    parser = argparse.ArgumentParser(description='Derives tables of members from interface files.')
    parser.add_argument('--source', required=True)
    parser.add_argument('--header', required=True)
    parser.add_argument('--standard', required=True)
    parser.add_argument('files', nargs='+')
    options = parser.parse_args()

    interfaces = [Interface(e) for f in options.files
                  for e in ElementTree.parse(f).getroot().findall('interface')]
    standard = ElementTree.parse(options.standard).getroot().findall('interface')
    for path, lines in ((options.source, write_source(interfaces, standard)),
                        (options.header, write_header(interfaces))):
        with open(path, 'w', encoding='utf-8') as output:
            output.write('\n'.join(lines))


if __name__ == '__main__':
    main()
