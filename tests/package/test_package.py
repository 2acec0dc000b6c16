# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian package: built, checked, installed in a copy of this machine, used there, and removed."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from machine import Machine, Unavailable
from support.client import CONNECT, DOMAIN, Client
from support.process import PATIENCE, as_user, ordinary_user, wait_until
from support.service import CHECKOUT, OURS, wait_connected

pytestmark = pytest.mark.long

THEIRS = "libvirt-dbus"
NAME = "org.libvirt"
TEST = "/org/libvirt/Test"
STATE = "/var/lib/guestbus"
UNIT = "etc/systemd/system/multi-user.target.wants/guestbusd.service"
POLICY = "usr/share/dbus-1/system.d/org.libvirt.conf"
CONFIGURATION = "etc/guestbus/guestbusd.conf"
RESTRICTION = "usr/share/doc/guestbus/org.libvirt-restricted.conf.example"
DEPENDANT = f"""Package: dependant
Version: 1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Depends: {THEIRS} (>= 1.2.0)
Description: asks for {THEIRS}
"""


def run(argv, where):
    """Runs a program as an ordinary user with nothing of ours in its environment; returns what it wrote."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(where), "TMPDIR": str(where),
           "LC_ALL": "C.UTF-8"}
    done = subprocess.run(as_user(argv, ordinary_user()), cwd=where, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def ignored(directory, names):
    """What is not source: nothing that was built or is git's goes into the copy."""
    top = directory == str(CHECKOUT)
    return {name for name in names if name == "__pycache__" or
            top and (name.startswith((".git", ".pytest", "build")) and name != ".gitignore")}


@pytest.fixture(scope="module")
def built():
    """The directory with the packages, built once for all tests."""
    for program in ("dpkg-buildpackage", "dh"):
        if not shutil.which(program, path="/usr/bin"):
            pytest.skip(f"{program} is not installed")
    place = pathlib.Path(tempfile.mkdtemp(prefix="gb-", dir="/tmp"))
    try:
        shutil.copytree(CHECKOUT, place / "guestbus", ignore=ignored, symlinks=True)
        user = ordinary_user()
        if user:
            subprocess.run(["chown", "-R", "{}:{}".format(*user), str(place)], check=True)
        run(["dpkg-buildpackage", "-us", "-uc", "-b"], place / "guestbus")
        yield place
    finally:
        shutil.rmtree(place)


@pytest.fixture
def package(built):
    file, = built.glob("guestbus_*.deb")
    return file


@pytest.fixture
def machine(home):
    """A copy of this machine, as libvirt's own packages leave one: with the group libvirt."""
    if os.geteuid() != 0:
        pytest.skip("only root can install packages")
    try:
        copy = Machine(home)
    except Unavailable as error:
        pytest.skip(f"this machine cannot be copied: {error}")
    try:
        if copy.installed("guestbus"):
            copy.run("dpkg", "--purge", "guestbus")
        copy.attempt("userdel", "guestbus")  # of an installation by hand
        copy.run("groupadd", "--system", "--force", "libvirt")
        yield copy
    finally:
        copy.stop()


@pytest.fixture
def dependant(home):
    """A package that needs libvirt-dbus, as Cockpit's Machines page does."""
    control = home / "dependant" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(DEPENDANT, encoding="utf-8")
    file = home / "dependant.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(home / "dependant"), str(file)],
                   check=True, stdout=subprocess.DEVNULL)
    return file


def sequence(client):
    return client.get("/org/libvirt/Test", "org.guestbus.Connection1", "Sequence")[1]


def account(machine):
    """The service's account, as three files know it."""
    return [machine.attempt("getent", database, "guestbus") for database in ("passwd", "group", "shadow")]


def test_version(built, package):
    """The changelog and the build agree on the version."""
    text = (CHECKOUT / "meson.build").read_text(encoding="utf-8")
    version = re.search(r"^  version: '(.*)'", text, re.MULTILINE).group(1)
    assert run(["dpkg-deb", "--field", str(package), "Version"], built).strip() == version


def test_lintian(built):
    if not shutil.which("lintian", path="/usr/bin"):
        pytest.skip("lintian is not installed")
    changes, = built.glob("*.changes")
    assert run(["lintian", "-EvI", "--pedantic", "--quiet", "--fail-on=warning,info,pedantic,experimental",
                changes.name], built) == ""


