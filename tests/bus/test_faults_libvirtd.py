# SPDX-License-Identifier: LGPL-2.1-or-later
"""At libvirtd's socket is nobody, or something that is no libvirtd: calls get an error, everything else
goes on, and the next libvirtd is met soon. Where a real one is killed, stopped or started again see
tests/host."""

import shutil
import signal
import time

import pytest

from support.client import CONNECT, DOMAIN, PROPERTIES
from support.hosts.fake_libvirtd import ANSWERS, FakeLibvirtd, name_of
from support.hosts.native import GUEST, TEST, resync, state
from support.hosts.rpc_proxy import Proxy
from support.hosts.workload import truth
from support.models.listener import INTERFACES, picture
from support.process import PATIENCE, seconds, soon, wait_until
from support.service import wait_connected

HERE = "/org/libvirt/Here"
WITHIN = 30 * PATIENCE
AT_ONCE = 2 * PATIENCE
# How soon after libvirtd's socket is back calls succeed.
BACK_WITHIN = 3 * PATIENCE
SHORT = "[limits]\nopen-timeout=1\n"


def cpu(service):
    """Seconds of CPU time."""
    with open(f"/proc/{service.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Scene:
    """A service on a libvirtd that something else takes the place of, and on the test driver inside
    itself."""

    def __init__(self, service, libvirtd, client):
        self.service, self.libvirtd, self.client = service, libvirtd, client

    def refused(self, path=TEST, within=WITHIN):
        """A call gets an error, and just one; nobody else has to wait for it."""
        began = time.monotonic()
        serial = self.client.send(path, CONNECT, "ListDomains", "u", (0,))
        soon(lambda: seconds(self.client.call, HERE, CONNECT, "ListDomains", "u", (0,)), AT_ONCE)
        reply = self.client.collect([serial], within)[serial]
        assert reply.header.fields[4] == "org.libvirt.Error" and reply.body[0], reply
        assert not self.client.replies
        return time.monotonic() - began

    def comes_back(self):
        """Seconds from the time at which libvirtd listens until calls succeed and events flow."""
        self.libvirtd.start()
        began = time.monotonic()
        wait_connected(self.client, within=WITHIN)
        wait_until(lambda: state(self.client) == "connected", WITHIN, "events flow")
        took = time.monotonic() - began
        assert GUEST in self.client.connect("ListDomains", "u", 0)
        return took


@pytest.fixture
def scene(one_bus, libvirtd, run_service, connect):
    service = run_service(one_bus, {"Test": libvirtd.test_uri, "Here": "test:///default"}, config=SHORT)
    client = connect(one_bus)
    wait_connected(client)
    wait_connected(client, "Here")
    return Scene(service, libvirtd, client)


@pytest.mark.parametrize("answer", [*ANSWERS, None], ids=name_of)
def test_something_else_answers(scene, answer, capsys):
    """Garbage is an error, silence is one after open-timeout; it is not asked all the time, and who
    listens then is found."""
    def away_and_back():
        scene.libvirtd.stop()
        fake = FakeLibvirtd(scene.libvirtd.socket, answer)
        try:
            wait_until(lambda: state(scene.client) == "disconnected", WITHIN, "it is lost")
            for _ in range(5):
                soon(scene.refused, (1 + 3) * PATIENCE)
            before, asked, began = cpu(scene.service), fake.accepted, time.monotonic()
            time.sleep(1)
            assert cpu(scene.service) - before < 0.5 * PATIENCE
            # Two connections, each tried after 0.1, 0.2, 0.4, ... s at the most.
            assert fake.accepted - asked <= 20 * (time.monotonic() - began)
        finally:
            fake.close()
        return scene.comes_back()

    took = soon(away_and_back, BACK_WITHIN)
    with capsys.disabled():
        print(f"\nback {took:.2f} s after libvirtd")


def test_a_socket_that_nobody_listens_at(scene, capsys):
    """What a libvirtd that was killed leaves behind. Many calls try it; the next libvirtd is met at once
    all the same."""
    def away_and_back():
        scene.libvirtd.stop(signal.SIGKILL)
        for _ in range(40):
            soon(scene.refused, AT_ONCE)
        return scene.comes_back()

    took = soon(away_and_back, BACK_WITHIN)
    with capsys.disabled():
        print(f"\nback {took:.2f} s after libvirtd")


def test_a_socket_that_is_removed(scene):
    """The connections that are open stay; when they are lost, the socket of the next libvirtd is met."""
    path = scene.libvirtd.root / "runtime" / "libvirt" / "libvirt-sock"

    def away_and_back():
        path.unlink()
        assert GUEST in scene.client.connect("ListDomains", "u", 0)
        resync(scene.client)
        scene.libvirtd.stop(signal.SIGKILL)
        soon(scene.refused, AT_ONCE)
        return scene.comes_back()

    soon(away_and_back, BACK_WITHIN)


def test_a_directory_that_is_removed(scene):
    """The same with the directory of the socket, and the one above."""
    def away_and_back():
        scene.libvirtd.stop()
        shutil.rmtree(scene.libvirtd.root / "runtime")
        soon(scene.refused, AT_ONCE)
        scene.libvirtd.directory("runtime")
        return scene.comes_back()

    soon(away_and_back, BACK_WITHIN)


class Garbler(Proxy):
    """Passes on libvirtd's answers, changed while `garble` is set. What libvirt's library does not bear,
    bytes changed at random, would be a test of that alone."""

    garble = None

    def change(self, data):
        return self.garble(data) if self.garble else data


def doubled(data):
    return data + data


def made_long(data):
    return (0x7fffffff).to_bytes(4, "big") + data[4:]


@pytest.mark.parametrize("garble", [doubled, made_long], ids=lambda one: one.__name__)
def test_answers_that_are_garbled(one_bus, libvirtd, run_service, connect, home, garble):
    """While calls are under way. Each gets one reply, and when libvirtd is understood again and the
    connection a new one, everything is as libvirt says."""
    proxy = Garbler(home / "proxy", libvirtd.socket)
    try:
        service = run_service(one_bus, {"Test": f"test+unix:///default?socket={proxy.path}",
                                        "Here": "test:///default"},
                              config="[limits]\nopen-timeout=1\nkeepalive-interval=1\nkeepalive-count=2\n")
        client = connect(one_bus)
        wait_connected(client)
        proxy.garble = garble
        for _ in range(5):
            serials = [client.send(GUEST, DOMAIN, "GetXMLDesc", "u", (0,)) for _ in range(5)]
            serials += [client.send(GUEST, PROPERTIES, "GetAll", "s", (DOMAIN,)),
                        client.send(TEST, CONNECT, "GetCapabilities")]
            assert client.call("/org/libvirt/Here", CONNECT, "ListDomains", "u", (0,))
            assert len(client.collect(serials, WITHIN)) == len(serials)
        proxy.garble = None
        for pair in list(proxy.pairs):
            pair.hang_up()
        wait_connected(client, within=WITHIN)
        wait_until(lambda: compared(client), WITHIN, "everything is compared")
        # Which is asked for when somebody wants it.
        wait_until(lambda: picture(client)[GUEST][INTERFACES["domain"]]["OSType"], WITHIN, "its type is read")
        expected = truth(libvirtd.test_uri, TEST)
        found = picture(client)
        assert {path: {name: list(found[path].values())[0][name] for name in values}
                for path, values in expected.items()} == expected
        assert not service.ended()
    finally:
        proxy.close()


def compared(client):
    if state(client) != "connected":
        return False
    resync(client)
    return True
