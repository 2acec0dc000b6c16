# SPDX-License-Identifier: LGPL-2.1-or-later
"""Derives the service's tables from the interface files.

The interface XML is the API: this program turns it into one row per member (name, signatures, access class,
handlers) and into the text that Introspect serves. A member annotated

    org.guestbus.Calls      is one libvirt function, argument by argument: its handler is written here;
    org.guestbus.Function   stands on a libvirt function: its handler is written by hand, under the name that
                            the rule gives (Domain.GetXMLDesc is domain_get_xml_desc()); where it is missing,
                            the build fails, and one that no file names is a warning;
    org.guestbus.Local      is answered on the main thread, from memory: a LocalHandler, written by hand.

The properties of the service's own interfaces (all but org.libvirt) are values in memory. Each has a slot, which
the header names: DOMAIN1_STATE.

The shapes that a generated handler can have stand below: each D-Bus type says what libvirt gets or gives for it.
Further annotations: org.guestbus.EmptyIsNull on an argument, org.guestbus.Names on an argument of a signal (the
enumeration whose numbers it has), org.guestbus.Access (monitor or manage, libvirt's own rule of what a read-only
connection may do; writing a property is always manage), org.guestbus.SecureFlags (on an argument: bits with
which the method is manage all the same), org.guestbus.Changes (the reply waits until the mirror shows what has
changed: of a domain its state, its life, which is whether it runs and as what as well, or with true anything),
org.guestbus.Long (the method runs for as long as a guest, its memory, a disk or an agent takes).
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

# A D-Bus type that is several arguments in libvirt, a pointer and how many: its C type, the helper that makes it of a
# call's argument, and the pieces of it in libvirt's order.
COMPOUND = {
    'as': ('Strings', 'call_strings', '{0}.strings, {0}.n'),
    'ay': ('Bytes', 'call_bytes', '{0}.bytes, {0}.n'),
    'ab': ('Bitmap', 'call_bitmap', '{0}.bits, {0}.n'),
    'ah': ('Files', 'call_files', '{0}.n, {0}.files'),
    'a{sv}': ('Params', 'call_params', '{0}.params, {0}.n'),
}

# Kinds of objects as members name them, the longest first: SnapshotLookupByName gives a domain's snapshot.
KINDS = {
    'Snapshot': 'DomainSnapshot',
    'StorageVol': 'StorageVol',
    'StoragePool': 'StoragePool',
    'NodeDevice': 'NodeDevice',
    'NWFilter': 'NWFilter',
    'Interface': 'Interface',
    'Network': 'Network',
    'Secret': 'Secret',
    'Domain': 'Domain',
}


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


CHANGES = {'state': 'CHANGES_STATE', 'life': 'CHANGES_LIFE', 'true': 'CHANGES_ANYTHING'}


class Member:
    def __init__(self, interface, element):
        self.interface = interface
        self.kind = element.tag
        self.name = element.get('name')
        self.calls = annotation(element, 'org.guestbus.Calls')
        self.access = annotation(element, 'org.guestbus.Access')
        self.changes = annotation(element, 'org.guestbus.Changes')
        self.takes_long = annotation(element, 'org.guestbus.Long') == 'true'
        self.local = interface.native or annotation(element, 'org.guestbus.Local') == 'true'
        self.slot = None
        self.writable = element.get('access') == 'readwrite'
        args = element.findall('arg')
        ins = [a for a in args if a.get('direction') == 'in']

        if self.kind == 'property':
            self.ins, self.outs = [], [element.get('type')]
        elif self.kind == 'signal':
            self.ins, self.outs = [], [a.get('type') for a in args]
        else:
            self.ins = [a.get('type') for a in ins]
            self.outs = [a.get('type') for a in args if a.get('direction') == 'out']
        secure = [(i, int(annotation(a, 'org.guestbus.SecureFlags'), 0)) for i, a in enumerate(ins)
                  if annotation(a, 'org.guestbus.SecureFlags')]
        self.secure = secure[0] if secure else None
        # libvirt-dbus names arguments that are XML documents after that, all but one.
        documents = [i for i, a in enumerate(ins) if a.get('type') == 's' and
                     ('xml' in a.get('name').lower() or a.get('name') == 'srcSpec')]
        self.document = documents[0] if documents else None
        # Which of the arguments stand for NULL when they are empty.
        self.nullable = [annotation(a, 'org.guestbus.EmptyIsNull') == 'true' for a in ins]
        self.args = [(a.get('name'), annotation(a, 'org.guestbus.Names')) for a in args]

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
        self.native = not self.name.startswith('org.libvirt.')
        members = [Member(self, e) for e in element if e.tag in ('method', 'property', 'signal')]
        self.members = sorted(members, key=lambda m: (m.kind != 'method', m.kind != 'property', m.name))
        self.properties = [m for m in self.members if m.kind == 'property']
        for slot, member in enumerate(self.properties):
            member.slot = slot

    @property
    def symbol(self):
        return 'interface_' + snake(self.short)

    def slot_name(self, name):
        return f'{snake(self.short)}_{snake(name)}'.upper()


def interface_prefix(interface):
    return snake(interface.short)


def kind_of(member):
    """The kind of the objects that a member returns: its name says it, or they are of its own kind."""
    for name, kind in KINDS.items():
        if name in member.name:
            return kind
    return member.interface.short


def no_rule(member, why):
    fail(f'{member.interface.name}.{member.name}: no rule writes a handler {why}; use org.guestbus.Function and '
         'write it by hand')


def read_arguments(member):
    """Lines that declare and read the arguments, and the expressions that the libvirt function gets for them."""
    declare, read, expressions = [], [], []
    simple = all(t in BASIC for t in member.ins)
    for i, dbus_type in enumerate(member.ins):
        name = f'arg{i}'
        if dbus_type in BASIC:
            c_type, form = BASIC[dbus_type]
            declare.append(f'        {c_type}{name};')
            if not simple:
                read.append(f'        g_variant_get_child(call_args(call), {i}, "{form}", &{name});')
            expressions.append(f'call_nullable({name})' if member.nullable[i] else name)
        elif dbus_type in COMPOUND:
            c_type, helper, pieces = COMPOUND[dbus_type]
            declare.append(f'        g_auto({c_type}) {name} = {{}};')
            read += [f'        if (!{helper}(call, {i}, &{name}, error))', '                return NULL;', '']
            expressions.append(pieces.format(name))
        else:
            no_rule(member, f'that takes {dbus_type!r}')

    if simple and member.ins:
        form = ''.join(BASIC[t][1] for t in member.ins)
        names = ', '.join(f'&arg{i}' for i in range(len(member.ins)))
        read = [f'        g_variant_get(call_args(call), "({form})", {names});']
    return declare, read, expressions


def reply_lines(member, expressions):
    """How the function is called, and how its result becomes the reply."""
    out = ''.join(member.outs)
    call = f'{member.calls}({", ".join(["object"] + expressions)})'
    simple = {'s': 'text', 'b': 'boolean', 'i': 'int32', 'u': 'uint32'}

    if not member.outs:
        return [f'        return {call} < 0 ? call_failed(error) : call_done();']
    if out in simple:
        return [f'        return call_reply_{simple[out]}({call}, error);']
    if out == 'o':
        return [f'        return call_reply_object(call, &kind_{snake(kind_of(member))}, {call}, error);']
    if out == 'ao':
        kind = kind_of(member)
        call = f'{member.calls}({", ".join(["object", "&list"] + expressions)})'
        return [f'        vir{kind}Ptr *list = NULL;', f'        int n = {call};', '',
                f'        return call_reply_list(call, &kind_{snake(kind)}, (void **)list, n, error);']
    if out == 'a{sv}':
        leading = ', '.join(['object'] + expressions[:-1])
        flags = expressions[-1]
        return ['        g_auto(Params) result = {};', '',
                f'        if ({member.calls}({leading}, NULL, &result.n, {flags}) < 0 || !params_allocate(&result) ||',
                f'            {member.calls}({leading}, result.params, &result.n, {flags}) < 0)',
                '                return call_failed(error);', '',
                '        return typed_params_to_variant(result.params, result.n);']
    return no_rule(member, f'that returns {out!r}')


def uuid_handler(member):
    return [f'static GVariant *{member.handler}(Call *call, GError **error)', '{',
            f'        vir{member.interface.short}Ptr object = call_object(call);',
            '        char uuid[VIR_UUID_STRING_BUFLEN];', '',
            f'        if (!object || {member.calls}(object, uuid) < 0)',
            '                return call_failed(error);', '',
            '        return g_variant_new_string(uuid);', '}', '']


def autostart_handlers(member):
    """The one property that is written, of each kind that has it; libvirt's functions come in a pair."""
    kind = f'vir{member.interface.short}Ptr'
    return [f'static GVariant *{member.handler}(Call *call, GError **error)', '{',
            f'        {kind} object = call_object(call);',
            '        int value = 0;', '',
            f'        if (!object || {member.calls}(object, &value) < 0)',
            '                return call_failed(error);', '',
            '        return g_variant_new_boolean(value != 0);', '}', '',
            f'static GVariant *{member.setter}(Call *call, GError **error)', '{',
            f'        {kind} object = call_object(call);',
            '        gboolean value;', '',
            '        g_variant_get(call_args(call), "(b)", &value);',
            f'        if (!object || {member.calls.replace("Get", "Set")}(object, value) < 0)',
            '                return call_failed(error);', '',
            '        return call_done();', '}', '']


