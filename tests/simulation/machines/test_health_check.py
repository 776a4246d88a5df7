"""HAProxy's health check: equal to a ticking one, as measured, and within its bounds."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ticking_health_check import Ticking

from rmqha_model.document import load
from rmqha_model.events import ServerState
from rmqha_model.topology import Topology
from simulation.machines.check_settings import CheckSettings, first_checks, from_design, late_timeout
from simulation.machines.check_words import Observed, Paused, Resumed
from simulation.machines.health_check import HealthCheck
from simulation.machines.wire import LINEAR, OLD, Target, fails_at, us

ANSWERS = Target("answering")
REFUSED, SILENT, UNROUTABLE, FROZEN = Target("refused"), Target("silent"), Target("unroutable"), Target("frozen")
SEED = CheckSettings("tcp", inter=5000, rise=2, fall=3, timeout_connect=5000)
"""The article's: inter 5s rise 2 fall 3, timeout connect 5s, no timeout check."""


def play(check: HealthCheck, inputs: list[tuple[float, Any]], until: float) -> list[Any]:
    """Drive *check* as a driver would: what is fed comes before what is due at the same instant."""
    found: list[Any] = []
    for t, input_ in [*inputs, (until, None)]:
        while check.due < t:
            found += check.fire()
        if input_ is not None:
            found += check.feed(t, input_)
    return found


# -- equal to the machine that ticks ------------------------------------------------------------------

TIMES = st.sampled_from([0.0, 0.0004, 0.02, 0.3, 1.0, 1.2, 2.5, 7.0])
TARGETS = st.one_of(
    st.builds(
        Target,
        kind=st.just("answering"),
        connect_s=TIMES,
        handshake_s=TIMES,
        answer_s=TIMES,
        answer=st.sampled_from(["good", "good", "good", "bad", "closed"]),
    ),
    st.builds(Target, kind=st.sampled_from(["refused", "frozen"]), connect_s=TIMES, full=st.booleans()),
    st.sampled_from([SILENT, UNROUTABLE]),
)
PAUSES = st.sampled_from([250, 700, 1000, 2000, 3000, 5000])
SETTINGS = st.builds(
    CheckSettings,
    kind=st.sampled_from(["tcp", "amqp", "http"]),
    tls=st.booleans(),
    inter=PAUSES,
    fastinter=st.none() | PAUSES,
    downinter=st.none() | PAUSES,
    rise=st.integers(1, 4),
    fall=st.integers(1, 4),
    timeout_connect=st.none() | PAUSES,
    timeout_check=st.none() | PAUSES,
    late_timeout=st.booleans(),
    spread=st.sampled_from([0, 0, 0, 20, 50]),
    observe=st.booleans(),
    error_limit=st.integers(1, 3),
    on_error=st.sampled_from(["fastinter", "fail-check", "sudden-death", "mark-down"]),
    forced_fastinter=st.booleans(),
    init_state=st.sampled_from(["up", "up", "fully-up", "down", "fully-down"]),
    slowstart=st.sampled_from([0, 0, 1, 7, 60]),
    kernel=st.sampled_from([LINEAR, OLD]),
)
GAPS = st.one_of(st.integers(1, 30).map(float), st.floats(0.001, 12).map(lambda t: us(t) / 1e6))
CALM = st.lists(st.tuples(GAPS, TARGETS | TARGETS | st.builds(Observed, st.booleans())), max_size=12)
STOPS = st.lists(
    st.tuples(
        GAPS, TARGETS | st.builds(Observed, st.booleans()) | st.just(Paused()) | st.builds(Resumed, st.booleans())
    ),
    max_size=14,
)


def compared(how: CheckSettings, first_target: Target, first: float, steps: list[tuple[float, Any]], seed: int) -> None:
    """Play the same to both, and compare all that is seen."""
    t, inputs, asleep = 0.0, [], False
    for gap, input_ in steps:
        t = us(t + gap) / 1e6
        asleep = isinstance(input_, Paused) or (asleep and not isinstance(input_, Resumed))
        if not (asleep and isinstance(input_, Observed)):
            inputs.append((t, input_))
    draws = [random.Random(seed).random for _ in range(2)]  # noqa: S311 - no secret
    machine = HealthCheck(how, first_target, first=first, draw=draws[0])
    found = play(machine, inputs, t + 40)
    plain = Ticking(how, first_target, first, draws[1]).run(inputs, t + 40 - 1e-6)
    assert [(us(o.t), o.up, o.health, o.code, o.steps) for o in found] == plain
    for one in found:
        assert 0 <= one.health <= how.full
        assert all(part >= 0 for _, part in one.reason)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(SETTINGS, TARGETS, GAPS, CALM, st.integers(0, 9))
