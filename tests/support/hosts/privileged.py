# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirtd that takes itself for root's, for what a session's does not have: network filters. It runs in
namespaces of its own, where an ordinary user is root and everything it would write to is empty and private:
it neither needs root nor touches the machine's own libvirt."""

import subprocess

from ..process import as_user, ordinary_user
from . import host

SPACE = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--propagation", "private"]
SCRIPT = """set -e
for directory in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
        mount -t tmpfs none "$directory"
done
printf 'user = "root"\\ngroup = "root"\\ndynamic_ownership = 0\\n' >/etc/libvirt/qemu.conf
exec libvirtd -f "$1"
"""


def available():
    """Whether this machine lets an ordinary user have such namespaces."""
    run = subprocess.run(as_user([*SPACE, "sh", "-c", SCRIPT.replace("exec libvirtd -f", "true"), "sh", "x"],
                                 ordinary_user()), capture_output=True, timeout=60, check=False)
    return run.returncode == 0


class Libvirtd(host.SystemLibvirtd):
    """An ordinary user's."""

    def __init__(self, home, cache):
        super().__init__(home, cache)
        self.admit_all(self.root / "libvirtd.conf")

    def command(self):
        return [*SPACE, "sh", "-c", SCRIPT, "sh", str(self.config)]
