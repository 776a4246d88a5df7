"""Budgets: the formulas hold what the exact machines give and are reached by them; rows, ranks and pairs."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from designs import design
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rmqha_model import measures
from rmqha_model.document import load
from rmqha_model.faults import CATALOGUE
from rmqha_model.scenario import Scenario
from rmqha_model.timers import Span, balancer, broker, vrrp
from rmqha_model.topology import Topology
from rmqha_model.usual import workload
from simulation.budget import Budget, Figure, Row, budget, budget_of_pairs
from simulation.budget_spans import first, longest
from simulation.machines import check_settings
from simulation.machines.health_check import HealthCheck
from simulation.machines.link_parts import LinkDown, LinkSettings, LinkWorld, Phases, Process
from simulation.machines.links import Link
from simulation.machines.script_runs import Answer, Verdict
from simulation.machines.track_script import Answers, TrackScript, script_from_design
from simulation.machines.vrrp import Vrrp
from simulation.machines.vrrp_settings import vrrp_from_design
from simulation.machines.vrrp_words import Advert, Clock, Entered, Hear, Start, Stream
from simulation.machines.wire import Target

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("article", "article-fixed", "dedicated-lb", "five-brokers-two-vips", "no-vip", "tls")
RESOLUTION_S = 0.3
"""Between two attempts of three clients that take turns, a tenth of a second apart."""


@cache
def example(name: str) -> Topology:
    """A design of the examples."""
    return load(EXAMPLES / f"{name}.yaml", Topology)


@cache
def known(name: str) -> Budget:
    """Its budget."""
    return budget(example(name))


def row(found: Budget, fault: str, target: str) -> Row:
    """The row of one fault at one target."""
    return next(each for each in found.rows if each.faults == ((fault, target),))


def figure(found: Row, measure: str, subject: str = "", who: str = "") -> Figure:
    """One figure of it."""
    return next(
        each
        for each in found.figures
        if each.measure == measure and subject in {"", each.subject} and who in {"", each.who}
    )


def bounds(span: Span) -> tuple[float, float]:
    """Shortest and longest time, to a hundredth."""
    return round(span.min_s, 2), round(span.max_s, 2)


def holds(span: Span, seconds: float) -> bool:
    """Whether a time lies within, but for what floating point and whole milliseconds lose."""
    return span.min_s - 0.002 <= seconds <= span.max_s + 0.002


# -- machines lie within the formulas, and reach their ends -------------------------------------------

PAUSES = st.integers(200, 6000)
CHECKS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["tcp", "amqp"]),
        "inter": PAUSES.map("{}ms".format),
        "fastinter": st.none() | PAUSES.map("{}ms".format),
        "rise": st.integers(1, 4),
        "fall": st.integers(1, 5),
    }
)
LIMITS = st.fixed_dictionaries({"connect": PAUSES.map("{}ms".format)}, optional={"check": PAUSES.map("{}ms".format)})
CERTIFICATE = {"certificate": "/tls/node.pem", "key": "/tls/node.key", "ca": "/tls/ca.pem"}


def checked(check: dict[str, Any], limits: dict[str, str], release: str, *, tls: bool) -> Topology:
    """A design whose listener checks so."""
    timeouts = {"client": "60s", "server": "60s", "check": None, **limits}
    listeners = {"amqp": {"kind": "amqps" if tls else "amqp", "check": check}}
    secure: dict[str, Any] = {
        "rabbitmq": {"tls": {"clients": CERTIFICATE}},
        "clients": {"app": {"tls": True}},
    }
    return design(
        versions={"haproxy": release},
        haproxy={"defaults": {"timeouts": timeouts}, "listeners": listeners},
        **(secure if tls else {}),
    )


def down_after(settings_: check_settings.CheckSettings, phase: float, target: Target) -> float:
    """When the machine marks a server DOWN whose next check is *phase* seconds away when it changes."""
    check = HealthCheck(settings_, Target("answering"), first=0.0)
    for _ in range(3):  # from the state at start to full health
        if math.isfinite(check.due):
            check.fire()
    ends = 40 * settings_.inter / 1000
    fault = ends - phase
    while check.due < fault:
        check.fire()
    check.feed(fault, target)
    while math.isfinite(check.due):
        if any(said.became == "DOWN" for said in check.fire()):
            return check_time(check) - fault
    return math.inf


def check_time(check: HealthCheck) -> float:
    """The end of the check that was last: its next one, less the pause before it."""
    pause = check.settings.pause(check.health, up=check.up)[1]
    return (check._next - pause * 1000) / 1_000_000  # the machine's own instant


@settings(max_examples=60, deadline=None)
@given(
    CHECKS,
    LIMITS,
    st.sampled_from(["2.2.9", "2.6.12", "3.0.11", "3.2.26"]),
    st.booleans(),
    st.floats(0.001, 0.999),
    st.sampled_from(["refused", "silent", "frozen"]),
)
def test_health_checks_lie_within_their_formulas(  # noqa: PLR0913, PLR0917 - what a design says
    check: dict[str, Any],
    limits: dict[str, str],
    release: str,
    tls: bool,  # noqa: FBT001 - drawn
    share: float,
    fate: str,
) -> None:
    """For any settings and any phase the machine is within the bounds, and reaches both ends within a hundredth."""
    topology = checked(check, limits, release, tls=tls)
    listener = next(balancer.amqp_listeners(topology))[1]
    machine = check_settings.from_design(topology, "amqp")
    assert machine is not None
    formula = {"refused": balancer.refused, "silent": balancer.silent, "frozen": balancer.frozen}[fate]
    span = formula(topology, listener)
    target = Target(fate)  # type: ignore[arg-type]
    inter = machine.inter / 1000
    assume(span.is_never or span.max_s < 200)
    if span.is_never:
        assert math.isinf(down_after(machine, share * inter, target))
        return
    assert holds(span, down_after(machine, share * inter, target))
    least, most = (down_after(machine, edge * inter, target) for edge in (0.0001, 0.9999))
    assert least == pytest.approx(span.min_s, rel=0.01, abs=0.003)
    assert most == pytest.approx(span.max_s, rel=0.01, abs=0.003)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 254),
    st.integers(1, 254),
    st.sampled_from([2, 3]),
    st.integers(1, 4),
    st.floats(0.0005, 0.9995),
    st.sampled_from(["2.1.5", "2.2.7", "2.3.3"]),
)
def test_takeovers_lie_within_their_formulas(  # noqa: PLR0913, PLR0917 - what a design says
    one: int, other: int, version: int, advert: int, share: float, release: str
) -> None:
    """A backup takes over within the bounds, however long ago the last advert was, and at both ends of them."""
    assume(one > other)
    instance = {"members": {"lb1": one, "lb2": other}, "version": version, "advert_int": f"{advert}s"}
    topology = design(versions={"keepalived": release}, keepalived={"scripts": {}, "instances": {"VI": instance}})
    span = vrrp.takeover_silent(topology, "VI", "lb1")

    def after(quiet: float) -> float:
        machine = Vrrp(vrrp_from_design(topology, "VI", "lb2"))
        machine.feed(0.0, Start({"link": True}))
        stream = Stream(Advert(1, one, advert * 1_000_000), Clock(0.5, float(advert)))
        machine.feed(0.25, Hear(1, stream))
        fault = 0.5 + 20 * advert + quiet * advert
        while machine.due < fault:
            machine.fire()
        machine.feed(fault, Hear(1, None))
        said = [each for _ in range(4) if math.isfinite(machine.due) for each in machine.fire()]
        return next(each.at for each in said if isinstance(each, Entered) and each.state == "MASTER") - fault

    assert holds(span, after(share))
    assert after(0.0001) == pytest.approx(span.max_s, rel=0.01)
    assert after(0.9999) == pytest.approx(span.min_s, rel=0.01)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 4),
    st.floats(0.001, 0.999),
    st.sampled_from(["2.1.5", "2.2.7", "2.3.2", "2.3.3"]),
    st.booleans(),
)
def test_scripts_lie_within_their_formulas(  # noqa: PLR0913, PLR0917 - what a design says
    interval: int,
    timeout: int,
    fall: int,
    share: float,
    release: str,
    hangs: bool,  # noqa: FBT001
) -> None:
    """A script that fails or hangs from now on is found within the bounds, by both kinds of releases."""
    scripts = {"chk": {"kind": "observe", "interval": f"{interval}s", "timeout": f"{timeout}s", "fall": fall}}
    topology = design(versions={"keepalived": release}, keepalived={"scripts": scripts})
    assert topology.keepalived
    told = topology.keepalived.scripts["chk"]
    copies = vrrp.begins_second_copy(topology)
    span = vrrp.script_hangs(told, second_copy=copies) if hangs else vrrp.script_fails(told)
    machine = script_from_design(topology, "chk")

    def after(phase: float) -> float:
        script = TrackScript(machine, 0.0, Answer(ok=True))
        for _ in range(2):
            if math.isfinite(script.due):
                script.fire()
        fault = 30.0 * interval - phase * interval
        said = script.feed(fault, Answers(Answer(ok=False, takes=math.inf if hangs else 0.0)))
        while not any(isinstance(each, Verdict) and not each.ok for each in said):
            said = script.fire()
        return next(each.at for each in said if isinstance(each, Verdict)) - fault

    assert holds(span, after(share))
    assert after(0.0001) == pytest.approx(span.min_s, rel=0.01, abs=0.003)
    assert after(0.9999) == pytest.approx(span.max_s, rel=0.01)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 14.99), st.floats(0, 0.099), st.floats(0, 15), st.booleans(), st.sampled_from([5, 6, 8, 15]))
def test_links_lie_within_their_formulas(tick: float, beat: float, at: float, hangs: bool, retries2: int) -> None:  # noqa: FBT001
    """Both ends of a link give a silent or a frozen peer up within the bounds, by ticks or by their kernels."""
    topology = design(os={"tcp_retries2": retries2})
    span = broker.hung(topology) if hangs else broker.net_tick(topology)
    phases = Phases(tick, beat)
    link = Link(LinkSettings(retries2=(retries2, retries2)), (phases, Phases(tick / 2, beat / 2)))
    fault = 100.0 + at
    gone = LinkWorld(process=(Process.RUNS, Process.HANGS)) if hangs else LinkWorld((False, False))
    link.feed(fault, gone)
    downs = [said for _ in range(12) if link.due < fault + 400 for said in link.fire()]
    ended = [said.t - fault for said in downs if isinstance(said, LinkDown) and said.end == 0]
    assert ended
    assert holds(span, ended[0])


# -- the examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_has_its_row(name: str) -> None:
    """Each fault of the catalogue that the design can suffer is there, the worst first, and all of it is JSON."""
    found = known(name)
    told = {fault for each in found.rows for fault, _ in each.faults}
    without = {fault for fault, kind in CATALOGUE.items() if kind.target in {"load_balancer", "vrrp"}}
    assert told == (set(CATALOGUE) - without if name == "no-vip" else set(CATALOGUE))
    assert [each.rank for each in found.rows] == sorted((each.rank for each in found.rows), reverse=True)
    assert len({each.faults for each in found.rows}) == len(found.rows)
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text)["rows"][0]["faults"]


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_in_order(name: str) -> None:
    """Shortest, mean and longest are in that order; each says how it comes about and where that is known from."""
    for each in known(name).rows:
        for one in each.figures:
            span = one.span
            assert 0 <= span.min_s <= span.mean_s + 1e-9
            assert span.mean_s <= span.max_s + 1e-9, (each.name, one)
            assert span.formula or not span.max_s, (each.name, one)
        keys = [one.key for one in each.figures]
        assert len(keys) == len(set(keys)), each.name


def test_the_tutorials_design() -> None:
    """Its weaknesses, by number: late detection, confirms that wait for Erlang's ticks, and what nothing ever ends."""
    found = known("article")
    lost = row(found, "host_power_loss", "@leader")
    assert bounds(figure(lost, "down").span) == (23.06, 30)
    assert bounds(figure(lost, "confirm gap", "mirrored", "connected elsewhere").span) == (59.91, 75)
    assert bounds(figure(lost, "confirm gap", "quorum", "connected elsewhere").span) == (5.05, 11.2)
    follower = row(found, "host_power_loss", "@follower")
    assert figure(follower, "confirm gap", "quorum", "connected elsewhere").span.max_s == 0
    assert bounds(figure(follower, "confirm gap", "mirrored", "connected elsewhere").span) == (59.9, 75)
    hung = row(found, "broker_hang", "@leader")
    assert figure(hung, "down").span.is_never
    assert figure(hung, "outage").share == "1 of 3"
    frozen = row(found, "haproxy_hang", "@vip_owner")
    assert figure(frozen, "failover").span.is_never
    assert figure(frozen, "outage").span.is_never
    twice = row(found, "keepalived_kill", "@vip_owner both")
    assert figure(twice, "shared").span.is_never
    assert bounds(figure(twice, "failover").span) == (2.77, 3.77)
    assert bounds(figure(row(found, "keepalived_stop", "@vip_owner"), "absent").span) == (0.77, 0.77)
    assert hung.loses  # its client asks for no confirms
    assert not known("article-fixed").rows[0].loses