def generated_handler(member):
    if member.calls.endswith('GetUUIDString'):
        return uuid_handler(member)
    if member.calls.endswith('GetAutostart'):
        return autostart_handlers(member)

    declare, read, expressions = read_arguments(member)
    lines = [f'static GVariant *{member.handler}(Call *call, GError **error)', '{',
             f'        vir{member.interface.short}Ptr object = call_object(call);']
    lines += declare + ['', '        if (!object)', '                return call_failed(error);', '']
    return lines + read + reply_lines(member, expressions) + ['}', '']


def row(member):
    kind = {'method': 'MEMBER_METHOD', 'property': 'MEMBER_PROPERTY', 'signal': 'MEMBER_SIGNAL'}[member.kind]
    ins = ''.join(member.ins)
    fields = [f'.name = "{member.name}"', f'.kind = {kind}', f'.in_signature = "{ins}"',
              f'.out_type = "{member.out_type}"']
    if member.kind == 'signal':
        args = ', '.join(f'{{ "{name}", {c_literal(names)} }}' for name, names in member.args)
        fields.append(f'.arguments = (const Argument[]){{ {args or "{ NULL, NULL }"} }}')
    else:
        fields.append(f'.access = ACCESS_{member.access.upper()}')
        if not member.local:
            fields.append(f'.handler = {member.handler}')
        elif member.kind == 'method':
            fields.append(f'.local = {member.handler}')
        else:
            fields.append(f'.slot = {member.interface.slot_name(member.name)}')
    if member.writable:
        fields.append(f'.setter = {member.setter}')
    if member.kind == 'method' and len(member.outs) != 1:
        fields.append('.tuple = true')
    if member.secure:
        fields.append('.secure_argument = {}, .secure_flags = {}'.format(*member.secure))
    if member.kind == 'method' and member.document is not None:
        fields.append(f'.document = {member.document + 1}')
    if member.takes_long:
        fields.append('.takes_long = true')
    if member.changes:
        fields.append(f'.changes = {CHANGES[member.changes]}')
    return '        { ' + ', '.join(fields) + ' },'


