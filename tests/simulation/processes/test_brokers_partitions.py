"""Brokers that lose each other: who pauses, who is partitioned, who heals, and when."""

from __future__ import annotations

import pytest
from cluster_of_brokers import cast

from rmqha_model.events import Peers
from simulation.machines.link_parts import Process
from simulation.processes.broker_partitions import sides

ALL = ("r1", "r2", "r3")


@pytest.mark.parametrize("seed", range(6))
def test_the_minority_pauses_and_returns(seed: int) -> None:
    """At the nodedown of its last peer its listeners close and its clients go; the VM stays and looks each second."""
    three = cast(seed, strategy="pause_minority")
    three.at(6.0, lambda: three.at(120.0, three.cut({"r3"})))
    three.run(110.0)
    down = [one.t for one in three.links if one.here == "r3"]
    closed, host, up = three.ups()[-1]
    assert (len(down), host, up) == (2, "r3", False)
    assert max(down) <= closed <= max(down) + 0.25
    assert three.cluster.drops("r3") == closed
    assert three.served[-1].clean
    assert three.cluster.process("r3") is Process.RUNS
    assert {three.cluster.port(host) for host in ("r1", "r2")} == {"serving"}
    three.run(160.0)
    opened = three.ups()[-1]
    assert opened[1:] == ("r3", True)
    # A ping that is answered, a look a second, and a start in a VM that runs.
    assert 0.7 < opened[0] - 120.0 < 8.0 + 1.0 + 5.8
    assert three.only(Peers)[-1].running == ALL
    assert not any(event.partitioned for event in three.only(Peers))


def test_a_short_cut_changes_nothing() -> None:
    """As in the lab, 13 s [M]: nobody has lost anybody, and the API, which waits for the silent one, tells nothing."""
    three = cast(strategy="pause_minority")
    three.at(6.0, lambda: three.at(19.0, three.cut({"r3"})))
    three.run(100.0)
    assert three.links == three.served == []
    assert {(one.here, one.there) for one in three.heard if not one.hears} == {
        ("r1", "r3"), ("r2", "r3"), ("r3", "r1"), ("r3", "r2"),
    }  # fmt: skip
    assert sum(one.hears for one in three.heard) == 4
    assert [one for one in three.only(Peers) if one.t > 0] == []


def test_ignore_stays_partitioned_until_somebody_restarts_a_side() -> None:
    """Both sides serve throughout; Mnesia's databases stay apart though the nodes see each other."""
    three = cast(strategy="ignore")
    three.at(6.0, lambda: three.at(150.0, three.cut({"r3"})))
    three.run(400.0)
    assert three.served == []
    last = {one.host: (one.running, one.partitioned) for one in three.only(Peers)}
    assert last == {
        "r1": (("r1", "r2"), ("r3",)), "r2": (("r1", "r2"), ("r3",)), "r3": (("r3",), ("r1", "r2")),
    }  # fmt: skip
    assert three.cluster.sees("r1") == three.cluster.running("r1") == set(ALL)
    three.cluster.act("r3", "restart")
    three.run(500.0)
    last = {one.host: (one.running, one.partitioned) for one in three.only(Peers)}
    assert set(last.values()) == {(ALL, ())}


def test_autoheal_restarts_the_side_with_fewer_clients() -> None:
    """When all see each other again; the VM of the losers stays."""
    for counts, losers in (({}, ["r3"]), ({"r3": 9}, ["r1", "r2"]), ({"r1": 5, "r3": 5}, ["r3"])):
        three = cast(3, strategy="autoheal")
        three.cluster.count_clients(lambda host, counts=counts: counts.get(host, 0))
        three.at(6.0, lambda three=three: three.at(150.0, three.cut({"r3"})))
        three.run(149.0)
        assert three.served == []
        three.run(300.0)
        assert sorted(host for t, host, up in three.ups() if t > 0 and not up) == losers
        assert {one.process for one in three.served} == {Process.RUNS}
        assert {three.cluster.port(host) for host in ALL} == {"serving"}
        assert {(one.running, one.partitioned) for one in three.only(Peers)[-3:]} == {(ALL, ())}
        assert three.world.not_modelled == []


def test_autoheal_without_a_count_says_so() -> None:
    """The clients decide, and nobody knows them."""
    three = cast(strategy="autoheal")
    three.at(6.0, lambda: three.at(150.0, three.cut({"r3"})))
    three.run(300.0)
    assert len(three.world.not_modelled) == 1