def test_the_sound_design() -> None:
    """The same hosts done soundly: everything but a lost site and an alarm ends by itself, within half a minute."""
    endless = {each.faults[0][0] for each in known("article-fixed").rows if math.isinf(each.harm_s)}
    assert endless == {"site_power_loss", "memory_alarm", "disk_alarm"}
    assert max(each.harm_s for each in known("article-fixed").rows if math.isfinite(each.harm_s)) < 30
    hang = row(known("article-fixed"), "haproxy_hang", "@vip_owner")
    assert bounds(figure(hang, "outage").span) == (3, 5)
    script = row(known("article-fixed"), "check_script_hang", "@vip_owner")
    assert bounds(figure(script, "failover").span) == (4.45, 6.45)
    assert bounds(figure(row(known("dedicated-lb"), "check_script_hang", "@vip_owner"), "failover").span) == (
        6.45,
        8.45,
    )


def test_only_some_faults() -> None:
    """Rows can be asked for by the faults' names."""
    found = budget(example("no-vip"), {"broker_kill"})
    assert {each.faults for each in found.rows} == {(("broker_kill", "@leader"),), (("broker_kill", "@follower"),)}
    assert budget(example("no-vip"), {"haproxy_kill"}).rows == ()


def test_two_brokers_that_pause() -> None:
    """With two brokers and pause_minority the loss of one stops the other as well."""
    handling = {"partition_handling": "pause_minority"}
    topology = design(rabbitmq={"nodes": ["r1", "r2"], **handling}, haproxy={"listeners": {"amqp": {"kind": "amqp"}}})
    stopped = row(budget(topology), "broker_stop", "@follower")
    assert figure(stopped, "confirm gap", "plain", "connected elsewhere").span.is_never


