# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt's own description of its API (libvirt-api.xml, which comes with its headers) says of its functions and
structures, and which of the functions the interface files name."""

import collections
import re
import xml.etree.ElementTree as ElementTree

Function = collections.namedtuple("Function", "name returns arguments")

# A pointer that a function writes a number to: the type of the variable that it gets.
NUMBERS = {f'{number} *': number for number in (
    'int', 'unsigned int', 'unsigned long', 'unsigned long long', 'long long')}
PARAMS_GIVEN, PARAMS_FILLED = 'virTypedParameterPtr *', 'virTypedParameterPtr'
STRINGS, TEXT = 'char ***', 'char *'


class Api:
    """The functions and structures of all descriptions given."""

    def __init__(self, files):
        roots = [ElementTree.parse(file).getroot() for file in files]
        self.functions = {one.get('name'): Function(one.get('name'), one.find('return').get('type'),
                                                    [arg.get('type') for arg in one.findall('arg')])
                          for root in roots for one in root.iter('function')}
        self.constants = {one.get('name') for root in roots for one in root.iter('enum')}
        # {"virNodeInfoPtr": ("virNodeInfo", [names of its fields])}
        self.structures = {f'{one.get("name")}Ptr': (one.get('name'), [f.get('name') for f in one.findall('field')])
                           for root in roots for one in root.iter('struct') if one.find('field') is not None}

    def has(self, element):
        """Whether this libvirt has what a member stands on: its functions, or the event that it announces."""
        event = annotation(element, 'org.guestbus.Event')
        return all(name in self.functions for name in functions_of(element)) and (not event or event in self.constants)

    def is_result(self, function, place):
        """Whether the argument at that place is one that the function writes its result to."""
        arguments = self.functions[function].arguments
        kind = arguments[place]
        if kind == PARAMS_FILLED:
            # A function that only reads the parameters takes their number, not a pointer to it.
            return arguments[place + 1] == 'int *'
        return (kind in NUMBERS or kind in self.structures or kind in (PARAMS_GIVEN, STRINGS, TEXT)
                or kind.endswith('Ptr **'))


def annotation(element, name):
    for child in element.findall('annotation'):
        if child.get('name') == name:
            return child.get('value')
    return None


def functions_of(element):
    """libvirt's functions that a member stands on, by its annotations; a property that is written has a second one."""
    named = annotation(element, 'org.guestbus.Calls') or annotation(element, 'org.guestbus.Function') or ''
    functions = re.findall(r'\w+', named)
    if element.get('access') == 'readwrite':
        functions += [setter_of(name) for name in functions]
    return functions


def setter_of(getter):
    return getter.replace('Get', 'Set')
