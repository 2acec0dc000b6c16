# SPDX-License-Identifier: LGPL-2.1-or-later
"""Derives the service's tables from the interface files.

The interface XML is the API: this program turns it into one row per member (name, signatures, access class,
handlers) and into the text that Introspect serves. A member annotated

    org.guestbus.Calls      is one libvirt function, argument by argument: its handler is written here, from what
                            libvirt's description of its API says of the function;
    org.guestbus.Function   stands on a libvirt function: its handler is written by hand, under the name that
                            the rule gives (Domain.GetXMLDesc is domain_get_xml_desc()); where it is missing,
                            the build fails, and one that no file names is a warning;
    org.guestbus.Local      is answered on the main thread, from memory: a LocalHandler, written by hand.

The properties of the service's own interfaces (all but org.libvirt) are values in memory. Each has a slot, which
the header names: DOMAIN1_STATE.

A member whose function the libvirt of the build lacks is left out: it is neither served nor introspected. So is a
signal whose event it lacks (org.guestbus.Event; NICMACChange and MetadataChange are always there).

What a generated handler can do stands below: each D-Bus type says what libvirt gets or gives for it. A function's
results are what it returns and what it writes to its arguments, in that order.
Further annotations: org.guestbus.EmptyIsNull on an argument, org.guestbus.Names on an argument of a signal (the
enumeration whose numbers it has), org.guestbus.Access (monitor or manage, libvirt's own rule of what a read-only
connection may do; writing a property is always manage), org.guestbus.SecureFlags (on an argument: bits with
which the method is manage all the same), org.guestbus.Changes (the reply waits until the mirror shows what has
changed: of a domain its state, its life, which is whether it runs and as what as well, or with true anything),
org.guestbus.Long (the method runs for as long as a guest, its memory, a disk or an agent takes), org.guestbus.Stream
(it opens a stream of libvirt's).
"""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree

from libvirt_api import (NUMBERS, PARAMS_FILLED, PARAMS_GIVEN, STRINGS, TEXT, Api, annotation, setter_of)

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

# D-Bus type: how a result of libvirt becomes a value of g_variant_new(), and the form of that.
VALUES = {
    's': ('@s', 'utf8_variant({})'),
    'b': ('b', '{} != 0'),
    'i': ('i', '(gint32){}'),
    'u': ('u', '(guint32){}'),
    'x': ('x', '(gint64){}'),
    't': ('t', '(guint64){}'),
    'a{sv}': ('@a{sv}', 'typed_params_to_variant({0}.params, {0}.n)'),
}

