"""Faults of virtual addresses: nobody has one, two have it, it moved, keepalived is down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from generators import titles
from generators.runbook import about
from generators.runbook.balancer_faults import moves
from generators.runbook.text import Command, Expected, Fault, code, link
from rmqha_model.keepalived import CommandScript
from rmqha_model.timers import Span, client, number, vrrp

if TYPE_CHECKING:
    from generators.runbook.names import Names
    from rmqha_model.topology import Topology

__all__ = ["faults"]


def faults(topology: Topology, names: Names) -> Iterator[Fault]:
    """Give the sections on virtual addresses; none without."""
    if topology.keepalived is None:
        return
    yield _no_owner(topology, names)
    yield _two_owners(topology, names)
    yield _moved(topology, names)
    yield _keepalived_down(topology, names)


def _placed(topology: Topology) -> Iterator[tuple[str, str]]:
    """Give how each address is put on an interface, and taken off, by hand."""
    assert topology.keepalived is not None
    for name, instance in topology.keepalived.instances.items():
        host, member = next(iter(topology.keepalived.members(name).items()))
        for virtual in instance.virtual_addresses:
            device = virtual.interface or member.interface or topology.hosts[host].interface
            yield f"ip address add {virtual.address} dev {device}", f"ip address del {virtual.address} dev {device}"


def _no_owner(topology: Topology, names: Names) -> Fault:
    assert topology.keepalived is not None
    scripts = [
        Command(f'{script.path}; echo "exit status $?"', names.each_owner, f"the script {name}: 0 is well")
        for name, script in topology.keepalived.scripts.items()
        if not isinstance(script, CommandScript) and script.kind == "observe"
    ]
    add, delete = next(_placed(topology))
    return Fault(
        titles.NO_OWNER,
        [f"Nobody answers for {about.ips(topology)}: clients get no connection at all, not even a refusal."],
        [*names.owners(), *names.keepalived_log(), *scripts],
        [
            (
                "FAULT STATE on all of them: their scripts fail, or an interface is down. Start HAProxy "
                f"({link(titles.ALL_BALANCERS_DOWN)}); keepalived comes back by itself."
            ),
            f"Keepalived does not run: {code('systemctl start keepalived')} on the preferred owner first.",
            (
                f"Last resort, on **one** host with a HAProxy that works, keepalived stopped on all: {code(add)}; take "
                f"it off again with {code(delete)} before keepalived is started."
            ),
        ],
        "clients that know only this address.",
        [*moves(topology)],
        "the successor is not there, is in FAULT too, or hears adverts from somebody who does not have the address.",
    )


def _two_owners(topology: Topology, names: Names) -> Fault:
    assert topology.keepalived is not None
    advert = max(instance.advert_int.s for instance in topology.keepalived.instances.values())
    heal = Span(
        0,
        advert,
        f"the next advert 0..{number(advert)}",
        "keepalived vrrp.c vrrp_state_master_rx",
        "keepalived 2.1 to 2.3",
    )
    _, delete = next(_placed(topology))
    way = (
        "from each member to the others"
        if all(i.unicast for i in topology.keepalived.instances.values())
        else "to 224.0.0.18"
    )
    return Fault(
        titles.TWO_OWNERS,
        [
            (
                "Clients end at one host or the other, as their neighbour tables have it; connections break without a "
                "pattern."
            ),
            "Each of the two thinks that it is alone.",
        ],
        [*names.owners(), *names.adverts(), *names.keepalived_log()],
        [
            (
                f"Adverts do not arrive (protocol 112, {way}): a packet filter, a switch, a cloud that drops them. Let "
                "them pass."
            ),
            (
                "They arrive and are refused (see the log): virtual_router_id, advert interval, authentication or "
                "addresses differ. Install the same design on both."
            ),
            (
                "Keepalived of one of them was killed and left the address behind: start it there, it cleans up as it "
                f"starts. If it must stay down: {code(delete)} on that host."
            ),
            "Until you know, leave one: `systemctl stop keepalived` on the host that you need less.",
        ],
        "half of the clients, if one of the two has no HAProxy that works.",
        [Expected("one yields, once they hear each other", heal)],
        "they still do not hear each other.",
    )


def _moved(topology: Topology, names: Names) -> Fault:
    expected = []
    for name, settings in topology.clients.items():
        told = client.next_segment(topology, settings)
        expected.append(Expected(f"client {code(name)} learns that its connection is gone", told))
    expected += about.reconnects(topology)
    return Fault(
        titles.OWNER_CHANGED,
        [
            "Every connection through the address was cut once; clients are back by now, on another load balancer.",
            (
                "Neighbours were told by gratuitous ARP at once and again after 5 s; one that missed both sends to the "
                "old owner."
            ),
        ],
        [*names.owners(), *names.keepalived_log()],
        [
            "Find out why: a host that was lost, HAProxy that died, a script that was too slow, somebody at work.",
            "Repair the old owner: until then nobody stands in for the new one.",
            (
                "It moves again and again: a script or a link that flaps. Stop keepalived on the worse host until that "
                "is found."
            ),
        ],
        "there is one load balancer less in reserve.",
        expected,
        "clients that stay away use the old owner: clear their neighbour entry for the address.",
    )


def _keepalived_down(topology: Topology, names: Names) -> Fault:
    assert topology.keepalived is not None
    expected = []
    for name in topology.keepalived.instances:
        owner = vrrp.preferred(topology, name)
        expected.append(
            Expected(f"{code(name)} leaves {owner}: stopped in order", vrrp.takeover_graceful(topology, name, owner))
        )
        expected.append(Expected(f"{code(name)} leaves {owner}: killed", vrrp.takeover_silent(topology, name, owner)))
    return Fault(
        titles.KEEPALIVED_DOWN,
        [
            (
                "On the owner: the address moves. Killed with all its processes, it leaves the address behind as well "
                f"({link(titles.TWO_OWNERS)})."
            ),
            "On another host: nothing is seen, and nobody stands in for the owner.",
        ],
        [*names.keepalived_log(), *names.owners()],
        [
            (
                f"{code('keepalived --config-test')} says what it does not like; then "
                f"{code('systemctl start keepalived')}."
            ),
            "An instance that starts takes the address only if it is preferred: "
            + "; ".join(_preference(topology, name) for name in topology.keepalived.instances)
            + ".",
        ],
        "the next fault of the owner leaves the address without one.",
        expected,
    )


def _preference(topology: Topology, name: str) -> str:
    owner = vrrp.preferred(topology, name)
    back = vrrp.failback(topology, name, owner)
    return f"{code(name)} {'never while another has it' if back.is_never else f'{owner} after {back}'}"
