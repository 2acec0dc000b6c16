# SPDX-License-Identifier: LGPL-2.1-or-later
"""workload_client.py URI SEED KIND DIRECTORY EMULATOR ORDERS: a plain libvirt client that has much to do.

For each number N that it reads from the descriptor ORDERS it does N random operations, prints each as a line
of JSON, [operation, UUID, outcome, whether it may have removed the object], and then ["rest"]. When libvirt
goes away it comes back as soon as it can. KIND is qemu or test. Clients of one kind work on the same few
objects, so they meet."""

import json
import random
import sys
import time
import uuid

import libvirt

GUESTS = {"qemu": 5, "test": 8}
OTHERS = 3  # networks, and as many pools
ACTIVE_MOST = 3  # guests of QEMU that run at once
BACK_WITHIN = 180

DOMAIN = {
    "qemu": """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>{more}<memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>{emulator}</emulator><controller type='usb' model='qemu-xhci'/><memballoon model='none'/>
</devices></domain>""",
    "test": """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid>{more}<memory unit='MiB'>32</memory>
<os><type>{os}</type></os></domain>""",
}
NETWORK = """<network><name>{name}</name><uuid>{uuid}</uuid><forward mode='bridge'/>
<bridge name='gb-none'/></network>"""
POOL = """<pool type='dir'><name>{name}</name><uuid>{uuid}</uuid>
<target><path>{directory}</path></target></pool>"""
TABLET = "<input type='tablet' bus='usb'><alias name='ua-tablet'/></input>"

ABSENT = None
ANY_STATE = ["define", "autostart", "title", "description"]
# What makes sense in a state, as often as it stands here.
FITTING = {
    ABSENT: ["define"] * 3 + ["transient"] * 2,
    libvirt.VIR_DOMAIN_SHUTOFF: ["start"] * 5 + ["undefine", "rename", "rename"],
    libvirt.VIR_DOMAIN_RUNNING: ["suspend"] * 3 + ["destroy", "undefine"],
    libvirt.VIR_DOMAIN_PAUSED: ["resume"] * 3 + ["destroy", "undefine"],
}
# The test driver has no devices that come and go, and tells nobody of a reboot.
OF_QEMU = ["attach", "attach", "detach", "reset"]
EVERY = sorted({operation for operations in FITTING.values() for operation in operations} | set(ANY_STATE))
ACTIVE = (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED)
NOT_THERE = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_NO_STORAGE_POOL)


