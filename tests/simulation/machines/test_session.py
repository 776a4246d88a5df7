"""Established sessions: what ends them, when each side hears of it, and the same looked at every tenth of a second."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.machines.session import Proxy, Said, Session, SessionEnded, ShutDown, Side, Talk
from simulation.machines.session_settings import SessionSettings, from_design, gives_up

INF = math.inf
SILENT = Talk()


def play(
    how: SessionSettings, inputs: list[tuple[float, Any]], client: Talk = SILENT, server: Talk = SILENT
) -> SessionEnded | None:
    """Drive one from 0; what is fed comes before what is due at the same instant."""
    session = Session(how, now=0.0, client=client, server=server)
    found: list[SessionEnded] = []
    for t, input_ in [*inputs, (1e5, None)]:
        while session.due < t:
            found += session.fire()
        if input_ is not None:
            found += session.feed(t, input_)
    assert len(found) <= 1
    return found[0] if found else None


def test_a_session_without_a_byte_ends_with_the_shorter_timeout() -> None:
    """Measured: 8 s and EOF at 8.00 s."""
    ended = play(SessionSettings(8, 8), [])
    assert ended is not None
    assert (ended.t, ended.cause, ended.client, ended.server) == (8, "timeout", 8, 8)


def test_heartbeats_keep_it() -> None:
    """A frame every h/2 from either side is enough; timeouts shorter than that cut it, at the first pause."""
    beat = Talk(first=3, period=30)
    assert play(SessionSettings(120, 120), [], beat, beat) is None
    assert play(SessionSettings(120, 120), [], beat) is None
    ended = play(SessionSettings(20, 25), [], beat)
    assert ended is not None
    assert ended.t == 23


def test_the_client_hears_late_of_its_own_timeout() -> None:
    """Measured: client 2 s, server 4 s, silent server: EOF at 4 s; a server that lives closes at once."""
    ended = play(SessionSettings(2, 4), [(0.1, Side("server", "frozen"))])
    assert ended is not None
    assert (ended.client, ended.server) == (4, 2)
    ended = play(SessionSettings(2, 4), [(0.1, Side("server", "frozen")), (3.0, Side("server", "alive"))])
    assert ended is not None
    assert (ended.client, ended.server) == (3, 2)
    ended = play(SessionSettings(2, 4), [])
    assert ended is not None
    assert (ended.client, ended.server) == (2, 2)


def test_a_timeout_waits_as_long_as_haproxy_stood_still() -> None:
    """Measured on 2.6.12: 8 s idle timeout, stopped for 6 s: 14.4 s; from 3.1 on it ends at once."""
    stop = [(2.0, Proxy("frozen")), (8.0, Proxy("alive"))]
    assert play(SessionSettings(8, 8), stop).t == 14  # type: ignore[union-attr]
    assert play(SessionSettings(8, 8, hides_jumps=False), stop).t == 8  # type: ignore[union-attr]
    later = [(2.0, Proxy("frozen")), (11.0, Proxy("alive"))]
    assert play(SessionSettings(8, 8, hides_jumps=False), later).t == 11  # type: ignore[union-attr]


def test_death_of_the_server() -> None:
    """A crash is heard at once; of a silent host only what is marked DOWN, unacknowledged or missed tells."""
    beat = Talk(first=1, period=30)
    crash = play(SessionSettings(120, 120), [(50.0, Side("server", "gone"))], beat, beat)
    assert crash is not None
    assert (crash.t, crash.client) == (50, 50)
    lost = [(50.0, Side("server", "silent"))]
    assert play(SessionSettings(120, 120), lost, beat, beat) is None  # the client's heartbeats refresh both timeouts
    told = play(SessionSettings(120, 120, shutdown_sessions=True), [*lost, (75.0, ShutDown())], beat, beat)
    assert told is not None
    assert (told.t, told.client, told.server) == (75, 75, INF)
    kernel = play(SessionSettings(120, 120, gives_up=26.0), lost, beat, beat)
    assert kernel is not None
    assert (kernel.t, kernel.cause) == (61 + 26, "data to the server not acknowledged")
    quiet = play(SessionSettings(gives_up=26.0, keepalive_server=(60.0, 60.0)), lost, SILENT, beat)
    assert quiet is not None
    assert (quiet.t, quiet.cause) == (31 + 120, "keepalive of the server not answered")
    missed = play(SessionSettings(120, 120), lost, Talk(1, 30, 60), beat)
    assert missed is not None
    assert (missed.t, missed.cause) == (31 + 60, "the client heard nothing")


def test_shutdown_needs_the_option() -> None:
    """Without it established sessions are left alone. Measured both."""
    assert play(SessionSettings(), [(5.0, ShutDown())]) is None


def test_haproxy_ends() -> None:
    """Stop and crash close both sides; measured 22 ms after SIGTERM."""
    ended = play(SessionSettings(), [(5.0, Proxy("gone"))])
    assert ended is not None
    assert (ended.client, ended.server) == (5, 5)


def test_the_virtual_address_moves() -> None:
    """A client learns it from its next byte; one that says nothing learns nothing; the server learns it last."""
    how = SessionSettings(120, 120, gives_up=26.0)
    ended = play(how, [(50.0, Side("client", "moved"))], Talk(3, 30), Talk(4, 30))
    assert ended is not None
    assert (ended.client, ended.server) == (63, 64 + 26)
    ended = play(how, [(50.0, Side("client", "moved"))], SILENT, Talk(4, 30))
    assert ended is not None
    assert (ended.client, ended.server) == (INF, 64 + 26)


def test_what_was_said_into_silence_is_said_again() -> None:
    """Measured: 3.15 s after its balancer vanished, where another took over after 2.6 s; 6.5 s, where after 3.4 s."""
    often = Talk(0.05, 0.05)
    how = SessionSettings(120, 120)
    for moved, reset in ((8.69, 6.05 + 15 * 0.21), (9.47, 6.05 + 31 * 0.21)):
        ended = play(how, [(6.01, Side("client", "silent")), (moved, Side("client", "moved"))], often, Talk(4, 30))
        assert ended is not None
        assert ended.client == pytest.approx(reset)
    idle = Talk(3, 7.5)
    ended = play(how, [(6.01, Side("client", "silent")), (8.69, Side("client", "moved"))], idle, Talk(4, 30))
    assert ended is not None
    assert ended.client == 10.5


def test_a_side_that_is_cut_off_hangs_up_too() -> None:
    """A client gives up a dead balancer; the balancer hears nothing of that, and tells the server when it gives up."""
    how = SessionSettings(120, 120, gives_up=26.0)
    ended = play(how, [(50.0, Side("client", "silent"))], Talk(3, 7.5, 30), Talk(4, 7.5, 40))
    assert ended is not None
    assert (ended.t, ended.client, ended.server) == (79, 79, 56.5 + 26)
    vanished: list[tuple[float, Any]] = [
        (50.0, Proxy("frozen")),
        (50.0, Side("client", "silent")),
        (50.0, Side("server", "silent")),
    ]
    ended = play(how, vanished, Talk(3, 7.5, 30), Talk(4, 7.5, 40))
    assert ended is not None
    assert (ended.client, ended.server) == (79, 48 + 40)
    lost = [(50.0, Side("server", "silent")), (60.0, ShutDown())]
    ended = play(SessionSettings(120, 120, shutdown_sessions=True), lost, Talk(3, 7.5, 30), Talk(4, 7.5, 40))
    assert ended is not None
    assert (ended.client, ended.server) == (60, 48 + 40)


@pytest.mark.parametrize(
    ("retries2", "rto", "least", "most"),
    [(15, 0.201, 924.6, 1044.6), (6, 0.204, 25.4, 26), (6, 0.201, 51, 52), (8, 0.21, 102, 108)],
)
def test_unacknowledged_data_is_given_up(retries2: int, rto: float, least: float, most: float) -> None:
    """The kernel's own lower bounds (924.6 s with 15) and the retransmission that passes them."""
    assert least <= gives_up(retries2, rto) <= most