def test_losers_wait_for_each_other() -> None:
    """None starts before all have stopped."""
    three = cast(2, strategy="autoheal", nodes=(*ALL, "r4", "r5"))
    three.cluster.count_clients(lambda host: 9 * (host == "r1"))
    three.at(6.0, lambda: three.at(150.0, three.cut({"r1", "r2"})))
    three.run(300.0)
    closed = [(t, host) for t, host, up in three.ups() if t > 0 and not up]
    opened = [t for t, _, up in three.ups() if t > 0 and up]
    assert sorted(host for _, host in closed) == ["r3", "r4", "r5"]
    assert min(opened) > max(t for t, _ in closed) + 5.0


@pytest.mark.parametrize(
    ("strategy", "paused"),
    [("pause_minority", {"r1", "r3"}), ("ignore", set())],
)
def test_a_partial_cut_pauses_both_ends_or_is_made_whole(strategy: str, paused: set[str]) -> None:
    """Who sees both tells them; pause_minority waits for all, the others leave it for a second."""
    three = cast(strategy=strategy)
    three.at(6.0, lambda: three.at(200.0, three.cut({"r1"}, {"r3"})))
    three.run(190.0)
    assert {host for t, host, up in three.ups() if t > 0 and not up} == paused
    others = [one for one in three.links if "r2" in {one.here, one.there}]
    assert bool(others) is (not paused)
    if others:
        lost, back = [one.t for one in others if not one.up], [one.t for one in others if one.up]
        assert back[0] - lost[0] == pytest.approx(1.0)
        assert three.cluster.sees("r2") == set(ALL)
    three.run(300.0)
    assert {three.cluster.port(host) for host in ALL} == {"serving"}


def test_who_sees_no_preferred_broker_pauses() -> None:
    """r2 is the one to be with."""
    three = cast(strategy="pause_if_all_down")
    three.at(6.0, lambda: three.at(150.0, three.cut({"r2"})))
    three.run(140.0)
    assert {host: three.cluster.port(host) for host in ALL} == {"r1": "refused", "r2": "serving", "r3": "refused"}
    three.run(300.0)
    assert {three.cluster.port(host) for host in ALL} == {"serving"}


def test_a_broker_that_is_cut_off_is_not_taken_for_a_partial_cut() -> None:
    """The one asked has no answer from it either, until its own nodedown ends the question."""
    for seed in range(10):
        three = cast(seed, strategy="pause_minority")
        three.at(6.0, lambda three=three: three.cut({"r3"}))
        three.run(150.0)
        assert {host for t, host, up in three.ups() if t > 0} == {"r3"}


def test_of_two_brokers_pause_minority_stops_the_survivor() -> None:
    """Half is no majority; it comes back with the other one."""
    two = cast(nodes=("r1", "r2"), strategy="pause_minority")
    two.at(6.0, lambda: two.cluster.act("r1", "kill"))
    two.run(12.0)
    assert {two.cluster.port(host) for host in ("r1", "r2")} == {"refused"}
    two.run(90.0)
    assert {two.cluster.port(host) for host in ("r1", "r2")} == {"serving"}


def test_with_khepri_nobody_pauses() -> None:
    """The one that is cut off goes on listening."""
    three = cast(versions={"rabbitmq": "4.3.6"})
    three.at(6.0, lambda: three.at(150.0, three.cut({"r3"})))
    three.run(300.0)
    assert three.served == []
    assert len([one for one in three.links if not one.up]) == 4
    assert {(one.running, one.partitioned) for one in three.only(Peers)[-3:]} == {(ALL, ())}


def test_one_broker_alone_is_a_cluster_too() -> None:
    """Without links."""
    one = cast(nodes=("r1",))
    one.at(6.0, lambda: one.cluster.act("r1", "kill"))
    one.run(90.0)
    assert one.cluster.serves("r1")


def test_sides_follow_from_whom_each_calls_partitioned() -> None:
    """As rabbit_autoheal's all_partitions has it."""
    apart = {"a": frozenset("c"), "b": frozenset("c"), "c": frozenset("ab")}
    assert sorted(sides("abc", apart)) == [("a", "b"), ("c",)]
    assert sides("abc", {node: frozenset() for node in "abc"}) == [("a", "b", "c")]
