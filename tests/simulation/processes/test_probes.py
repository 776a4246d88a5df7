"""Probes: what they meet as measured, and the same attempt by attempt as where each of them is lived through."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from balancer_fakes import BalancerWorld, balancer_world
from designs import design
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.events import Attempt, ServerState
from rmqha_model.faults import CLIENTS
from simulation.machines.connecting import Caller, Fate
from simulation.processes.probes import Probes

if TYPE_CHECKING:
    from simulation.processes.views import Through

VIP = "172.16.2.200"
OFTEN: dict[str, Any] = {"probes": {"fresh": {"every": "101ms"}}}


def probed(
    name: str, steps: list[tuple[float, Callable[[BalancerWorld], Any]]], until: float, *, seed: int = 0, **how: Any
) -> list[Attempt]:
    """Give the attempts of a probe while something is done to a world."""
    world = balancer_world(name, seed=seed, workload=how.get("workload", OFTEN))
    probes = Probes(world, fast=how.get("fast", True))
    probes.begin()
    for t, step in steps:
        world.clock.run(t)
        step(world)
    world.clock.run(until)
    found = probes.events()
    return [attempt for attempt in found if attempt.t + attempt.took_s < until]


def failed(attempts: list[Attempt]) -> list[tuple[str, float]]:
    """Give how attempts failed, and after how long."""
    return [(attempt.outcome, attempt.took_s) for attempt in attempts if attempt.outcome != "ok"]


def test_a_healthy_design_answers_everybody() -> None:
    """At a steady pace from a random instant on; the endpoint is named as the lab names it."""
    attempts = probed("article-fixed", [], 90.0)
    assert {(attempt.endpoint, attempt.outcome, attempt.took_s) for attempt in attempts} == {
        ("172.16.2.200:5670", "ok", 0.004)
    }
    assert 0 <= attempts[0].t < 0.101
    assert attempts[-1].t - attempts[0].t == pytest.approx(0.101 * (len(attempts) - 1))
    assert len(attempts) in {891, 892}


def test_a_killed_haproxy_refuses_until_it_is_back() -> None:
    """Measured: attempts are refused at once for as long as systemd and the start take."""
    attempts = probed("article-fixed", [(6.0, lambda world: world.balancers.act("rabbit1", "kill"))], 20.0)
    assert set(failed(attempts)) == {("refused", 0.0003)}
    assert 5 <= len(failed(attempts)) <= 10


def test_a_frozen_haproxy_is_waited_for_until_its_address_moves() -> None:
    """Measured: 44 timeouts of 2.0 s, then five that took 1.01 to 1.04 s, as the address was nobody's for 0.4 s."""
    attempts = probed(
        "article-fixed",
        [
            (6.05, lambda world: world.balancers.act("rabbit1", "hang")),
            (10.5, lambda world: world.routes.move(VIP, None)),
            (10.9, lambda world: world.routes.move(VIP, "rabbit2")),
        ],
        20.0,
    )
    assert set(failed(attempts)) == {("timeout", 2.0)}
    assert len(failed(attempts)) in {44, 45}
    assert Counter(attempt.took_s for attempt in attempts if attempt.outcome == "ok").keys() == {0.004, 1.004}
    assert sum(attempt.took_s == 1.004 for attempt in attempts) in {3, 4}


def test_one_frozen_broker_catches_few_by_leastconn() -> None:
    """Measured: one attempt in 13 s; it keeps its place, half closed, until its server is DOWN, or goes on."""
    steps: list[tuple[float, Callable[[BalancerWorld], Any]]] = [
        (6.0, lambda world: world.brokers.turn("rabbit2", "frozen")),
        (19.0, lambda world: world.brokers.turn("rabbit2", "serving")),
    ]
    assert failed(probed("article-fixed", steps, 27.0)) == [("timeout", 2.0)]


@pytest.mark.parametrize("seed", range(3))
def test_one_silent_broker_catches_one_attempt_each_timeout_connect(seed: int) -> None:
    """Measured three times: 6.05, 9.15 and 12.25 s; HAProxy tries on without the client, for 3 s in all."""
    steps: list[tuple[float, Callable[[BalancerWorld], Any]]] = [
        (6.0, lambda world: world.network.cut([("rabbit1", "rabbit3"), ("rabbit3", "rabbit1")]))
    ]
    often: dict[str, Any] = {"probes": {"fresh": {"every": "100ms"}}}
    attempts = probed("article-fixed", steps, 30.0, seed=seed, workload=often)
    times = [attempt.t for attempt in attempts if attempt.outcome != "ok"]
    assert {attempt.outcome for attempt in attempts} == {"ok", "timeout"}
    assert len(times) in {2, 3}
    assert {round(later - earlier, 6) for earlier, later in itertools.pairwise(times)} == {3.1}


def test_without_a_server_each_is_closed_at_once() -> None:
    """Measured: accepted, and closed."""

    def end(world: BalancerWorld) -> None:
        for broker in world.topology.brokers:
            world.brokers.turn(broker, "refused")

    attempts = probed("article-fixed", [(1.0, end)], 20.0)
    assert failed(attempts)[-50:] == [("reset", 0.0003)] * 50


def test_who_knows_all_brokers_goes_on_to_the_next() -> None:
    """Without a load balancer a dead broker costs its connect timeout, and none of the attempts."""
    patient = {"probes": {"fresh": {"every": "101ms", "patience": "12s"}}}
    attempts = probed("no-vip", [(6.0, lambda world: world.lose_power("rabbit2"))], 30.0, workload=patient)
    assert failed(attempts) == []
    took = Counter(round(attempt.took_s) for attempt in attempts if attempt.t > 6)
    assert took[5] / took.total() == pytest.approx(1 / 3, abs=0.08)
    assert {attempt.endpoint for attempt in attempts if attempt.t > 6} == {"10.40.0.11:5672", "10.40.0.13:5672"}