def served_text(element):
    """The interface as Introspect serves it: the same elements, without comments and white space."""
    copy = ElementTree.fromstring(ElementTree.tostring(element))
    for node in copy.iter():
        node.text = node.tail = None
    return ElementTree.tostring(copy, encoding='unicode', short_empty_elements=True)


def c_literal(text):
    return f'"{text}"' if text else 'NULL'


def c_string(text, width=90):
    quoted = text.replace('\\', '\\\\').replace('"', '\\"')
    pieces = re.findall(r'(?:\\.|[^\\]){1,%d}' % width, quoted)
    return '\n'.join(f'        "{piece}"' for piece in pieces)


def interface_table(interface):
    lines = []
    for member in interface.members:
        if member.kind != 'signal' and member.calls:
            lines += generated_handler(member)
    lines.append(f'static const Member {interface.symbol}_members[] = {{')
    lines += [row(m) for m in interface.members]
    lines += ['};', '', f'const Interface {interface.symbol} = {{',
              f'        .name = "{interface.name}",',
              f'        .members = {interface.symbol}_members,',
              f'        .n_members = G_N_ELEMENTS({interface.symbol}_members),',
              f'        .n_properties = {len(interface.properties)},',
              f'        .native = {"true" if interface.native else "false"},',
              # Clients of libvirt-dbus expect two variants around each property in GetAll.
              f'        .wraps_twice = {"false" if interface.native else "true"},',
              '        .xml =', c_string(served_text(interface.element)) + ',', '};', '']
    return lines


def write_source(interfaces, standard):
    lines = ['/* Made by generate.py from the interface files; do not edit. */', '',
             '#include "call/arguments.h"', '#include "call/handler.h"', '#include "members.h"', '#include "virt/typed_params.h"', '']
    for interface in interfaces:
        lines += interface_table(interface)
    lines += ['const char interface_standard_xml[] =',
              c_string(''.join(served_text(e) for e in standard)) + ';', '']
    return lines


def write_header(interfaces):
    lines = ['/* Made by generate.py from the interface files; do not edit. */', '#pragma once', '',
             '#include "bus/member.h"', '',
             '/* Peer, Introspectable and Properties, which every object has. */',
             'extern const char interface_standard_xml[];', '']
    for interface in interfaces:
        lines.append(f'extern const Interface {interface.symbol};')
        if interface.native and interface.properties:
            names = [interface.slot_name(m.name) for m in interface.properties]
            lines += ['enum {', *(f'        {name},' for name in names),
                      f'        N_{snake(interface.short).upper()},', '};']
        for member in interface.members:
            if member.kind == 'method' and member.local:
                lines.append(f'LocalHandler {member.handler};')
            if member.kind == 'signal' or member.local:
                continue
            if not member.calls:
                lines.append(f'Handler {member.handler};')
            if member.writable and not member.calls:
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