def test_designs_of_the_examples() -> None:
    """The article keeps the kernel's quarter of an hour; the sound design needs under a minute."""
    article = from_design(load(Path("examples/article.yaml"), Topology), "rabbitmq_cluster", "rabbit1", rto_s=0.204)
    assert article.limits == (120, 120)
    assert article.gives_up > 924.6
    assert article.keepalive_client == (INF, INF)
    sound = from_design(load(Path("examples/article-fixed.yaml"), Topology), "rabbitmq_cluster", "rabbit1", rto_s=0.204)
    assert (sound.limits, sound.keepalive_server, sound.shutdown_sessions) == ((60, 60), (60, 60), True)
    assert sound.gives_up == pytest.approx(25.908)


# -- the same, looked at every tenth of a second -----------------------------------------------------


def ticking(how: SessionSettings, inputs: list[tuple[int, Any]], talks: dict[str, Talk], until: int) -> Any:  # noqa: C901, PLR0911, PLR0912, PLR0915 - plain on purpose
    """Every heartbeat, retransmission limit and timer looked at in each tenth of a second."""
    other = {"client": "server", "server": "client"}
    cond = dict.fromkeys(other, "alive")
    following = {n: round(t.first * 10) if t.period < INF else 10**9 for n, t in talks.items()}
    heard, came = dict.fromkeys(other, 0), dict.fromkeys(other, 0)
    unacked: dict[str, int] = {}
    waiting: set[str] = set()
    active, half, stopped = 0, None, None
    todo = list(inputs)

    def ten(value: float) -> int:
        return 10**9 if value == INF else round(value * 10)

    def say(name: str, t: int) -> None:
        nonlocal active
        if cond[name] != "alive" or (half is not None and name == "client"):
            return
        came[name] = t
        if stopped is not None:
            waiting.add(name)
            return
        active = max(active, t)
        if cond[other[name]] == "alive":
            heard[other[name]] = came[other[name]] = t
        elif cond[other[name]] in {"silent", "moved"}:
            unacked.setdefault(other[name], t)

    for t in range(until):
        while todo and todo[0][0] == t:
            input_ = todo.pop(0)[1]
            if isinstance(input_, Said):
                say(input_.name, t)
            elif isinstance(input_, ShutDown) and how.shutdown_sessions:
                return t
            elif isinstance(input_, Side):
                was, cond[input_.name] = cond[input_.name], input_.condition
                if input_.condition == "gone" and stopped is None:
                    return t
                if input_.condition == "alive":
                    if half is not None and input_.name == "server":
                        return t
                    if was in {"silent", "moved"}:
                        came[input_.name] = t
                        unacked.pop(input_.name, None)
            elif isinstance(input_, Proxy):
                if input_.condition == "gone":
                    return t
                if input_.condition == "frozen":
                    stopped = t if stopped is None else stopped
                elif stopped is not None:
                    active += t - stopped if how.hides_jumps else 0
                    stopped = None
                    if "gone" in cond.values():
                        return t
                    for name in sorted(waiting):
                        say(name, t)
                    waiting.clear()
                    if active + min(map(ten, how.limits)) <= t:
                        return t
        for name in other:
            idle = ten(how.keepalive(name)[0])
            if cond[name] in {"alive", "frozen"} and t >= came[name] + idle:
                came[name] = t
            if following[name] == t:
                if cond[name] == "moved":
                    return t
                say(name, t)
                following[name] += round(talks[name].period * 10)
        limits = [ten(x) for x in how.limits]
        if stopped is None:
            limit = limits[1] if half is not None else min(limits)
            if t >= active + limit:
                if limits[0] < limits[1] and cond["server"] != "alive" and half is None:
                    half = t
                else:
                    return t
            for name in other:
                if cond[name] in {"silent", "moved"}:
                    if name in unacked and t >= unacked[name] + ten(how.gives_up):
                        return t
                    alive = how.keepalive_client if name == "client" else how.keepalive_server
                    if name not in unacked and t >= came[name] + ten(alive[0]) + ten(alive[1]):
                        return t
        for name in other:
            if cond[name] in {"alive", "silent"} and t >= heard[name] + ten(talks[name].patience):
                return t
    return None


