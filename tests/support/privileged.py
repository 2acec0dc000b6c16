# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirtd that takes itself for root's, for what a session's does not have: network filters. It runs in
namespaces of its own, where an ordinary user is root and everything it would write to is empty and private:
it neither needs root nor touches the machine's own libvirt."""

import os
import subprocess

from . import host
from .bus import answers
from .process import PATIENCE, as_user, ordinary_user, spawn, wait_until

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


class Libvirtd(host.Libvirtd):
    """It has the same life as an ordinary user's; its socket takes every user."""

    def __init__(self, home, cache):
        super().__init__(home, cache)
        sockets = self.directory("sockets")
        self.socket = os.path.join(sockets, "libvirt-sock")
        self.config = self.root / "libvirtd.conf"
        self.config.write_text(f'unix_sock_dir = "{sockets}"\nunix_sock_rw_perms = "0777"\n'
                               'auth_unix_rw = "none"\nauth_unix_ro = "none"\n', encoding="utf-8")
        self.config.chmod(0o644)

    @property
    def uri(self):
        return f"qemu+unix:///system?socket={self.socket}"

    def start(self):
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = spawn([*SPACE, "sh", "-c", SCRIPT, "sh", str(self.config)], self.home,
                                 env=self.env, user=self.user, stdout=log, stderr=log)
        wait_until(lambda: answers(self.socket) or self.process.poll() is not None, 30 * PATIENCE,
                   "libvirtd listens")
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
        return self