def test_equals_the_ticking_one(
    how: CheckSettings, target: Target, first: float, steps: list[tuple[float, Any]], seed: int
) -> None:
    """Whatever happens to the server, both tell the same changes at the same microsecond."""
    compared(how, target, first, steps, seed)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(SETTINGS, TARGETS, GAPS, STOPS, st.integers(0, 9))
def test_equals_the_ticking_one_though_haproxy_is_stopped(
    how: CheckSettings, target: Target, first: float, steps: list[tuple[float, Any]], seed: int
) -> None:
    """The same with a process that stands still and goes on, before and after 3.1."""
    compared(how, target, first, steps, seed)


def test_the_reason_adds_up_to_the_time_since_the_fault() -> None:
    """What is said of the time is all of it."""
    check = HealthCheck(SEED, ANSWERS, first=0.7)
    down = next(o for o in play(check, [(1001.3, SILENT)], 2000) if o.became == "DOWN")
    assert sum(part for _, part in down.reason) == pytest.approx(down.t - 1001.3, abs=1e-9)
    assert [words for words, _ in down.reason] == [
        "wait for the next check", "check L4TOUT", "inter", "check L4TOUT", "inter", "check L4TOUT",
    ]  # fmt: skip


# -- as measured, and as the formulas say -------------------------------------------------------------


def until(what: str, how: CheckSettings, inputs: list[tuple[float, Any]], *, first: float = 0.0) -> float:
    """Give when the server becomes UP or DOWN after the last input, as time since then."""
    since = inputs[-1][0]
    found = play(HealthCheck(how, ANSWERS, first=first), inputs, since + 200)
    return next((o.t - since for o in found if o.became == what and o.t >= since), float("inf"))


def span(what: str, how: CheckSettings, inputs: list[tuple[float, Any]], period: float) -> tuple[float, float]:
    """Give the least and the greatest such time over all phases of the checks."""
    found = [until(what, how, inputs, first=0.011 + k * period / 97) for k in range(97)]
    return min(found), max(found)


CHECKED = dataclasses.replace(SEED, timeout_check=2000, timeout_connect=2000)


@pytest.mark.parametrize(
    ("how", "target", "low", "high"),
    [
        (SEED, REFUSED, 10, 15),  # measured 13.10 to 14.22
        (SEED, SILENT, 25, 30),  # measured 25.10 to 29.96
        (CHECKED, SILENT, 16, 21),  # measured 16.61 to 17.72
        (dataclasses.replace(SEED, kind="amqp"), FROZEN, 25, 30),
        (dataclasses.replace(SEED, kind="amqp", inter=2000), FROZEN, 10, 12),  # measured 11.4
        (SEED, UNROUTABLE, 19.18, 24.18),  # the master's own link cut: measured 6.1 s a failure
        (dataclasses.replace(SEED, fastinter=500), REFUSED, 1, 6),
    ],
)
def test_detection_takes_as_long_as_measured(how: CheckSettings, target: Target, low: float, high: float) -> None:
    """The closed formulas bound it, and the bounds are reached."""
    least, greatest = span("DOWN", how, [(100.0, target)], how.inter / 1000)
    assert low <= least <= low + 0.1
    assert high - 0.1 <= greatest <= high


@pytest.mark.parametrize(
    ("kernel", "dead", "low", "high"),
    [
        (LINEAR, REFUSED, 5, 10),  # measured 7.11 to 8.22
        (LINEAR, SILENT, 5, 11),  # measured 5.03 to 10.84
        (OLD, SILENT, 5, 12),
    ],
)
def test_recovery_takes_as_long_as_measured(kernel: Any, dead: Target, low: float, high: float) -> None:
    """A check under way may succeed when the kernel sends its SYN again."""
    how = dataclasses.replace(SEED, kernel=kernel)
    found = [until("UP", how, [(40.3, dead), (200.007 + k * 10 / 89, ANSWERS)]) for k in range(89)]
    assert low <= min(found) <= low + 0.15
    assert high - 0.15 <= max(found) <= high + 1e-6