# Kinds of objects as members name them, the longest first: SnapshotLookupByName gives a domain's snapshot.
KINDS = {
    'Checkpoint': 'DomainCheckpoint',
    'Snapshot': 'DomainSnapshot',
    'StorageVol': 'StorageVol',
    'StoragePool': 'StoragePool',
    'NodeDevice': 'NodeDevice',
    'NWFilterBinding': 'NWFilterBinding',
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
        self.opens_stream = annotation(element, 'org.guestbus.Stream') == 'true'
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
        self.documents = [i for i, a in enumerate(ins) if a.get('type') == 's' and
                          ('xml' in a.get('name').lower() or a.get('name') == 'srcSpec')]
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
    def __init__(self, element, api):
        self.name = element.get('name')
        self.short = self.name.rsplit('.', 1)[1]
        self.element = element
        self.native = not self.name.startswith('org.libvirt.')
        for absent in [e for e in element if not api.has(e)]:
            element.remove(absent)
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


class Results:
    """What a function writes to its arguments: the declarations, how it is called, and the expressions of the values.
    `expressions` are those of the member's own arguments."""

    def __init__(self, api, member, expressions):
        self.declare, self.before, self.values = [], [], []
        self.list = None
        self.places = []
        pieces = [piece for one in expressions for piece in one.split(', ')]
        kinds = api.functions[member.calls].arguments
        place = 1
        while place < len(kinds):
            # Descriptors are numbers as well, but the function only reads them.
            if api.is_result(member.calls, place) and not (pieces and pieces[0].endswith('.files')):
                place += self.add(api, f'out{place}', kinds[place:])
            elif pieces:
                self.places.append(pieces.pop(0))
                place += 1
            else:
                no_rule(member, f'with fewer arguments than {member.calls} has')
        if pieces:
            no_rule(member, f'with more arguments than {member.calls} has')

    def add(self, api, name, kinds):
        """Takes the result that is the first of the arguments; returns how many of them it is."""
        kind = kinds[0]
        if kind in (PARAMS_GIVEN, PARAMS_FILLED):
            self.declare.append(f'        g_auto(Params) {name} = {{}};')
            self.values.append(name)
            number = f'&{name}.n' if kinds[1] == 'int *' else f'({kinds[1]})&{name}.n'
            self.places += [f'&{name}.params' if kind == PARAMS_GIVEN else f'{name}.params', number]
            if kind == PARAMS_FILLED:
                self.before.append(name)
            return 2
        if kind == TEXT:
            # Only a UUID is written to the caller's memory.
            self.declare.append(f'        char {name}[VIR_UUID_STRING_BUFLEN];')
            self.values.append(name)
            self.places.append(name)
            return 1
        if kind in NUMBERS:
            self.declare.append(f'        {NUMBERS[kind]} {name} = 0;')
            self.values.append(name)
        elif kind in api.structures:
            structure, fields = api.structures[kind]
            self.declare.append(f'        {structure} {name} = {{}};')
            self.values += [f'{name}.{field}' for field in fields]
        else:
            self.declare.append(f'        {kind[:-1]}{"" if kind[-2] == "*" else " "}{name} = NULL;')
            self.list = name
        self.places.append(f'&{name}')
        return 1


def reply_value(member, values):
    """The expression of a reply that is made of so many results."""
    pieces = re.findall(r'a\{sv\}|.', ''.join(member.outs).strip('()'))
    if len(pieces) != len(values):
        no_rule(member, f'that returns {member.out_type!r}, while the function has {len(values)} results')
    forms, casts = zip(*((VALUES[piece][0], VALUES[piece][1].format(value)) for piece, value in zip(pieces, values)))
    if member.out_type.startswith('('):
        return f'g_variant_new("({"".join(forms)})", {", ".join(casts)})'
    # g_variant_new() wants no value that is one already.
    return casts[0] if forms[0].startswith('@') else f'g_variant_new("{forms[0]}", {casts[0]})'


def fill_lines(call, name):
    """Asks how many parameters there are, makes room, and asks for them."""
    return [f'        if ({call.replace(f"{name}.params", "NULL", 1)} < 0 || !params_allocate(&{name}) ||',
            f'            {call} < 0)',
            '                return call_failed(error);', '']


def reply_lines(api, member, expressions):
    """The declarations of the results, how the function is called, and how its results become the reply."""
    out = ''.join(member.outs)
    results = Results(api, member, expressions)
    call = f'{member.calls}({", ".join(["object"] + results.places)})'
    returns = api.functions[member.calls].returns
    simple = {'s': 'text', 'b': 'boolean', 'i': 'int32', 'u': 'uint32'}

    if results.list and out in ('ao', 'as'):
        count = [f'        n = {call};']
        if out == 'as':
            reply = f'        return call_reply_strings({results.list}, n, error);'
        else:
            reply = (f'        return call_reply_list(call, &kind_{snake(kind_of(member))}, '
                     f'(void **){results.list}, n, error);')
        return results.declare + ['        int n;'], count + [reply]
    if results.values and returns == TEXT:
        results.declare.append('        g_autofree char *text = NULL;')
        lines = [f'        text = {call};', '        if (!text)', '                return call_failed(error);', '']
        return results.declare, lines + [f'        return {reply_value(member, ["text"] + results.values)};']
    if results.values:
        lines = [f'        if ({call} < 0)', '                return call_failed(error);', '']
        for name in results.before:
            lines = fill_lines(call, name)
        return results.declare, lines + [f'        return {reply_value(member, results.values)};']
    if not member.outs:
        return [], [f'        return {call} < 0 ? call_failed(error) : call_done();']
    if out in simple:
        return [], [f'        return call_reply_{simple[out]}({call}, error);']
    if out == 'o':
        return [], [f'        return call_reply_object(call, &kind_{snake(kind_of(member))}, {call}, error);']
    return no_rule(member, f'that returns {out!r}')


def handler_lines(name, interface, declare, body):
    return [f'static GVariant *{name}(Call *call, GError **error)', '{',
            f'        vir{interface.short}Ptr object = call_object(call);', *declare, '',
            '        if (!object)', '                return call_failed(error);', '', *body, '}', '']


def setter_lines(member):
    """libvirt's functions of a property that is written come in a pair."""
    return handler_lines(member.setter, member.interface, ['        gboolean value;'], [
        '        g_variant_get(call_args(call), "(b)", &value);',
        f'        return {setter_of(member.calls)}(object, value) < 0 ? call_failed(error) : call_done();'])


def generated_handler(api, member):
    declare, read, expressions = read_arguments(member)
    results, reply = reply_lines(api, member, expressions)
    lines = handler_lines(member.handler, member.interface, declare + results, read + reply)
    return lines + setter_lines(member) if member.writable else lines


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
    if member.kind == 'method' and member.documents:
        fields.append(f'.documents = {sum(1 << i for i in member.documents)}')
    if member.takes_long:
        fields.append('.takes_long = true')
    if member.opens_stream:
        fields.append('.opens_stream = true')
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


def interface_table(api, interface):
    lines = []
    for member in interface.members:
        if member.kind != 'signal' and member.calls:
            lines += generated_handler(api, member)
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


def write_source(api, interfaces, standard):
    lines = ['/* Made by generate.py from the interface files; do not edit. */', '',
             '#include "base/utf8.h"', '#include "call/arguments.h"', '#include "call/handler.h"',
             '#include "members.h"', '#include "virt/typed_params.h"', '', '#include <libvirt/libvirt-qemu.h>', '']
    for interface in interfaces:
        lines += interface_table(api, interface)
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
    parser.add_argument('--api', action='append', required=True, help="libvirt's description of its API")
    parser.add_argument('files', nargs='+')
    options = parser.parse_args()

    api = Api(options.api)
    interfaces = [Interface(e, api) for f in options.files
                  for e in ElementTree.parse(f).getroot().findall('interface')]
    standard = ElementTree.parse(options.standard).getroot().findall('interface')
    for path, lines in ((options.source, write_source(api, interfaces, standard)),
                        (options.header, write_header(interfaces))):
        with open(path, 'w', encoding='utf-8') as output:
            output.write('\n'.join(lines))


if __name__ == '__main__':
    main()