# -- pairs --------------------------------------------------------------------------------------------


@cache
def pairs() -> Budget:
    """Those of the dedicated balancers."""
    return budget_of_pairs(example("dedicated-lb"))


def both(one: tuple[str, str], other: tuple[str, str]) -> Row:
    """The row of two."""
    return next(each for each in pairs().rows if set(each.faults) == {one, other})


def test_pairs_that_take_away_the_rest() -> None:
    """Two brokers are a majority of three, two load balancers are all: until one is undone nothing works."""
    brokers = both(("broker_hang", "@leader"), ("host_power_loss", "@follower"))
    assert figure(brokers, "confirm gap", "quorum").span.is_never
    balancers = both(("haproxy_stop", "@vip_owner"), ("host_power_loss", "@vip_backup"))
    assert figure(balancers, "outage").span.is_never
    assert pairs().rows[0].harm_s == math.inf


def test_pairs_that_add_up() -> None:
    """What both move takes as long as the longer one at least, and as both in turn at most; and that is said."""
    one, other = ("broker_kill", "@leader"), ("haproxy_kill", "@vip_owner")
    together = figure(both(one, other), "confirm gap", "quorum", "all")
    assert together.span.max_s >= figure(row(known("dedicated-lb"), *other), "confirm gap", "quorum", "all").span.max_s
    hang, stop = ("broker_hang", "@leader"), ("haproxy_hang", "@vip_owner")
    outage = figure(both(hang, stop), "outage")
    alone = [figure(row(known("dedicated-lb"), *each), "outage").span for each in (hang, stop)]
    assert outage.bound
    assert outage.span.min_s == max(span.min_s for span in alone)
    assert outage.span.max_s == sum(span.max_s for span in alone)