def test_observed_servers_are_judged_by_probes_too() -> None:
    """With observe, an attempt that fails counts when it does, so attempts are lived through at once."""
    listener = {
        "kind": "amqp",
        "check": {"kind": "amqp", "inter": "60s"},
        "server": {"observe": "layer4", "error_limit": 1, "on_error": "mark-down"},
    }
    topology = design(haproxy={"listeners": {"amqp": listener}})
    world = balancer_world(topology, workload=OFTEN)
    probes = Probes(world)
    probes.begin()
    world.clock.run(1.0)
    world.brokers.turn("r2", "refused")
    world.clock.run(2.0)
    down = world.events(ServerState, up=False)
    assert [(event.host, event.server, event.check) for event in down] == [("lb1", "r2", "HANA")]
    assert probes.events()


# -- the same, each lived through -------------------------------------------------------------------------

MANY: dict[str, Any] = {
    "probes": {
        "fresh": {"every": "101ms"},
        "slow": {"every": "733ms", "patience": "6s"},
        "lbs": {"every": "373ms", "via": "load_balancers"},
        "direct": {"every": "413ms", "via": "brokers"},
    }
}
CHANCE = st.floats(0, 1, exclude_max=True)
STEP = st.tuples(
    st.floats(0.0011, 6.0),
    st.sampled_from(["broker", "broker", "act", "vip", "power", "cut", "plug", "dial"]),
    CHANCE,
    CHANCE,
)


class Doer:
    """What is done to a world by chance."""

    def __init__(self, world: BalancerWorld) -> None:
        self.world = world
        self.healers: list[Callable[[], None]] = []
        self.off: set[str] = set()
        self.plugged: list[str] = []

    def do(self, kind: str, a: float, b: float) -> None:
        """Do it."""
        getattr(self, kind)(a, b)

    def broker(self, a: float, b: float) -> None:
        """A broker serves, freezes or ends."""
        host = chosen(self.world.topology.brokers, a)
        if host not in self.off:
            self.world.brokers.turn(host, chosen(("serving", "serving", "frozen", "refused"), b))

    def act(self, a: float, b: float) -> None:
        """Something is done to an HAProxy."""
        host = chosen(self.world.topology.load_balancers, a)
        if host not in self.off:
            acts = ("kill", "stop", "start", "restart", "reload", "hang", "resume", "resume")
            self.world.balancers.act(host, chosen(acts, b))

    def vip(self, a: float, b: float) -> None:
        """The address moves, is nobody's, or leads elsewhere than it is."""
        self.world.routes.move(VIP, chosen((*self.world.topology.load_balancers, None), a), leads=b < 0.7)

    def power(self, a: float, _: float) -> None:
        """A host loses its power, or has it back."""
        host = chosen(tuple(self.world.topology.hosts), a)
        if host in self.off:
            self.off.discard(host)
            self.world.get_power(host)
        else:
            self.off.add(host)
            self.world.lose_power(host)

    def cut(self, a: float, b: float) -> None:
        """Packets are dropped, or pass again."""
        if self.healers and b < 0.5:
            self.healers.pop()()
            return
        places = (*self.world.topology.hosts, CLIENTS)
        here, there = chosen(places, a), chosen(places, b)
        if here != there:
            self.healers.append(self.world.network.cut([(here, there)] + [(there, here)] * (a > b)))

    def plug(self, a: float, b: float) -> None:
        """A cable is pulled, or put back."""
        if self.plugged and b < 0.6:
            self.world.network.plug(self.plugged.pop(), in_=True)
        else:
            self.plugged.append(chosen(tuple(self.world.topology.hosts), a))
            self.world.network.plug(self.plugged[-1], in_=False)

    def dial(self, a: float, b: float) -> None:
        """Somebody else comes, and stays or goes."""
        world = self.world
        hang_up: list[Callable[[], None]] = []

        def done(_: Fate, through: Through | None) -> None:
            if through is not None and a < 0.7:
                world.balancers.establish(through, CLIENTS, VIP, heartbeat_s=15, done=lambda _: None)
            elif through is not None:
                hang_up[0]()

        hang_up.append(world.balancers.dial(CLIENTS, VIP, "rabbitmq_cluster", Caller(patience_s=1 + 5 * b), done))


def chosen(names: tuple[Any, ...], chance: float) -> Any:
    """Give one of them."""
    return names[int(chance * len(names))]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["article", "article-fixed"]), st.lists(STEP, min_size=1, max_size=10), st.integers(0, 1000))
def test_equals_attempts_that_are_all_lived_through(
    name: str, plan: list[tuple[float, str, float, float]], seed: int
) -> None:
    """Whatever happens, to several probes of several kinds, attempt by attempt."""
    found = []
    for fast in (True, False):
        world = balancer_world(name, seed=seed, workload=MANY)
        probes, doer = Probes(world, fast=fast), Doer(world)
        probes.begin()
        for pause, kind, a, b in plan:
            world.clock.run(world.now + pause)
            doer.do(kind, a, b)
        until = world.now + 8
        world.clock.run(until)
        found.append([attempt for attempt in probes.events() if attempt.t + attempt.took_s < until - 1e-3])
    assert found[0] == found[1]
    assert len(found[0]) > 50