def number_of(kind, thing, index):
    """The UUID of one of the objects."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {thing} {index}"))


def numbers(kind):
    """Of all objects that clients of that kind work on."""
    return [number_of(kind, thing, index) for thing, count in (("domain", GUESTS[kind]), ("network", OTHERS),
                                                               ("pool", OTHERS)) for index in range(count)]


def keeper(kind):
    """The UUID of the guest that is defined and never undefined."""
    return number_of(kind, "domain", 0)


class Client:
    """One client: its connection, its dice, and what it has just done."""

    def __init__(self, uri, seed, kind, directory, emulator):
        self.uri = uri
        self.kind = kind
        self.directory = directory
        self.emulator = emulator
        self.random = random.Random(seed)
        self.connection = libvirt.open(uri)
        self.removes = False

    def work(self, count):
        for _ in range(count):
            thing = self.random.choices(["domain", "network", "pool"], [8, 1, 1])[0]
            self.removes = False
            operation, number = self.choose(thing)
            say(operation, number, self.attempt(thing, operation, number), self.removes)
            time.sleep(self.random.uniform(0, 0.01))
        say("rest")

    def choose(self, thing):
        if thing != "domain":
            number = number_of(self.kind, thing, self.random.randrange(OTHERS))
            return self.random.choice(self.fitting(thing, number)), number
        number = number_of(self.kind, thing, self.random.randrange(GUESTS[self.kind]))
        try:
            domain = self.domain(number)
            state = domain.state()[0] if domain else ABSENT
            busy = self.kind == "qemu" and self.connection.numOfDomains() >= ACTIVE_MOST
        except libvirt.libvirtError:
            state, busy = ABSENT, False
        if self.random.random() < 0.1:
            operation = self.random.choice(EVERY)
        else:
            special = OF_QEMU if self.kind == "qemu" and state in ACTIVE else []
            operation = self.random.choice(
                FITTING.get(state, []) + special + (ANY_STATE if state else []))
        if busy and operation in ("start", "transient"):
            operation = "define"
        if operation == "undefine" and number == keeper(self.kind):
            operation = "rename"
        return operation, number

    def attempt(self, thing, operation, number):
        """Does it. libvirt refuses what makes no sense at that moment, and the connection can be lost."""
        try:
            if thing == "domain":
                self.on_domain(operation, number)
            else:
                self.on_other(thing, operation, number)
            return "done"
        except libvirt.libvirtError:
            if self.connection.isAlive():
                return "refused"
        self.come_back()
        return "lost"

    def come_back(self):
        end = time.monotonic() + BACK_WITHIN
        while True:
            try:
                self.connection = libvirt.open(self.uri)
                return
            except libvirt.libvirtError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    # Domains

    def domain(self, number):
        """The domain, or None."""
        try:
            return self.connection.lookupByUUIDString(number)
        except libvirt.libvirtError as error:
            if error.get_error_code() in NOT_THERE:
                return None
            raise

    def xml(self, number):
        """One of a guest's definitions: name, title and type vary, within what libvirt takes."""
        domain = self.domain(number)
        name = domain.name() if domain else self.name(number)
        system = "linux" if self.kind == "test" and int(number[-1], 16) % 2 else "hvm"
        more = f"<title>title {self.random.randrange(9)}</title>" if self.random.random() < 0.5 else ""
        return DOMAIN[self.kind].format(name=name, uuid=number, more=more, os=system, emulator=self.emulator)

    def name(self, number):
        return f"gäst {number[:4]} {self.random.randrange(5)}"

    def on_domain(self, operation, number):
        if operation == "define":
            self.connection.defineXML(self.xml(number))
            return
        if operation == "transient":
            self.removes = True  # it goes when it cannot be started
            self.connection.createXML(self.xml(number), self.start_flags())
            return
        domain = self.domain(number)
        if domain:
            getattr(self, operation)(domain)

    def start_flags(self):
        """QEMU guests are often started without running; the test driver knows no such thing."""
        paused = self.kind == "qemu" and self.random.random() < 0.7
        return libvirt.VIR_DOMAIN_START_PAUSED if paused else 0

    def start(self, domain):
        domain.createWithFlags(self.start_flags())

    def destroy(self, domain):
        self.removes = not domain.isPersistent()
        domain.destroy()

    def undefine(self, domain):
        self.removes = True
        domain.undefine()

    def suspend(self, domain):
        domain.suspend()

    def resume(self, domain):
        domain.resume()

    def reset(self, domain):
        domain.reset()

    def rename(self, domain):
        domain.rename(self.name(domain.UUIDString()))

    def autostart(self, domain):
        domain.setAutostart(self.random.randrange(2))

    def title(self, domain):
        self.describe(domain, libvirt.VIR_DOMAIN_METADATA_TITLE)

    def description(self, domain):
        self.describe(domain, libvirt.VIR_DOMAIN_METADATA_DESCRIPTION)

    def describe(self, domain, what):
        text = self.random.choice([None, "ä text", "another"])
        domain.setMetadata(what, text, None, None, libvirt.VIR_DOMAIN_AFFECT_CURRENT)

    def attach(self, domain):
        domain.attachDeviceFlags(TABLET, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def detach(self, domain):
        domain.detachDeviceFlags(TABLET, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    # Networks and storage pools

    def other(self, thing, number):
        """The network or pool, or None."""
        look_up = {"network": self.connection.networkLookupByUUIDString,
                   "pool": self.connection.storagePoolLookupByUUIDString}
        try:
            return look_up[thing](number)
        except libvirt.libvirtError as error:
            if error.get_error_code() in NOT_THERE:
                return None
            raise

    def fitting(self, thing, number):
        """What makes sense now."""
        try:
            found = self.other(thing, number)
            active = found and found.isActive()
        except libvirt.libvirtError:
            found = None
        if not found:
            return ["define"]
        return ["define", "autostart", *(["stop", "undefine"] if active else ["start", "start", "undefine"])]

    def on_other(self, thing, operation, number):
        if operation == "define" and thing == "network":
            self.connection.networkDefineXML(NETWORK.format(name=f"nätz {number[:4]}", uuid=number))
        elif operation == "define":
            self.connection.storagePoolDefineXML(POOL.format(name=f"pööl {number[:4]}", uuid=number,
                                                             directory=f"{self.directory}/{number[:4]}"))
        elif found := self.other(thing, number):
            self.change(thing, operation, found)

    def change(self, thing, operation, found):
        if operation == "start":
            if thing == "pool":
                found.build()
            found.create()
        elif operation == "stop":
            self.removes = not found.isPersistent()
            found.destroy()
        elif operation == "undefine":
            self.removes = True
            found.undefine()
        else:
            found.setAutostart(self.random.randrange(2))


def say(*words):
    print(json.dumps(words), flush=True)


def main():
    libvirt.registerErrorHandler(lambda context, error: None, None)
    client = Client(*sys.argv[1:-1])
    client.attempt("domain", "define", keeper(client.kind))
    say("rest")
    with open(int(sys.argv[-1]), encoding="ascii") as orders:
        for line in orders:
            client.work(int(line))


if __name__ == "__main__":
    main()