def test_a_connecting_check_never_finds_a_frozen_server_until_its_queue_is_full() -> None:
    """The kernel answers; measured for 40 checks."""
    assert until("DOWN", SEED, [(50.0, FROZEN)]) == float("inf")
    assert 25 <= until("DOWN", SEED, [(50.0, FROZEN), (90.3, Target("frozen", full=True))]) <= 30


@pytest.mark.parametrize(("late", "took"), [(True, 2.0), (False, 1.0)])
def test_timeout_check_is_noticed_late_by_old_releases(late: bool, took: float) -> None:  # noqa: FBT001
    """`timeout check 1s`, inter 2s: measured on 2.6.12 up to 2.00 s."""
    how = CheckSettings("amqp", inter=2000, timeout_connect=5000, timeout_check=1000, late_timeout=late)
    found = play(HealthCheck(how, ANSWERS, first=1.0), [(2.5, FROZEN)], 20)
    assert [o.code for o in found] == ["L7OK", "L7TOUT", "L7TOUT", "L7TOUT"]
    assert found[1].t == pytest.approx(3.0 + took)


@pytest.mark.parametrize(
    ("version", "late"),
    [((2, 6, 12), True), ((3, 0, 11), True), ((3, 2, 0), True), ((3, 2, 26), False), ((3, 3, 0), False)],
)
def test_releases_that_notice_it_late(version: tuple[int, int, int], late: bool) -> None:  # noqa: FBT001
    """Commit 7c788f098 stands in the CHANGELOG of 3.2.1 and not in that of 3.0.11."""
    assert late_timeout(version) is late


def test_a_vanished_neighbour_shortens_the_third_attempt() -> None:
    """Measured: attempts of 5 s, 5 s and 3.06 s, so DOWN 23.06 s and the phase after the loss."""
    check = HealthCheck(SEED, ANSWERS, first=0.0)
    found = play(check, [(101.0, SILENT), (123.5, UNROUTABLE)], 300)
    assert [(o.code, round(o.t - 105, 2)) for o in found if o.t > 101] == [
        ("L4TOUT", 5.0), ("L4TOUT", 15.0), ("L4CON", 23.06),
    ]  # fmt: skip


def test_the_neighbours_entry_fails_as_measured() -> None:
    """Eight runs on Linux 6.18: reachable time, last success before the loss, and the packet that found it STALE."""
    assert fails_at(-1.02, 15.78, 15.04) == pytest.approx(23.04)  # the next attempt, at 24.06, took 3.06 s
    assert fails_at(-2.69, 31.108, 32.36) == pytest.approx(40.36)  # at 42.38, 3.08 s; at 32.36 still 5.00 s
    assert fails_at(-2.08, 26.84, 24.95) == pytest.approx(32.95)  # under way since 32.96: 4.10 s
    check = HealthCheck(SEED, ANSWERS, first=2.92)
    check.feed(102.0, SILENT)
    assert check.next_packet(102.0 + 24.76) == pytest.approx(126.92)
    assert check.next_packet(102.0 + 29.0) == pytest.approx(132.92)


def test_a_server_that_is_dead_at_the_start_is_down_after_one_check() -> None:
    """Whatever `fall` says: the counter begins at `rise`."""
    assert [(o.t, o.became) for o in play(HealthCheck(SEED, REFUSED, first=1.5), [], 50)] == [(1.5, "DOWN")]
    assert [(o.t, o.became) for o in play(HealthCheck(SEED, SILENT, first=1.5), [], 50)] == [(6.5, "DOWN")]


def test_first_checks_are_spread_over_the_smallest_interval() -> None:
    """Measured with 40 servers and inter 5000: 125 ms apart."""
    assert first_checks([SEED] * 40)[:3] == (0.0, 0.125, 0.25)
    assert first_checks([SEED] * 3) == (0.0, 1.666, 3.333)
    assert first_checks([dataclasses.replace(SEED, inter=500), SEED]) == (0.0, 2.5)
    assert first_checks([SEED, dataclasses.replace(SEED, fastinter=500)]) == (0.0, 2.5)
    assert first_checks([SEED, SEED], max_spread=1000) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("on_error", "seen"),
    [
        ("mark-down", [(0, "DOWN")]),
        ("fail-check", [(3, ""), (2, ""), (0, "DOWN")]),
        ("sudden-death", [(2, ""), (0, "DOWN")]),
    ],
)
def test_clients_errors_count_where_haproxy_observes(on_error: Any, seen: list[tuple[int, str]]) -> None:
    """With error-limit 1, measured: mark-down after the first client, fail-check after three."""
    how = dataclasses.replace(SEED, observe=True, error_limit=1, on_error=on_error)
    errors = [(100.0 + k / 10, Observed(failed=True)) for k in range(len(seen))]
    found = play(HealthCheck(how, ANSWERS, first=3.0), [(99.5, REFUSED), *errors], 101)
    assert [(o.health, o.became) for o in found if o.t > 99] == seen


