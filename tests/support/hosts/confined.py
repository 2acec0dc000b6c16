# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirtd of root's that asks polkit about each object (access_drivers), among people (people.py) and on a
bus with polkitd; and guestbusd that forwards its callers to it.

It is root's because polkit answers questions about others only to root. It runs in namespaces of its own,
where everything that it would write to is the test's: nothing touches the machine's own libvirt."""

import contextlib
import json
import os
import pathlib
import shutil
import sys

from ..models.listener import MANAGER, ROOT
from ..process import PATIENCE, alive, end_all
from ..service import Service
from . import host
from . import guarded as guards

API = pathlib.Path("/usr/share/polkit-1/actions/org.libvirt.api.policy")
SPACE = ["unshare", "--mount", "--net", "--propagation", "private"]
# What there is instead of the machine's own.
MOUNTS = {"run": "/run", "etc": "/etc/libvirt", "lib": "/var/lib/libvirt", "cache": "/var/cache/libvirt",
          "log": "/var/log/libvirt"}
SCRIPT = """set -e
config=$1
shift
while [ $# -gt 0 ]; do
        mount --bind "$1" "$2"
        shift 2
done
exec libvirtd -f "$config"
"""
# A client that knows nothing of the service.
DIRECT = """import json, libvirt, sys
libvirt.registerErrorHandler(lambda context, error: None, None)
c = libvirt.open(sys.argv[1])
said = []
for expression in sys.argv[2:]:
    try:
        said.append(eval(expression))
    except libvirt.libvirtError as error:
        said.append(error.get_error_message())
print(json.dumps(said))
"""
# ProtectProc=invisible.
HIDE = """mount -t proc -o hidepid=2 proc /proc
account=$1
shift
exec setpriv --reuid "$account" --regid "$account" --init-groups "$@"
"""
QEMU = "/org/libvirt/QEMU"
# The service's account may do just what forwarding takes: with that alone, it sees no guest itself.
ACCOUNT = """polkit.addRule(function (action, subject) {
    if (subject.user == "guestbus" && action.id.indexOf("org.libvirt.api.") == 0)
        return ["connect.getattr", "connect.write"].indexOf(action.id.substring(16)) >= 0 ?
            polkit.Result.YES : polkit.Result.NO;
});
"""


def only(who, *names):
    """A rule: somebody may do everything to the guests, networks and pools of those names, and nothing to
    others."""
    return (f'polkit.addRule(function (action, subject) {{\n'
            f'    var names = {list(names)};\n'
            f'    if (subject.user != "{who}")\n'
            f'        return;\n'
            f'    var kind = /^org\\.libvirt\\.api\\.(domain|network|storage-pool)\\./.exec(action.id);\n'
            f'    if (kind)\n'
            f'        return names.indexOf(action.lookup(\n'
            f'            kind[1] == "storage-pool" ? "pool_name" : kind[1] + "_name"))'
            f' >= 0 ? polkit.Result.YES : polkit.Result.NO;\n'
            f'    if (action.id.indexOf("org.guestbus1.") == 0)\n'
            f'        return polkit.Result.YES;\n'
            f'}});\n')


# Of each kind one is limited's ("mine"), one outsider's ("other").
MINE, OTHER = "11111111-2222-3333-4444-555555555555", "21111111-2222-3333-4444-555555555555"
NAMES = {"mine": MINE, "other": OTHER}
HIDDEN = only("limited", "mine") + only("outsider", "other")
NETWORK = "<network><name>{name}</name><uuid>{uuid}</uuid></network>"
POOL = "<pool type='dir'><name>{name}</name><uuid>{uuid}</uuid><target><path>/{name}</path></target></pool>"


def furnish(libvirtd):
    """Defines a guest, a network and a pool for each, and starts the guests."""
    for name, uuid in NAMES.items():
        libvirtd.define(host.guest_xml(name, uuid))
        libvirtd.virsh("net-define", libvirtd.file(NETWORK.format(name=name, uuid=uuid)))
        libvirtd.virsh("pool-define", libvirtd.file(POOL.format(name=name, uuid=uuid)))
        libvirtd.virsh("start", name)


def paths(caller):
    """The paths of a caller's picture of everything."""
    return set(caller.call(ROOT, MANAGER, "GetManagedObjects")[0])


def listening(one):
    """A client that hears everything that it may: it has called once."""
    one.match()
    assert paths(one)
    return one


def text_of(signals):
    return str([(one.path, one.member, one.body) for one in signals])


def mentions_other(text):
    return "other" in text or OTHER in text or OTHER.replace("-", "_") in text


def missing():
    """What this machine lacks, or None."""
    return guards.missing() or host.missing() or (None if API.exists() else str(API))


# libvirtd asks polkit before it lets a connection in: on a machine that is busy that takes its time.
LIMITS = f"[limits]\nopen-timeout={10 * PATIENCE}\n"


class Libvirtd(host.SystemLibvirtd):
    """Root's."""

    def __init__(self, home, people, bus):
        super().__init__(home, "home")
        shutil.copy(API, people.root / "actions")
        self.people = people
        self.user = None
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        self.mounts = [path for name, there in MOUNTS.items() if os.path.isdir(there)
                       for path in (self.directory(name), there)]
        self.admit_all(self.root / "etc" / "libvirtd.conf", 'access_drivers = ["polkit"]\n')
        (self.root / "etc" / "qemu.conf").write_text(
            'user = "root"\ngroup = "root"\ndynamic_ownership = 0\nsecurity_driver = "none"\n'
            'cgroup_controllers = []\nnamespaces = []\nstdio_handler = "file"\n', encoding="utf-8")

    def command(self):
        return self.people.wrap([*SPACE, "sh", "-c", SCRIPT, "sh", str(self.config), *self.mounts])

    def qemus(self):
        found = (self.root / "run" / "libvirt" / "qemu").glob("*.pid")
        pids = [int(path.read_text()) for path in found if path.name != "driver.pid"]
        return [pid for pid in pids if alive(pid)]

    def finish(self):
        pids = self.qemus()
        super().finish()
        end_all(pids)


class Confined(guards.Guarded):
    """A Guarded world with that libvirtd, and the service forwarding its callers to it as QEMU."""

    def __init__(self, home, people, bus, polkit, libvirtd):
        super().__init__(home, people, bus, polkit)
        self.libvirtd = libvirtd

    def serve(self, account="guestbus", connections=None, limits="", hidden=False):
        """`limits` are lines of the configuration's group. With `hidden` the service does not see the processes of others, as its unit has it."""
        def wrap(argv):
            return self.people.wrap([*SPACE, "sh", "-c", HIDE, "sh", account, *argv] if hidden else argv,
                                    "root" if hidden else account)
        self.service = Service(self.bus, self.home, {"QEMU": self.libvirtd.uri, **(connections or {})},
                               config=f"[identity]\nforward=QEMU\n{LIMITS}{limits}", wrap=wrap)
        return self.service.start()

    def direct(self, who, *expressions):
        """What python3-libvirt gives somebody who asks libvirtd without the service, for each expression about
        a connection c: its value, or the text of libvirt's error."""
        result = self.people.run([sys.executable, "-c", DIRECT, self.libvirtd.uri, *expressions], who)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@contextlib.contextmanager
def confined(rules, **options):
    """A Confined of its own, with the service running."""
    with guards.surroundings(ACCOUNT + rules + guards.RULES) as (home, people, bus, polkit):
        libvirtd = Libvirtd(home, people, bus)
        with contextlib.ExitStack() as stack:
            stack.callback(libvirtd.finish)
            polkit.start()
            libvirtd.start()
            yield stack.enter_context(guards.serving(Confined(home, people, bus, polkit, libvirtd), **options))
