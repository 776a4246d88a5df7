"""Who reaches whom."""

from __future__ import annotations

from rmqha_model.faults import CLIENTS
from simulation.network import Network

HOSTS = ("a", "b", "c")


def test_at_first_everybody_reaches_everybody() -> None:
    """Hosts and clients are around one switch."""
    net = Network(HOSTS)
    assert all(net.meet(here, there) for here in (*HOSTS, CLIENTS) for there in (*HOSTS, CLIENTS))
    assert net.sides(HOSTS) == [frozenset(HOSTS)]


def test_a_cut_is_one_way_and_heals() -> None:
    """Packets of one direction are dropped; two cuts of the same have to be healed both."""
    net = Network(HOSTS)
    first, second = net.cut([("a", "b")]), net.cut([("a", "b"), ("b", "a")])
    assert not net.passes("a", "b")
    second()
    assert net.passes("b", "a")
    assert not net.passes("a", "b")
    assert not net.meet("a", "b")
    first()
    assert net.meet("a", "b")


def test_a_host_without_power_reaches_nobody_and_one_without_cable_itself() -> None:
    """Its own loopback works as long as its kernel does."""
    net = Network(HOSTS)
    net.power("a", on=False)
    net.plug("b", in_=False)
    assert not net.passes("a", "a")
    assert net.passes("b", "b")
    assert not net.passes("b", "c")
    assert not net.carrier("b")
    assert net.sides(HOSTS) == [frozenset("b"), frozenset("c")]


def test_a_cable_pulled_twice_has_to_be_put_back_twice() -> None:
    """Two faults at once do not undo each other."""
    net = Network(HOSTS)
    for in_, reach in ((False, False), (False, False), (True, False), (True, True)):
        net.plug("a", in_=in_)
        assert net.meet("a", "b") is reach


def test_sides_of_a_partition() -> None:
    """The largest first; who is reached through another one is on its side."""
    net = Network(HOSTS)
    net.cut([("a", "b"), ("b", "a"), ("a", "c"), ("c", "a")])
    assert net.sides(HOSTS) == [frozenset("bc"), frozenset("a")]


def test_changes_are_told_once_and_only_changes() -> None:
    """A second cut of what is cut already tells nobody."""
    net = Network(HOSTS)
    told: list[None] = []
    net.on_change(lambda: told.append(None))
    heal = net.cut([("a", "b")])
    again = net.cut([("a", "b")])
    assert len(told) == 1
    heal()
    assert len(told) == 1
    again()
    assert len(told) == 2


def test_a_link_that_goes_is_told_where_nobody_was_reached_anyway() -> None:
    """The host itself sees it."""
    net = Network(HOSTS)
    net.cut([(here, there) for here in (*HOSTS, CLIENTS) for there in (*HOSTS, CLIENTS) if "a" in {here, there}])
    told: list[None] = []
    net.on_change(lambda: told.append(None))
    net.plug("a", in_=False)
    assert len(told) == 1


def test_loss_adds_up_over_both_ends() -> None:
    """Two bad cables of a tenth lose 19 of 100; nobody loses packets to itself."""
    net = Network(HOSTS)
    net.spoil("a", 0.1)
    net.spoil("b", 0.1)
    assert abs(net.loss("a", "b") - 0.19) < 1e-12
    assert abs(net.loss("c", "a") - 0.1) < 1e-12
    assert net.loss("a", "a") == 0
