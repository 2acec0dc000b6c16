# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures to reach. Each is of one row, and compares guestbusd's median with another of the same run, or with
a number. A row may have several."""

OURS, THEIRS, PLAIN = "guestbusd", "libvirt-dbus", "plain libvirt"

# What "unchanged" and "at most linear" leave to noise.
TENTH = 1.1


def median(row, kind):
    value = row["kinds"].get(kind) if row else None
    return value["median"] if value else None


def to(kind):
    """guestbusd's figure to another kind's."""
    def value(_, row):
        return quotient(median(row, OURS), median(row, kind))
    return value


def faster_than(kind):
    """How many times as fast guestbusd is."""
    def value(_, row):
        return quotient(median(row, kind), median(row, OURS))
    return value


def own(_, row):
    return median(row, OURS)


def to_row(what):
    """guestbusd's figure to its own in another row of the same unit."""
    def value(rows, row):
        other = next((one for one in rows if (one["part"], one["bus"], one["what"], one["unit"])
                      == (row["part"], row["bus"], what, row["unit"])), None)
        return quotient(median(row, OURS), median(other, OURS))
    return value


def quotient(ours, other):
    return None if ours is None or not other else ours / other


def at_least(limit):
    return f"≥ {limit:,g}", limit, lambda value: value >= limit


def at_most(limit):
    return f"≤ {limit:,g}", limit, lambda value: value <= limit


# (part, row, unit): what is compared, how, and the words for what it is compared with.
COMPARED = {
    ("calls", "GetState, in process, 64 in flight", "calls/s"): (to(THEIRS), at_least(1.6), "× libvirt-dbus"),
    ("calls", "GetState, in process, 64 in flight", "µs CPU/call"):
        (to(THEIRS), at_most(0.5), "× libvirt-dbus"),
    **{("calls", f"GetState of {guests}, remote, {n} in flight", "calls/s"):
       (to(PLAIN), at_least(0.9), "× plain libvirt") for guests in ("one guest", "16 guests") for n in (16, 64)},
    ("properties", "Get, mirror to in process, 64 in flight", "calls/s"):
        (to(THEIRS), at_least(4), "× libvirt-dbus"),
    ("properties", "Get, mirror to remote, 64 in flight", "calls/s"):
        (to(THEIRS), at_least(4), "× libvirt-dbus"),
    ("inventory", "1000 domains, all that is known", "ms"):
        (faster_than(THEIRS), at_least(150), "× as fast as libvirt-dbus"),
    ("latency", "DomainEvent, 1 listener, p50", "µs"): (to(THEIRS), at_most(0.6), "× libvirt-dbus"),
    ("latency", "DomainEvent, 1 listener, p99", "µs"): (to(THEIRS), at_most(0.6), "× libvirt-dbus"),
    **{("events", f"{what}, 1 listener", "µs CPU/event"): (to(THEIRS), at_most(0.5), "× libvirt-dbus")
       for what in ("lifecycle", "metadata-change")},
    **{("slow", f"beside {n} slow, another connection, p50", "ms"):
       (to_row("beside 0 slow, another connection, p50"), at_most(TENTH), "× none slow") for n in (4, 8)},
    **{("memory", f"memory idle, {name}, RSS", "MiB"): (to(PLAIN), at_most(1.1), "× plain libvirt")
       for name in ("Test", "QEMU + Test")},
    # Ten times as much may take eleven times as long; what is of one call or event, a tenth more.
    **{("inventory", f"10000 domains, {what}", unit):
       (to_row(f"1000 domains, {what}"), at_most(11), "× 1000's")
       for what in ("all that is known", "GetAllDomainStats, state", "Resync", "start until all are known")
       for unit in ("ms", "ms CPU")},
    **{("inventory", f"10000 domains, {what}", unit):
       (to_row(f"1000 domains, {what}"), at_most(TENTH), "× 1000's")
       for what, unit in (("GetState", "µs CPU/call"), ("Get, mirror", "µs CPU/call"),
                          ("lifecycle, 1 listener", "µs CPU/event"))},
    **{("clients", f"{what}, 500 clients", "µs CPU/call"):
       (to_row(f"{what}, 50 clients"), at_most(TENTH), "× 50's")
       for what in ("GetState", "Get, mirror")},
}

# The same, with a number of the row's own unit.
ABSOLUTE = {
    ("inventory", "1000 domains, all that is known", "ms CPU"): (own, at_most(10), "ms CPU"),
    ("inventory", "1000 domains, start until all are known", "ms"): (own, at_most(1500), "ms"),
    **{("inventory", f"10000 domains, {what}", "ms"): (own, at_most(3000), "ms")
       for what in ("Resync", "opening until the mirror is filled")},
    ("idle", "idle, Test", "wake-ups in 10 s"): (own, at_most(0), "wake-ups"),
    ("slow", "beside 4 slow, same connection, p99", "ms"): (own, at_most(10), "ms"),
    **{("inventory", f"{n} domains, memory at rest, RSS", "KiB/domain"): (own, at_most(2), "KiB")
       for n in (1000, 10000)},
}


def judge(rows, row):
    """The goals of a row that has something to be compared with, and whether each is met."""
    key = row["part"], row["what"], row["unit"]
    judged = []
    for value_of, (text, limit, is_met), words in (goals[key] for goals in (COMPARED, ABSOLUTE) if key in goals):
        value = value_of(rows, row)
        if value is not None:
            judged.append({"text": f"{text} {words}", "limit": limit, "met": is_met(value), "value": value})

    return judged
