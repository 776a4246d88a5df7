"""HAProxy's process: restarts by systemd, reloads, and time in which it stands still."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.machines.balancer import Balancer, BalancerSettings, ProcessChanged, from_design

DEBIAN = BalancerSettings()


def play(
    how: BalancerSettings, acts: list[tuple[float, Any]], *, start_s: float = 0.3, running: bool = True
) -> list[Any]:
    """Drive one; what is done comes before what is due at the same instant."""
    process = Balancer(how, lambda: start_s, running=running)
    found: list[ProcessChanged] = []
    for t, act in [*acts, (acts[-1][0] + 10_000.0, None)]:
        while process.due < t:
            found += process.fire()
        if act is not None:
            found += process.feed(t, act)
    return [(round(one.t, 6), one.what) for one in found]


@pytest.mark.parametrize("act", ["kill", "kill_master", "kill_worker"])
def test_a_killed_haproxy_is_back_after_restartsec_and_its_start(act: str) -> None:
    """Measured on Debian: back in 0.15 to 0.6 s; master and worker die together."""
    assert play(DEBIAN, [(10.0, act)]) == [(10.0, "ended"), (10.4, "listening")]


def test_a_stopped_haproxy_stays_stopped() -> None:
    """Until somebody starts it; also one that stood still, which systemd continues to stop it."""
    assert play(DEBIAN, [(1.0, "stop"), (5.0, "start")]) == [(1.0, "ended"), (5.3, "listening")]
    assert play(DEBIAN, [(1.0, "hang"), (2.0, "stop")]) == [(1.0, "frozen"), (2.0, "ended")]
    assert play(DEBIAN, [(1.0, "restart")]) == [(1.0, "ended"), (1.3, "listening")]
    assert play(DEBIAN, [(1.0, "power_off"), (1.1, "kill")]) == [(1.0, "ended")]


def test_one_that_cannot_start_is_given_up() -> None:
    """A refused configuration: it goes on until it ends, is tried five times, and a start needs it mended."""
    acts: list[tuple[float, Any]] = [(1.0, "break_config"), (2.0, "kill"), (30.0, "mend_config"), (31.0, "start")]
    assert play(DEBIAN, acts) == [(2.0, "ended"), (2.85, "failed"), (31.3, "listening")]
    supervised = BalancerSettings(restart_s=0.5, start_limit=False)
    assert play(supervised, [*acts[:2], (30.2, "mend_config")]) == [(2.0, "ended"), (30.85, "listening")]


def test_a_reload_leaves_sessions_with_the_old_process() -> None:
    """They end with hard-stop-after; a refused configuration changes nothing."""
    how = BalancerSettings(hard_stop_after=1800.0)
    assert play(how, [(1.0, "reload")]) == [(1.0, "reloaded"), (1801.0, "drained")]
    assert play(DEBIAN, [(1.0, "reload")]) == [(1.0, "reloaded")]
    assert play(how, [(1.0, "break_config"), (2.0, "reload")]) == []
    assert play(how, [(1.0, "reload"), (9.0, "stop")]) == [(1.0, "reloaded"), (9.0, "ended")]


def test_one_that_stands_still() -> None:
    """The worker counts, the master does not; whether its clock jumps depends on the release."""
    assert play(DEBIAN, [(1.0, "hang_master"), (2.0, "resume")]) == []
    assert play(DEBIAN, [(1.0, "hang"), (2.0, "hang"), (4.0, "resume")]) == [(1.0, "frozen"), (4.0, "resumed")]
    process = Balancer(BalancerSettings(hides_jumps=False), lambda: 0.3)
    process.feed(1.0, "hang")
    assert process.feed(2.0, "resume") == [ProcessChanged(2.0, "resumed", hidden=False)]


def test_a_restart_says_why_it_took_as_long() -> None:
    """RestartSec and the start."""
    process = Balancer(DEBIAN, lambda: 0.25)
    process.feed(1.0, "kill")
    assert process.fire() == []
    assert process.fire() == [ProcessChanged(1.35, "listening", reason=(("RestartSec", 0.1), ("start", 0.25)))]


def test_designs_of_the_examples() -> None:
    """A supervised one waits half a second and is never given up."""
    assert from_design(load(Path("examples/article.yaml"), Topology), "rabbit1") == DEBIAN
    assert from_design(load(Path("examples/article-fixed.yaml"), Topology), "rabbit1") == BalancerSettings(
        restart_s=0.5, start_limit=False, hard_stop_after=1800.0
    )


ACTS = ["start", "stop", "restart", "kill", "reload", "hang", "resume", "break_config", "mend_config", "kill_worker"]


def ticking(how: BalancerSettings, acts: list[tuple[int, str]], until: int) -> list[tuple[float, str]]:  # noqa: C901, PLR0912, PLR0915 - plain on purpose
    """The same, looked at every 10 ms: 300 ms to start, 50 ms to refuse a configuration."""
    found: list[tuple[float, str]] = []
    up, frozen, valid, wanted = True, False, True, True
    starting: int | None = None
    again: int | None = None
    window: list[int] = []
    old: list[int] = []
    todo = list(acts)

    def see(t: int, what: str) -> None:
        found.append((t / 100, what))

    def end(t: int) -> None:
        nonlocal up, frozen, starting, again
        if up:
            see(t, "ended")
        up = frozen = False
        starting = again = None
        old.clear()

    def begin(t: int) -> None:
        nonlocal starting, again, wanted
        again = None
        if window and t - window[0] > 1000:
            window.clear()
        if how.start_limit and len(window) >= 5:
            wanted = False
            see(t, "failed")
        else:
            window.append(t)
            if valid:
                starting = t + 30
            elif wanted and how.restarts:
                again = t + 5 + round(how.restart_s * 100)

    for t in range(until):
        while todo and todo[0][0] == t:
            act = todo.pop(0)[1]
            if act == "start":
                wanted = True
                if not up and starting is None:
                    begin(t)
            elif act in {"stop", "restart"}:
                end(t)
                wanted = act == "restart"
                if wanted:
                    begin(t)
            elif act in {"kill", "kill_worker"} and (up or starting is not None):
                end(t)
                again = t + round(how.restart_s * 100) if wanted and how.restarts else None
            elif act == "reload" and up and valid and not frozen:
                see(t, "reloaded")
                if how.hard_stop_after < 1e9:
                    old.append(t + round(how.hard_stop_after * 100))
            elif act == "hang" and up and not frozen:
                frozen = True
                see(t, "frozen")
            elif act == "resume" and frozen:
                frozen = False
                see(t, "resumed")
            elif act.endswith("config"):
                valid = act == "mend_config"
        while t in old:
            old.remove(t)
            see(t, "drained")
        if again == t:
            begin(t)
        if starting == t:
            starting, up = None, True
            see(t, "listening")
    return found


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        BalancerSettings,
        restarts=st.booleans(),
        restart_s=st.sampled_from([0.1, 0.5]),
        start_limit=st.booleans(),
        hard_stop_after=st.sampled_from([1.0, float("inf")]),
    ),
    st.lists(st.tuples(st.integers(1, 300), st.sampled_from(ACTS)), min_size=1, max_size=12),
)
def test_equals_a_ticking_one(how: BalancerSettings, steps: list[tuple[int, Any]]) -> None:
    """Whatever is done to it, in whatever order."""
    t, acts = 0, []
    for gap, act in steps:
        t += gap
        acts.append((t, act))
    until = t + 3000
    machine = play(how, [(at / 100, act) for at, act in acts])
    assert [one for one in machine if one[0] < until / 100] == ticking(how, acts, until)


def test_a_process_that_starts_is_there_and_does_not_listen() -> None:
    """Not while systemd waits to start it, but from then on until it serves."""
    process = Balancer(DEBIAN, lambda: 0.3)
    seen = [process.starting]
    process.feed(1.0, "kill")
    for _ in range(2):
        seen.append(process.starting)
        process.fire()
    assert [*seen, process.starting, process.running] == [False, False, True, False, True]