def test_pairs_are_of_two() -> None:
    """No pair twice, none of a fault with itself, and with names only pairs that have one of them."""
    names = [frozenset(each.faults) for each in pairs().rows]
    assert len(names) == len(set(names))
    assert all(len(each) == 2 for each in names)
    some = budget_of_pairs(example("no-vip"), {"broker_kill"})
    assert some.rows
    assert all("broker_kill" in {fault for fault, _ in each.faults} for each in some.rows)


# -- spans --------------------------------------------------------------------------------------------


def test_the_first_and_the_longest() -> None:
    """Of spans that overlap both count; one that is always over before is left out, with its words."""
    a, b, c = Span(1, 3, "a", "s", "v"), Span(2, 5, "b", "s", "v"), Span(7, 8, "c", "t", "v")
    assert (bounds(longest(a, b)), bounds(first(a, b))) == ((2, 5), (1, 3))
    assert longest(a, b, c) is c
    assert first(a, b, c).formula == "the first of: (a), (b)"


# -- runs of the simulator ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "target"),
    [
        ("broker_kill", "@leader"),
        ("broker_hang", "@follower"),
        ("haproxy_hang", "@vip_owner"),
        ("keepalived_stop", "@vip_owner"),
        ("link_down", "@leader"),
        ("check_script_hang", "@vip_owner"),
    ],
)
def test_runs_lie_within_the_budget(fault: str, target: str) -> None:
    """What a run shows of outages, confirm gaps of quorum queues and detections is within the budget's bounds."""
    from simulation.run import run

    topology, told = example("dedicated-lb"), row(known("dedicated-lb"), fault, target)
    for seed in range(4):
        scenario = {
            "name": "fault",
            "workload": workload(topology),
            "faults": [{"fault": fault, "host": target, "at": "10s", "for": "60s"}],
            "duration": "90s",
        }
        timeline = run(topology, Scenario.model_validate(scenario), seed)
        outage = measures.outages(timeline)["fresh"]
        within(told, "outage", "fresh connections", outage.length_s if outage else 0.0)
        within(told, "confirm gap", "quorum", measures.confirm_gaps(timeline)["quorum-publisher"].length_s)
        for found in measures.detections(timeline):
            if found.down_after_s is not None:
                within(told, "down", found.proxy, found.down_after_s)


def within(told: Row, measure: str, subject: str, seconds: float) -> None:
    """A time lies within the figures of whoever it is about."""
    spans = [each.span for each in told.figures if each.measure == measure and each.subject == subject]
    low, high = min((each.min_s for each in spans), default=0.0), max((each.max_s for each in spans), default=0.0)
    assert low - RESOLUTION_S <= seconds <= high + RESOLUTION_S, (told.name, measure, seconds, low, high)
