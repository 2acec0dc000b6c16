# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the configuration is read from, what it comes to, and --check, which says so without starting anything."""

import os
import subprocess

import pytest

from support.process import PATIENCE, ordinary_user
from support.service import FAULTS, OURS, command

ROOT = "/org/libvirt"
MANAGER = "org.guestbus.Manager1"


def check(*args, **env):
    """(exit status, what it wrote to stderr) of --check; nothing goes to stdout."""
    full = {name: value for name, value in os.environ.items() if name != "GUESTBUS_CONFIG_DIR"} | env
    result = subprocess.run(command("--check", *args), capture_output=True, text=True, check=False,
                            timeout=20 * PATIENCE, env=full | {"LC_ALL": "C.UTF-8"})
    assert not FAULTS.search(result.stderr), result.stderr
    assert result.stdout == ""
    return result.returncode, result.stderr


@pytest.fixture(name="place")
def empty_place(home):
    path = home / "guestbus"
    (path / "guestbusd.conf.d").mkdir(parents=True)
    return path


def write(place, text, name="guestbusd.conf"):
    (place / name).write_text(text, encoding="utf-8")


def names(client):
    return sorted(path.rpartition("/")[2] for path in client.get(ROOT, MANAGER, "Connections")[1])


# --check

def test_good_ones_pass_without_a_word(home, place, preload):
    write(place, "[limits]\nworkers=2\n")
    write(place, "[connections]\nA=qemu:///system\n[identity]\nforward=A\n", "guestbusd.conf.d/a.conf")
    touching = preload("abort_on_use")
    for args in (["--config", str(place / "guestbusd.conf")], [], ["--connect", "B=test:///default", "--verbose"],
                 ["--address", f"unix:path={home}/none"], ["--session"], ["--system"]):
        if "B=test:///default" in args:
            (place / "guestbusd.conf.d/a.conf").unlink()
        assert check(*args, GUESTBUS_CONFIG_DIR=str(place), **touching) == (0, ""), args


@pytest.mark.parametrize("text, words", [
    ("[limits]\nworkers=9\n", ["line 2: [limits] workers: ", "must be from 1 to 5"]),
    ("[limits]\nspeed=9\n", ["line 2: [limits] speed: ", "there are: workers, "]),
    ("[limits]\nworkers=2\nworkers=3\n", ["line 3: [limits] workers: ", "there already, in line 2"]),
    ("[limits]\n[connections]\n[limits]\n", ["line 3: [limits]: ", "there already, in line 1"]),
    ("[connections]\nA=nowhere\n", ["line 2: [connections] A: ", "such as qemu:///system"]),
    (f"[connections]\n{'A' * 256}=test:///default\n", ["line 2: [connections] AAA", "at most 255"]),
    ("[identity]\nforward=None\n", ["[identity] forward: ", "to None: there is no such connection"]),
    ("[limits\n", ["line 1: "])])
def test_bad_ones_are_named(place, preload, text, words):
    """As one file, as Ansible's validate has it, and where the service would find it."""
    write(place, text)
    file = place / "guestbusd.conf"
    for args, env in ((["--config", str(file)], {}), ([], {"GUESTBUS_CONFIG_DIR": str(place)})):
        status, error = check(*args, **env, **preload("abort_on_use"))
        assert status == os.EX_CONFIG
        assert error.startswith(f"guestbusd: failed to read configuration {file}: ")
        assert all(word in error for word in words), error


def test_a_bad_command_line_is_another_status(place):
    assert check("--nonsense")[0] == os.EX_USAGE
    status, error = check("--connect", "A=nowhere", GUESTBUS_CONFIG_DIR=str(place))
    assert status == os.EX_CONFIG and "such as qemu:///system" in error
    assert check("--config", str(place / "none"))[0] == os.EX_CONFIG


def test_a_file_that_may_not_be_read(place):
    write(place, "[limits]\n")
    (place / "guestbusd.conf").chmod(0)
    argv, user = command("--check"), ordinary_user()
    if user:
        argv = ["setpriv", "--reuid", str(user[0]), "--regid", str(user[1]), "--clear-groups", *argv]
    result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20 * PATIENCE,
                            env=os.environ | {"GUESTBUS_CONFIG_DIR": str(place), "LC_ALL": "C.UTF-8"})
    assert result.returncode == os.EX_CONFIG
    assert f"{place}/guestbusd.conf: Permission denied" in result.stderr


def test_a_users_own(home):
    """Of a service on a session bus."""
    place = home / "guestbus"
    place.mkdir()
    write(place, "[limits]\nspeed=9\n")
    status, error = check("--session", XDG_CONFIG_HOME=str(home))
    assert status == os.EX_CONFIG and f"{place}/guestbusd.conf" in error


# The service

def test_what_is_there_is_read(one_bus, run_service, connect, place):
    write(place, "[connections]\nA=test:///default\nB=test:///default\nC=test:///default\n")
    write(place, "[connections]\nB=\nD=test:///default\n", "guestbusd.conf.d/20.conf")
    write(place, "nonsense", "guestbusd.conf.d/20.conf.dpkg-old")
    run_service(one_bus, {}, env={"GUESTBUS_CONFIG_DIR": str(place)})
    assert names(connect(one_bus)) == ["A", "C", "D"]


def test_a_file_that_is_named_is_the_only_one(one_bus, run_service, connect, place):
    write(place, "nonsense")
    write(place, "nonsense", "guestbusd.conf.d/a.conf")
    run_service(one_bus, {}, config="[connections]\nOnly=test:///default\n", env={"GUESTBUS_CONFIG_DIR": str(place)})
    assert names(connect(one_bus)) == ["Only"]


def test_options_win(one_bus, run_service, connect, place):
    write(place, "[connections]\nA=test:///default\n")
    run_service(one_bus, {"Option": "test:///default"}, env={"GUESTBUS_CONFIG_DIR": str(place)})
    assert names(connect(one_bus)) == ["Option"]


def test_an_empty_list_is_no_connection(bus, run_service, connect):
    """Not the built-in one, which it takes the place of. The service is there, and serves none."""
    service = run_service(bus, {}, config="[connections]\n")
    client = connect(bus)
    assert names(client) == []
    assert client.pid_of(OURS) == client.pid_of("org.libvirt") == service.pid
    assert "<node name=" not in client.introspect(ROOT)
    managed, = client.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    assert managed == {}
    service.stop()


def test_a_bad_one_ends_it(one_bus, run_service, place):
    write(place, "[limits]\nworkers=2\nworkers=3\n", "guestbusd.conf.d/bad.conf")
    service = run_service(one_bus, {}, start=False, env={"GUESTBUS_CONFIG_DIR": str(place)}).spawn()
    try:
        assert service.process.wait(10 * PATIENCE) == os.EX_CONFIG
        assert f"{place}/guestbusd.conf.d/bad.conf: line 3: [limits] workers: " in service.stderr()
    finally:
        service.abandon()