TALKS = st.builds(
    Talk,
    first=st.integers(0, 80).map(lambda t: t / 10),
    period=st.sampled_from([2.5, 7.0, 15.0, INF]),
    patience=st.sampled_from([4.0, 16.0, INF, INF]),
)
INPUTS = st.one_of(
    st.builds(Side, st.sampled_from(["client", "server"]), st.sampled_from(["alive", "frozen", "silent", "gone"])),
    st.builds(Said, st.sampled_from(["client", "server"])),
    st.just(ShutDown()),
    st.builds(Proxy, st.sampled_from(["frozen", "alive", "alive"])),
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    st.builds(
        SessionSettings,
        timeout_client=st.sampled_from([3.0, 8.0, 20.0, INF]),
        timeout_server=st.sampled_from([3.0, 8.0, 20.0, INF]),
        timeout_tunnel=st.sampled_from([None, None, 11.0]),
        gives_up=st.sampled_from([6.3, 25.9]),
        keepalive_client=st.sampled_from([(2.0, 3.0), (INF, INF)]),
        keepalive_server=st.sampled_from([(2.0, 3.0), (INF, INF)]),
        shutdown_sessions=st.booleans(),
        hides_jumps=st.booleans(),
    ),
    st.lists(st.tuples(st.integers(1, 90), INPUTS), max_size=8),
    TALKS,
    TALKS,
)
def test_equals_a_ticking_one(how: SessionSettings, steps: list[tuple[int, Any]], client: Talk, server: Talk) -> None:
    """Whatever happens to the two sides and to HAProxy."""
    t, inputs = 0, []
    for gap, input_ in steps:
        t += gap
        inputs.append((t, input_))
    until = t + 500
    ended = play(how, [(at / 10, input_) for at, input_ in inputs], client, server)
    machine = round(ended.t * 10) if ended is not None and ended.t * 10 < until else None
    assert machine == ticking(how, inputs, {"client": client, "server": server}, until)
