# SPDX-License-Identifier: LGPL-2.1-or-later
"""The modular daemons of libvirt, each with one driver: real ones where they are installed, and libvirtds in their
place elsewhere. A libvirtd has all drivers, so one that stands for a hypervisor's daemon asks no other daemon; but the
service cannot tell, for it is the name of the socket that says what is there."""

import os
import shutil

from .host import Libvirtd

NAMES = ("qemu", "network", "storage", "nodedev", "secret")


def are_installed():
    return all(shutil.which(f"virt{name}d") for name in NAMES)


class Daemon(Libvirtd):
    """A modular daemon. Those of one directory find each other."""

    def __init__(self, home, cache, name):
        super().__init__(home, cache)
        self.name = name
        self.socket = os.path.join(os.path.dirname(self.socket), f"virt{name}d-sock")
        self.log = self.home / f"virt{name}d.log"

    @property
    def uri(self):
        return f"{self.name}+unix:///session?socket={self.socket}"

    def command(self):
        return [f"virt{self.name}d"]


class StandIn(Libvirtd):
    """A libvirtd of its own at the place of a modular daemon's socket."""

    def __init__(self, home, cache, name):
        (home / name).mkdir()
        super().__init__(home / name, cache)
        self.name = name
        sockets = home / "sockets"
        sockets.mkdir(exist_ok=True)
        self.place = sockets / f"virt{name}d-sock"

    @property
    def uri(self):
        return f"{self.name}+unix:///session?socket={self.place}"

    def start(self):
        super().start()
        self.place.unlink(missing_ok=True)
        self.place.symlink_to(self.socket)
        return self


class Host:
    """daemons["network"] and so on: Daemon or StandIn."""

    def __init__(self, home, cache, kind=Daemon, names=NAMES):
        self.daemons = {name: kind(home, cache, name) for name in names}

    def __getitem__(self, name):
        return self.daemons[name]

    @property
    def uri(self):
        return self["qemu"].uri

    def start(self):
        for one in self.daemons.values():
            one.start()
        return self

    def finish(self):
        for one in self.daemons.values():
            one.finish()