def check_configuration(machine):
    """It is the host's, is read, and says nothing as it comes."""
    assert f"/{CONFIGURATION}" in machine.run("dpkg-query", "--show", "--showformat=${Conffiles}", "guestbus")
    assert machine.run("guestbusd", "--system", "--check") == ""
    text = machine.outside(CONFIGURATION).read_text(encoding="utf-8")
    machine.outside(CONFIGURATION).write_text(f"{text}[limits]\nworkers=9\n", encoding="utf-8")
    status, words = machine.attempt("guestbusd", "--system", "--check")
    machine.outside(CONFIGURATION).write_text(text, encoding="utf-8")
    assert status == os.EX_CONFIG and f"/{CONFIGURATION}: line" in words


def check_command(machine):
    """It comes with the service, with its manual page and its completion."""
    machine.run("guestbusctl", "wait", "test", "running", "--timeout", "60")
    assert "test" in machine.run("guestbusctl", "list", "--names").split()
    assert "what is wrong" in machine.run("guestbusctl", "--help")
    assert machine.outside("usr/share/bash-completion/completions/guestbusctl").is_file()
    assert machine.outside("usr/share/man/man1/guestbusctl.1.gz").is_file()


def test_life(machine, package):
    """Installed, it is there when its name is called; purged, it leaves nothing."""
    if machine.installed(THEIRS):
        machine.run("dpkg", "--force-depends", "--purge", THEIRS)
    file = machine.bring(package)
    autopkgtest = machine.bring(CHECKOUT / "debian" / "tests" / "activation")
    before = machine.changes()
    address = machine.start_bus()

    # The bus reads the policy when it is unpacked, and passes over the account that is not there yet. Its
    # own trigger, which would make it read again, is held back: a unit starts before that.
    machine.run("dpkg", "--no-triggers", "--unpack", file)
    wait_until(lambda: 'Unknown username "guestbus"' in machine.bus_log(), 10 * PATIENCE, machine.bus_log)
    machine.run("dpkg", "--no-triggers", "--configure", "guestbus")
    assert machine.outside(POLICY).is_file()
    assert machine.outside(RESTRICTION).is_file(), "the manual names it"
    assert machine.outside(UNIT).is_symlink(), "not started at boot"
    check_configuration(machine)
    assert machine.changes() != before
    machine.run(autopkgtest)
    check_command(machine)

    with Client(address) as client:
        wait_connected(client)
        assert machine.run("stat", "--format=%U:%G %a", STATE).split() == ["guestbus:guestbus", "700"]
        assert int(machine.run("cat", f"{STATE}/last-number")) > sequence(client)
        client.match()
        guest, = client.connect("ListDomains", "u", 0)
        client.call(guest, DOMAIN, "Suspend")
        signal = client.wait_signal("DomainEvent", path=TEST, within=10 * PATIENCE)
        assert (signal.interface, signal.body[0]) == (CONNECT, guest)
        assert client.owner(NAME) == client.owner(OURS)

        pid = client.pid_of(NAME)
        assert "NoNewPrivs:\t1" in machine.run("cat", f"/proc/{pid}/status")
        machine.run("dpkg", "--triggers-only", "--pending")
        assert client.pid_of(NAME) == pid, "a trigger restarted the service"

        machine.run("dpkg", "--remove", "guestbus")
        wait_until(lambda: not client.has_owner(NAME), 10 * PATIENCE, "the service is gone")
    machine.run("dpkg", "--purge", "guestbus")

    assert machine.changes() == before
    assert [status for status, _ in account(machine)] == [2, 2, 2]


def test_upgrade(machine, package):
    """A new version does not leave the old one running, and the account keeps its number."""
    if machine.installed(THEIRS):
        machine.run("dpkg", "--force-depends", "--purge", THEIRS)
    file = machine.bring(package)
    address = machine.start_bus()
    machine.run("dpkg", "--install", file)
    accounts = account(machine)

    with Client(address) as client:
        wait_connected(client)
        first, mark = client.pid_of(NAME), sequence(client)
        machine.run("dpkg", "--install", file)
        wait_connected(client)
        assert client.pid_of(NAME) != first
        assert sequence(client) > mark
    assert account(machine) == accounts


def test_replaces_libvirt_dbus(machine, package, dependant):
    """It takes the place of libvirt-dbus while that runs, and nothing that needs libvirt-dbus has to go."""
    if not machine.installed(THEIRS):
        pytest.skip(f"{THEIRS} is not installed")
    file, other = machine.bring(package), machine.bring(dependant)
    address = machine.start_bus()
    machine.run("dpkg", "--install", other)

    with Client(address) as client:
        client.connect("ListDomains", "u", 0)
        theirs = client.pid_of(NAME)
        machine.run("dpkg", "--install", file)
        assert not machine.installed(THEIRS)
        machine.run("dpkg", "--install", other)
        assert len(client.connect("ListDomains", "u", 0)) == 1
        assert client.pid_of(NAME) != theirs
        assert client.pid_of(NAME) == client.pid_of(OURS)