def test_a_returning_servers_weight_rises_in_sixteenths() -> None:
    """`slowstart 60s`: a step every 3.75 s, looked at once a second, RUNNING after the whole time."""
    how = dataclasses.replace(SEED, slowstart=60)
    found = play(HealthCheck(how, ANSWERS, first=0.0), [(11.0, REFUSED), (41.0, ANSWERS)], 300)
    up = next(o for o in found if o.became == "UP")
    rise = [(round(o.t - up.t, 6), o.steps) for o in found if o.t > up.t]
    assert up.steps == 1
    assert not up.running
    assert rise[:3] == [(4, 2), (8, 3), (12, 4)]
    assert rise[-1] == (60, 16)


def test_the_article_as_a_design() -> None:
    """What the design says reaches the machine: with HAProxy 2.4.3, `inter 5s rise 2 fall 3` and no `timeout check`."""
    article = load(Path("examples/article.yaml"), Topology)
    assert from_design(article, "rabbitmq_cluster") == dataclasses.replace(
        SEED, late_timeout=True, forced_fastinter=False
    )
    assert from_design(article, "monitor") is None
    fixed = from_design(load(Path("examples/article-fixed.yaml"), Topology), "rabbitmq_cluster")
    assert fixed is not None
    assert (fixed.kind, fixed.connect_limit, fixed.timeout_check, fixed.fastinter) == ("amqp", 2000, 2000, 500)


def test_a_year_without_a_change_costs_nothing_and_loses_nothing() -> None:
    """The phase after 6 million checks is the one that counting them one by one gives."""
    check = HealthCheck(SEED, Target("answering", connect_s=0.000301), first=0.25)
    play(check, [], 100)
    assert check.due == float("inf")
    year = 31_557_600.0
    assert check.feed(year, REFUSED) == ()
    period, first = 5_000_301, 250_000
    begun = first + -((us(year) - first) // -period) * period
    assert us(check.due) == begun


def test_it_is_told_as_the_event_of_both_worlds() -> None:
    """The counter, the state and the code, under the names of the design."""
    (one,) = play(HealthCheck(SEED, REFUSED, first=1.5), [], 50)
    assert one.event("rabbit1", "amqp", "rabbit2", SEED) == ServerState(
        1.5, "rabbit1", "amqp", "rabbit2", up=False, health=0, rise=2, fall=3, check="L4CON"
    )


def test_when_it_last_heard_its_server() -> None:
    """At the end of the last check, wherever one looks from; now, while one is under way."""
    check = HealthCheck(SEED, Target("answering", connect_s=0.25), first=1.0)
    assert play(check, [], 3.0)
    assert check.last_packet(5.0) == 1.25
    assert check.last_packet(6.3) == 6.3
    assert check.last_packet(7.0) == 6.5
    due = check.due
    assert check.last_packet(101.3) == 1.25 + 19 * 5.25
    assert check.due == due


@pytest.mark.parametrize("target", [ANSWERS, Target("answering", 0.0003, 0.005, 0.0034), REFUSED])
def test_a_settled_check_is_one_that_has_gone_on_for_long(target: Target) -> None:
    """What it finds next, and when, is the same."""
    how = CheckSettings("amqp", inter=2000, fastinter=500, rise=2, fall=3)
    long = HealthCheck(how, target, first=-60.0)
    while long.due < -20.0:
        long.fire()
    last = long.last_packet(0.0)
    settled = HealthCheck(how, target, first=long.next_packet(-2.0))
    settled.settle()
    assert (settled.health, settled.up, settled.code) == (long.health, long.up, long.code)
    assert settled.last_packet(0.0) == last
    for check in (long, settled):
        check.feed(0.0, UNROUTABLE)
    assert settled.due == long.due
    assert settled.fire() == long.fire()
