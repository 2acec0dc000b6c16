# SPDX-License-Identifier: LGPL-2.1-or-later
"""check_generator.py CHECKOUT: introspection/generate.py with a small API of its own. Each shape of a function becomes
a handler, a member whose function is not in the API is left out, and what no rule can write is an error."""

import pathlib
import subprocess
import sys
import tempfile

from tap import tell

API = """<api><files><file name='x'/></files><symbols>
<struct name='virNodeInfo' type='struct _virNodeInfo'><field name='model' type='char[32]'/>
<field name='memory' type='unsigned long'/></struct>
<struct name='virThing' type='struct _virThing'/>
<enum name='VIR_EVENT_KNOWN' file='x'/>{functions}</symbols></api>"""
FUNCTION = "<function name='{}'><return type='{}'/>{}</function>"
FILE = "<node><interface name='org.libvirt.Thing'>{}</interface></node>"
MEMBER = """<method name='{name}'><annotation name='org.guestbus.Calls' value='vir{name}'/>
<annotation name='org.guestbus.Access' value='monitor'/>{arguments}</method>"""

SIGNAL = """<signal name='{0}'><annotation name='org.guestbus.Event' value='VIR_EVENT_{1}'/></signal>"""

# name, what the function returns, its arguments after the object; the member's ins and outs; the call and the reply
SHAPES = [
    ("Do", "int", ["unsigned int"], "u", "", "virDo(object, arg0) < 0 ?", "call_done()"),
    ("Number", "int", ["unsigned long *", "unsigned int"], "u", "t", "virNumber(object, &out1, arg0) < 0)",
     'g_variant_new("t", (guint64)out1)'),
    ("Pair", "int", ["int *", "int *"], "", "(ib)", "virPair(object, &out1, &out2) < 0)",
     'g_variant_new("(ib)", (gint32)out1, out2 != 0)'),
    ("Structure", "int", ["virNodeInfoPtr"], "", "(st)", "virStructure(object, &out1) < 0)",
     'g_variant_new("(@st)", utf8_variant(out1.model), (guint64)out1.memory)'),
    ("TextAndNumber", "char *", ["int *"], "", "(si)", "text = virTextAndNumber(object, &out1);",
     'g_variant_new("(@si)", utf8_variant(text), (gint32)out1)'),
    ("Mixed", "int", ["int *", "virTypedParameterPtr *", "unsigned int *", "unsigned int"], "u", "(ia{sv})",
     "virMixed(object, &out1, &out2.params, (unsigned int *)&out2.n, arg0) < 0)",
     'g_variant_new("(i@a{sv})", (gint32)out1, typed_params_to_variant(out2.params, out2.n))'),
    ("Filled", "int", ["const char *", "virTypedParameterPtr", "int *"], "s", "a{sv}",
     "virFilled(object, arg0, NULL, &out2.n) < 0 || !params_allocate(&out2) ||",
     "return typed_params_to_variant(out2.params, out2.n);"),
    ("Taken", "int", ["virTypedParameterPtr", "int", "unsigned int"], "a{sv}u", "",
     "virTaken(object, arg0.params, arg0.n, arg1) < 0 ?", "call_done()"),
    ("Strings", "int", ["const char *", "char ***", "unsigned int"], "su", "as",
     "n = virStrings(object, arg0, &out2, arg1);", "call_reply_strings(out2, n, error)"),
    ("ListDomains", "int", ["virDomainPtr **", "unsigned int"], "u", "ao",
     "n = virListDomains(object, &out1, arg0);", "(void **)out1, n, error)"),
    ("Files", "int", ["unsigned int", "int *", "unsigned int"], "ahu", "",
     "virFiles(object, arg0.n, arg0.files, arg1) < 0 ?", "call_done()"),
    ("GetUUIDString", "int", ["char *"], "", "s", "virGetUUIDString(object, out1) < 0)", "utf8_variant(out1)"),
]
# No rule writes these: too few and too many arguments, another number of results, one of another kind.
REFUSED = [
    ("Few", "int", ["unsigned int", "unsigned int"], "u", "", "with fewer arguments than virFew"),
    ("Many", "int", ["unsigned int"], "uu", "", "with more arguments than virMany"),
    ("Results", "int", ["int *", "int *"], "", "i", "that returns 'i', while the function has 2 results"),
    ("Odd", "void *", [], "", "ay", "that returns 'ay'"),
]


def arguments(signature, direction):
    pieces = {"a{sv}u": ["a{sv}", "u"], "ahu": ["ah", "u"], "su": ["s", "u"], "uu": ["u", "u"]}
    return "".join(f"<arg name='a{index}' type='{one}' direction='{direction}'/>"
                   for index, one in enumerate(pieces.get(signature, [signature] if signature else [])))


def generate(checkout, functions, members, signals=""):
    """Returns (what is said on standard error, the source) of one run."""
    with tempfile.TemporaryDirectory() as name:
        home = pathlib.Path(name)
        (home / "api.xml").write_text(API.format(functions="".join(
            FUNCTION.format(f"vir{name}", returns, "".join(f"<arg type='{one}'/>" for one in ["virThingPtr", *takes]))
            for name, returns, takes in functions)), encoding="utf-8")
        (home / "thing.xml").write_text(FILE.format("".join(
            MEMBER.format(name=name, arguments=arguments(ins, "in") + arguments(outs, "out"))
            for name, ins, outs in members) + signals), encoding="utf-8")
        run = subprocess.run([sys.executable, checkout / "introspection" / "generate.py", "--source", home / "m.c",
                              "--header", home / "m.h", "--standard", checkout / "introspection" / "standard.xml",
                              "--api", home / "api.xml", home / "thing.xml"],
                             capture_output=True, text=True, check=False)
        source = home / "m.c"
        return run.stderr, source.read_text(encoding="utf-8") if source.exists() else ""


def main(checkout):
    print("1..3")
    functions = [shape[:3] for shape in SHAPES]
    said, source = generate(checkout, functions, [(s[0], s[3], s[4]) for s in SHAPES])
    faults = [said] if said else []
    faults += [f"{shape[0]}: no {text}" for shape in SHAPES for text in shape[5:] if text not in source]
    fine = [tell(1, "each shape of a function becomes a handler", faults)]

    said, source = generate(checkout, functions, [("Do", "u", ""), ("Newer", "u", "")],
                            SIGNAL.format("Told", "KNOWN") + SIGNAL.format("NewerToo", "NOT_YET"))
    fine.append(tell(2, "a member whose function or event is not there is left out",
                     [said] * bool(said) + ["Do is not there"] * ("thing_do" not in source)
                     + ["Told is not there"] * ("\"Told\"" not in source) + ["Newer is there"] * ("ewer" in source)))

    faults = [f"{name}: {said}" for name, returns, takes, ins, outs, reason in REFUSED
              for said in generate(checkout, [(name, returns, takes)], [(name, ins, outs)])[:1] if reason not in said]
    fine.append(tell(3, "what no rule writes is an error that says why", faults))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
