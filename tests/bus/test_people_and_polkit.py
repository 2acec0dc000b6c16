# SPDX-License-Identifier: LGPL-2.1-or-later
"""The people and the polkit of the tests, without the service: what polkitd itself says of each, and that they stay
while the machine's own accounts change."""

import os
import shutil
import subprocess
import sys

import pytest

from support.client import DBusError
from support.hosts import people as others
from support.hosts import polkit as authority
from support.hosts.polkit import LIBVIRT_RULES, MANAGE, MONITOR, NAME, OUR_MANAGE, OUR_MONITOR, rule
from support.process import PATIENCE, wait_until
from support.service import CHECKOUT

YES, NO, PASSWORD = (True, False), (False, False), (False, True)

# In a mount namespace whose /etc has the accounts alone: another /etc/passwd and /etc/group take the place of those
# that were there when the people came, as an installation does it.
SCRIPT = """import os, shutil, subprocess, sys
subprocess.run(["mount", "--bind", sys.argv[1], "/etc"], check=True)
sys.path.insert(0, sys.argv[2])
from support.hosts.people import People
people = People(sys.argv[3])
said = []
try:
    said.append(people.run(["id"], "member").stdout)
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", f"/etc/{name}.new")
        with open(f"/etc/{name}.new", "a", encoding="utf-8") as file:
            file.write("installed:x:60123:60123::/:/bin/sh\\n" if name == "passwd" else "installed:x:60123:\\n")
        os.rename(f"/etc/{name}.new", f"/etc/{name}")
    subprocess.run(["id", "installed"], check=True)
    said.append(people.run(["id"], "member").stdout)
finally:
    people.stop()
assert "(member)" in said[0] and "(libvirt)" in said[0] and said[0] == said[1], said
"""


@pytest.fixture
def ask(polkit, connect_as):
    """ask(who, action): polkitd's answer about that person's own connection."""
    clients = {}

    def check(who, action):
        if who not in clients:
            clients[who] = connect_as(who, polkit.bus)
        return polkit.check(clients[who].unique_name, action)
    return check


def test_people_are_real_users_and_only_there(people):
    """Each has a uid and groups of their own; the machine does not know them."""
    for who, uid in people.ids.items():
        assert people.run(["id", "-un"], who).stdout.strip() == who
        assert people.run(["id", "-u"], who).stdout.strip() == str(uid)
    groups = {who: people.run(["id", "-Gn"], who).stdout.split() for who in people.ids}
    assert groups == {"member": ["member", "libvirt"], "outsider": ["outsider"], "limited": ["limited"],
                      "stranger": ["stranger"], "guestbus": ["guestbus", "libvirt"]}
    with open("/etc/passwd", encoding="utf-8") as accounts:
        assert "outsider:" not in accounts.read()


def test_people_stay_when_the_machines_accounts_are_replaced(home):
    if others.missing():
        pytest.skip(f"{others.missing()} is not there")
    etc = home / "etc"
    etc.mkdir()
    for name in ("passwd", "group"):
        shutil.copy(f"/etc/{name}", etc)
    result = subprocess.run([*others.SPACE, sys.executable, "-c", SCRIPT, str(etc), str(CHECKOUT / "tests"), str(home)],
                            capture_output=True, text=True, check=False, timeout=60 * PATIENCE)
    assert result.returncode == 0, result.stderr


def test_a_persons_client_is_theirs_to_the_bus(people, people_bus, connect_as):
    """The bus names the uid and the process of the person, and sees that they leave."""
    for who, uid in people.ids.items():
        client = connect_as(who, people_bus)
        assert client.bus("GetConnectionUnixUser", "s", client.unique_name) == uid
        pid = client.pid_of(client.unique_name)
        assert pid == client.process.pid
        assert os.stat(f"/proc/{pid}").st_uid == uid
    watcher = connect_as("root", people_bus)
    watcher.match("type='signal',member='NameOwnerChanged'")
    client.close()
    name = client.unique_name
    watcher.wait_signal("NameOwnerChanged", body=(name, name, ""))


def test_polkitd_answers_for_each_person(ask):
    """libvirt's defaults and its rule, and the service's: everyone monitors, the group manages, others need a
    password."""
    for action in (MONITOR, OUR_MONITOR):
        assert {who: ask(who, action) for who in ("root", "member", "outsider", "limited")} == {
            "root": YES, "member": YES, "outsider": YES, "limited": YES}
    for action in (MANAGE, OUR_MANAGE):
        assert {who: ask(who, action) for who in ("root", "member", "outsider", "limited")} == {
            "root": YES, "member": YES, "outsider": PASSWORD, "limited": PASSWORD}


def test_rules_change_while_it_runs(polkit, ask):
    """change() returns when the new rules count, in both directions, and they come before those installed."""
    assert ask("limited", MONITOR) == YES
    polkit.change(rule("limited", MONITOR, "NO") + LIBVIRT_RULES)
    assert (ask("limited", MONITOR), ask("outsider", MONITOR)) == (NO, YES)
    polkit.change(rule("outsider", MANAGE, "YES"))
    assert (ask("limited", MONITOR), ask("outsider", MANAGE), ask("member", MANAGE)) == (YES, YES, PASSWORD)
    polkit.change(rule("member", OUR_MANAGE, "NO"))
    assert ask("member", OUR_MANAGE) == NO


def test_polkitd_goes_and_comes_back(polkit, ask, connect_as):
    """Killed, nobody answers; started again, it has the rules as they are then."""
    watcher = connect_as("root", polkit.bus)
    polkit.kill()
    wait_until(lambda: not watcher.has_owner(NAME), 10 * PATIENCE, "the name is free")
    with pytest.raises(DBusError):
        ask("member", MANAGE)
    polkit.change(rule("member", MANAGE, "NO"))
    polkit.start()
    assert (ask("member", MANAGE), ask("root", MANAGE)) == (NO, YES)


def test_who_may_ask_polkitd(polkit, connect_as):
    """Root asks about everybody. Others ask about themselves, and about nobody else for libvirt's actions,
    which name no owner: the service's own account is no exception. It owns the actions of its own."""
    member, account = connect_as("member", polkit.bus), connect_as("guestbus", polkit.bus)
    assert authority.ask(member, member.unique_name, MANAGE) == YES
    with pytest.raises(DBusError, match="NotAuthorized"):
        authority.ask(account, member.unique_name, MANAGE)
    assert authority.ask(account, member.unique_name, OUR_MANAGE) == YES
