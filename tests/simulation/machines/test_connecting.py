"""New connections through HAProxy: as measured, and equal to a reference that looks at every millisecond."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.topology import Topology
from simulation.machines.balance import Balance, Member
from simulation.machines.connect_settings import ConnectSettings, from_design
from simulation.machines.connecting import (
    Abandoned,
    Caller,
    Fate,
    GaveUp,
    MarkedDown,
    NewConnection,
    TargetChanged,
    Tried,
)
from simulation.machines.wire import Target, us

ANSWERS, REFUSED, SILENT = Target("answering"), Target("refused"), Target("silent")
UNROUTABLE, FROZEN = Target("unroutable"), Target("frozen")
PLAIN = ConnectSettings(retries=3, timeout_connect=5000)
MOVES = dataclasses.replace(PLAIN, redispatch=True)
KINDS = {"roundrobin": (False, True), "leastconn": (False, False), "first": (False, False), "source": (True, False)}


def fated(  # noqa: PLR0913 - one thing after the other
    how: ConnectSettings,
    targets: dict[str, Target],
    inputs: list[tuple[float, Any]],
    *,
    algorithm: Any = "roundrobin",
    caller: Caller = Caller(),  # noqa: B008 - immutable
    now: float = 0.0,
    seen: list[Any] | None = None,
) -> Fate | None:
    """Play one connection; what is fed comes before what is due at the same instant."""
    hashed, round_robin = KINDS.get(algorithm, (True, False))
    how = dataclasses.replace(how, hashed=hashed, round_robin=round_robin)
    targets = dict(targets)
    balance = Balance(algorithm, [Member(name) for name in targets])
    connection = NewConnection(how, balance, targets.__getitem__, caller, now)
    found: list[Any] = seen if seen is not None else []
    for t, input_ in [*inputs, (now + 1000.0, None)]:
        while connection.due < t:
            found += connection.fire()
        if isinstance(input_, Target | TargetChanged):
            if isinstance(input_, TargetChanged):
                targets[input_.server] = input_.target
            found += connection.feed(t, input_)
        elif input_ is not None:
            name, up = input_
            balance.set(name, up=up)
            if not up:
                found += connection.feed(t, MarkedDown(name))
    return next((one for one in found if isinstance(one, Fate)), None)


def others(first: Target) -> dict[str, Target]:
    """Give three servers of which the first behaves so."""
    return {"a": first, "b": ANSWERS, "c": ANSWERS}


@pytest.mark.parametrize(
    ("how", "algorithm", "refused", "silent"),
    [
        (PLAIN, "roundrobin", ("reset", 3.0), ("reset", 20.0)),
        (PLAIN, "leastconn", ("reset", 3.0), ("reset", 20.0)),
        (MOVES, "roundrobin", ("ok", 0.0), ("ok", 5.0)),
        (MOVES, "leastconn", ("ok", 0.0), ("ok", 5.0)),
        (MOVES, "first", ("ok", 0.0), ("ok", 5.0)),
        (MOVES, "source", ("reset", 2.0), ("reset", 20.0)),
        (MOVES, "source-consistent", ("ok", 2.0), ("ok", 15.0)),
    ],
)
def test_a_dead_server_that_is_still_up(how: Any, algorithm: str, refused: Any, silent: Any) -> None:
    """The table that was measured on 2.6.12: tcp mode, timeout connect 5 s, retries 3."""
    for target, (outcome, after) in ((REFUSED, refused), (SILENT, silent)):
        hit = [name for name in "abc" if _first(algorithm) == name]
        fate = fated(how, {name: target if name in hit else ANSWERS for name in "abc"}, [], algorithm=algorithm)
        assert fate is not None
        assert (fate.outcome, fate.t) == (outcome, after)
        assert sum(part for _, part in fate.reason) == pytest.approx(after)
        assert (fate.server in hit) is (outcome == "reset")


def _first(algorithm: Any) -> str | None:
    return Balance(algorithm, [Member(name) for name in "abc"]).pick(source="0.0.0.0")  # noqa: S104


def test_a_dead_server_that_is_the_only_one_up() -> None:
    """Measured: nowhere to go, so each retry waits, 3.0 s in all; 20 s where it is silent."""
    down = [(0.0, ("b", False)), (0.0, ("c", False))]
    assert fated(MOVES, others(REFUSED), down) == Fate(
        3.0, "reset", "a",
        (("connect to HAProxy", 0.0), *((("a: refused", 0.0), ("pause before a retry", 1.0)) * 3),
         ("a: refused", 0.0), ("no retry left", 0.0)),
    )  # fmt: skip
    fate = fated(MOVES, others(SILENT), down)
    assert fate is not None
    assert (fate.outcome, fate.t) == ("reset", 20.0)


def test_a_host_whose_address_nobody_answers_for() -> None:
    """Each attempt ends after 3.06 s and, being an error, is followed by a pause: 4 x 3.06 + 3 x 1."""
    fate = fated(PLAIN, others(UNROUTABLE), [])
    assert fate is not None
    assert (fate.outcome, fate.t) == ("reset", pytest.approx(15.24))


def test_no_server_up() -> None:
    """Measured: accepted, and closed at once; not refused."""
    fate = fated(PLAIN, others(ANSWERS), [(0.0, (name, False)) for name in "abc"])
    assert fate == Fate(0.0, "reset", None, (("connect to HAProxy", 0.0), ("no server is UP", 0.0)))


def test_a_frozen_server_is_silent() -> None:
    """Its kernel accepts, so nothing is retried: the client's patience ends it, or HAProxy's timeout."""
    fate = fated(MOVES, others(FROZEN), [], caller=Caller(patience_s=2.0))
    assert fate is not None
    assert (fate.outcome, fate.t) == ("timeout", 2.0)
    assert fate.reason[-1] == ("a silent until the client's patience was over", 2.0)
    fate = fated(dataclasses.replace(MOVES, timeout_idle=60_000), others(FROZEN), [])
    assert fate is not None
    assert (fate.outcome, fate.t) == ("reset", 60.0)


@pytest.mark.parametrize(
    ("front", "outcome", "after"),
    [(REFUSED, "refused", 0.0), (SILENT, "timeout", 2.0), (FROZEN, "timeout", 2.0), (UNROUTABLE, "unreachable", 3.06)],
)
def test_haproxy_itself(front: Target, outcome: str, after: float) -> None:
    """No HAProxy, no host, a HAProxy that stands still, a neighbour that has gone."""
    fate = fated(
        PLAIN, others(ANSWERS), [], caller=Caller(front=front, patience_s=max(2.0, after + 0.1) if after != 2 else 2.0)
    )
    assert fate is not None
    assert (fate.outcome, fate.t) == (outcome, after)


def test_haproxy_that_goes_on_serves_who_has_waited() -> None:
    """SIGSTOP for 3 s: connections succeed at the kernel and are served at SIGCONT; a retry's pause is shifted."""
    fate = fated(PLAIN, others(ANSWERS), [(3.0, ANSWERS)], caller=Caller(front=FROZEN))
    assert fate is not None
    assert (fate.outcome, fate.t) == ("ok", 3.0)
    stopped = [(0.5, FROZEN), (4.5, ANSWERS), (4.6, TargetChanged("a", ANSWERS))]
    fate = fated(PLAIN, others(REFUSED), stopped)
    assert fate is not None
    assert (fate.outcome, fate.t) == ("ok", 5.0)
    fate = fated(dataclasses.replace(PLAIN, hides_jumps=False), others(REFUSED), stopped)
    assert fate is not None
    assert (fate.outcome, fate.t) == ("ok", 5.5)


def test_a_server_that_comes_back_is_reached_by_a_retry_or_by_the_next_syn() -> None:
    """The attempt is not lost: the kernel asks again each second."""
    fate = fated(PLAIN, others(REFUSED), [(1.5, TargetChanged("a", ANSWERS))])
    assert fate is not None
    assert (fate.outcome, fate.t, fate.server) == ("ok", 2.0, "a")
    fate = fated(PLAIN, others(SILENT), [(2.5, TargetChanged("a", ANSWERS))])
    assert fate is not None
    assert (fate.outcome, fate.t, fate.server) == ("ok", 3.0, "a")


def test_a_server_marked_down_meanwhile() -> None:
    """Without redispatch it stays assigned; with it, the next retry leaves even a hash's server."""
    fate = fated(PLAIN, others(REFUSED), [(0.5, ("a", False))])
    assert fate is not None
    assert (fate.outcome, fate.t, fate.server) == ("reset", 3.0, "a")
    fate = fated(MOVES, {"a": REFUSED, "b": ANSWERS, "c": ANSWERS}, [(0.5, ("a", False))], algorithm="source")
    assert fate is not None
    assert (fate.outcome, fate.t) == ("ok", 1.0)
    assert fate.server != "a"


@pytest.mark.parametrize(("version", "pauses"), [("2.4.3", 1.0), ("2.6.6", 1.0), ("2.6.7", 0.0), ("3.0.11", 0.0)])
def test_old_releases_pause_before_they_redispatch(version: str, pauses: float) -> None:
    """With leastconn, 2.2 to 2.6.6 stay until the last retry, and pause before it too."""
    how = dataclasses.replace(MOVES, at_once=tuple(map(int, version.split("."))) >= (2, 6, 7))
    fate = fated(how, others(REFUSED), [], algorithm="leastconn")
    assert fate is not None
    assert (fate.outcome, fate.t) == ("ok", 3 * pauses)
    fate = fated(how, others(REFUSED), [])
    assert fate is not None
    assert (fate.outcome, fate.t) == ("ok", 0.0)


def test_three_releases_retried_once_less() -> None:
    """2.6.0 to 2.6.2: 2 pauses where the others have 3."""
    fate = fated(dataclasses.replace(PLAIN, miscounted=True), others(REFUSED), [])
    assert fate is not None
    assert fate.t == 2.0


def test_each_failed_attempt_is_observed() -> None:
    """What `observe layer4` counts: each attempt, so one client counts four times."""
    seen: list[Any] = []
    fated(PLAIN, others(REFUSED), [], seen=seen)
    assert [(one.t, one.failed) for one in seen if isinstance(one, Tried)] == [(t, True) for t in (0.0, 1.0, 2.0, 3.0)]


def test_designs_of_the_examples() -> None:
    """The article's HAProxy 2.4.3 and the sound design's 2.6.12."""
    article = from_design(load(Path("examples/article.yaml"), Topology), "rabbitmq_cluster")
    assert article == ConnectSettings(
        retries=3, timeout_connect=5000, timeout_idle=120_000, round_robin=True, at_once=False
    )
    sound = from_design(load(Path("examples/article-fixed.yaml"), Topology), "rabbitmq_cluster")
    assert (sound.redispatch, sound.timeout_connect, sound.at_once, sound.shutdown_sessions) == (True, 3000, True, True)


# -- a reference that looks at every millisecond -------------------------------------------------------


class Looking:
    """The same connection, one millisecond after the other."""

    def __init__(self, how: ConnectSettings, algorithm: Any, targets: dict[str, Target], patience: int) -> None:
        self.s, self.targets, self.patience = how, dict(targets), patience
        self.balance = Balance(algorithm, [Member(name) for name in targets])
        self.state: Callable[[int], Any] = self._assign
        self.tried: str | None = None
        self.retries = self.dials = 0

    def play(self, inputs: list[tuple[int, Any]], until: int) -> tuple[str, int] | None:
        """Give outcome and millisecond."""
        todo = list(inputs)
        for t in range(until):
            while todo and todo[0][0] == t:
                input_ = todo.pop(0)[1]
                if isinstance(input_, TargetChanged):
                    self.targets[input_.server] = input_.target
                    if self.state == self._reading and input_.server == self.tried:
                        self.asked = t
                else:
                    self.balance.set(input_[0], up=input_[1])
            if t >= self.patience:
                return "timeout", t
            while True:
                before = (self.state, self.dials)
                if (outcome := self.state(t)) is not None:
                    return outcome, t
                if (self.state, self.dials) == before:
                    break
        return None

    def _assign(self, t: int) -> str | None:
        name = self.balance.pick(avoid=self.tried)
        if name is None:
            return "reset"
        self.tried = name
        self.balance.opened(name)
        self._dial(t)
        return None

    def _dial(self, t: int) -> str | None:
        self.dials += 1
        self.syns = [t + s // 1000 for s in self.s.kernel.syns]
        self.arp: int | None = None
        self.news: tuple[int, str] | None = None
        self.limit = t + (self.s.timeout_connect or 10**9)
        self.state = self._connecting
        return None

    def _connecting(self, t: int) -> str | None:
        target = self.targets[self.tried or ""]
        if t >= self.limit:
            return self._failed(t, error=False)
        sends = t in self.syns and self.news is None and self.arp is None
        if self.arp is not None and (t - self.arp) % 1000 == 0 and t - self.arp <= 2000 and target.kind != "unroutable":
            self.arp, sends = None, True
        if sends:
            if target.kind == "unroutable":
                self.arp = t
            elif target.kind == "refused":
                self.news = (t + round(target.connect_s * 1000), "refused")
            elif target.accepts:
                self.news = (t + round(target.connect_s * 1000), "connected")
        if self.arp is not None and t >= self.arp + 3060:
            return self._failed(t, error=True)
        if self.news is not None and t >= self.news[0]:
            if self.news[1] == "refused":
                return self._failed(t, error=True)
            self.asked, self.state = t, self._reading
        return None

    def _reading(self, t: int) -> str | None:
        target = self.targets[self.tried or ""]
        if target.kind == "refused":
            return "reset"
        if target.kind == "answering" and t >= self.asked + round(target.answer_s * 1000):
            return {"good": "ok", "bad": "protocol", "closed": "reset"}[target.answer]
        return None

    def _failed(self, t: int, *, error: bool) -> str | None:
        s, name = self.s, self.tried or ""
        self.retries += 1
        if self.retries > s.retries:
            return "reset"
        several = self.balance.active > 1
        free = not s.hashed if s.at_once else s.round_robin
        away = s.redispatch and (not self.balance.running[name] or self.retries == s.retries or (several and free))
        if away:
            self.balance.closed(name)
        then = self._assign if away else self._dial
        pause = error and (not away or not several or not (s.at_once or s.round_robin))
        end = t + min(1000, s.timeout_connect or 1000)
        if pause:
            self.state = lambda now: then(now) if now >= end else None
            return None
        return then(t)


MS = st.integers(1, 4000)
KINDS_OF_TARGET = st.one_of(
    st.just(REFUSED),
    st.just(SILENT),
    st.just(UNROUTABLE),
    st.just(FROZEN),
    st.builds(
        Target,
        kind=st.just("answering"),
        connect_s=st.sampled_from([0.0, 0.007]),
        answer_s=st.sampled_from([0.0, 0.003, 1.5]),
        answer=st.sampled_from(["good", "good", "bad", "closed"]),
    ),
)
CHANGES = st.lists(
    st.tuples(
        MS,
        st.builds(TargetChanged, st.sampled_from("abc"), KINDS_OF_TARGET)
        | st.tuples(st.sampled_from("abc"), st.booleans()),
    ),
    max_size=6,
)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(
    st.builds(
        ConnectSettings,
        retries=st.integers(0, 4),
        redispatch=st.booleans(),
        timeout_connect=st.none() | st.sampled_from([400, 1500, 3500]),
        at_once=st.booleans(),
    ),
    st.sampled_from(sorted(KINDS)),
    st.tuples(KINDS_OF_TARGET, KINDS_OF_TARGET, KINDS_OF_TARGET),
    CHANGES,
    st.sampled_from([1700, 9000, 20_000]),
)
def test_equals_the_one_that_looks_at_every_millisecond(
    how: ConnectSettings, algorithm: str, behave: Any, changes: list[tuple[int, Any]], patience: int
) -> None:
    """Whatever servers do meanwhile, outcome and instant are the same."""
    targets = dict(zip("abc", behave, strict=True))
    t, inputs = 0, []
    for gap, change in changes:
        t += gap
        inputs.append((t, change))
    hashed, round_robin = KINDS[algorithm]
    plain = Looking(dataclasses.replace(how, hashed=hashed, round_robin=round_robin), algorithm, targets, patience)
    caller = Caller(patience_s=patience / 1000)
    fate = fated(how, targets, [(t / 1000, change) for t, change in inputs], algorithm=algorithm, caller=caller)
    assert fate is not None
    assert (fate.outcome, us(fate.t) // 1000) == plain.play(inputs, patience + 1)
    assert sum(part for _, part in fate.reason) == pytest.approx(fate.t)


def test_an_address_that_moves_is_answered_by_another_balance() -> None:
    """A SYN that nobody took is sent again after a second, to who has the address by then."""
    old, new = (Balance("leastconn", [Member(name)]) for name in ("a", "b"))
    connection = NewConnection(PLAIN, old, lambda _: ANSWERS, Caller(front=SILENT), 0.0, assigned="a")
    connection.redirect(new, lambda _: ANSWERS)
    assert not connection.accepted
    assert connection.feed(0.4, ANSWERS) == []
    found: list[Any] = []
    while connection.due < 10:
        found += connection.fire()
    assert (found[-1].t, found[-1].outcome, found[-1].server) == (1.0, "ok", "b")
    assert (old.served, new.served) == ({"a": 0}, {"b": 1})
    connection.redirect(old, lambda _: SILENT)  # too late


def test_a_turn_that_was_taken_before() -> None:
    """The server is the one that the balance has named already; a retry asks again."""
    balance = Balance("roundrobin", [Member(name) for name in "ab"])
    first = balance.pick()
    assert first is not None
    connection = NewConnection(MOVES, balance, lambda name: REFUSED if name == first else ANSWERS, Caller(), 0.0,
                               assigned=first)  # fmt: skip
    found: list[Any] = []
    while connection.due < 10:
        found += connection.fire()
    assert [one.server for one in found] == [first, "b", "b"]


def test_an_accepted_client_that_is_cut_off_hears_nothing() -> None:
    """Not even of an answer that came; what waits ends with its own patience."""
    for front in (SILENT, UNROUTABLE, FROZEN):
        slow = {"a": Target("answering", answer_s=1.0)}
        fate = fated(PLAIN, slow, [(0.5, front)], caller=Caller(patience_s=4.0))
        assert fate is not None
        assert (fate.t, fate.outcome) == (4.0, "timeout")


# -- without its client -------------------------------------------------------------------------------


def abandoned(
    targets: dict[str, Target], inputs: list[tuple[float, Any]], **how: Any
) -> tuple[NewConnection, Balance, list[Any]]:
    """Play a connection by leastconn whose client gives up after 2 s, and give what was seen of it."""
    balance = Balance("leastconn", [Member(name) for name in targets])
    kind = dataclasses.replace(MOVES, timeout_connect=3000, round_robin=False, **how)
    connection = NewConnection(kind, balance, targets.__getitem__, Caller(patience_s=2.0), 0.0)
    found: list[Any] = []
    for t, input_ in [*inputs, (1000.0, None)]:
        while connection.due < t:
            found += connection.fire()
        if isinstance(input_, TargetChanged):
            targets[input_.server] = input_.target
        if input_ is not None:
            found += connection.feed(t, input_)
    return connection, balance, found


def test_haproxy_goes_on_connecting_for_a_client_that_has_gone() -> None:
    """Measured: a broker that falls silent catches an attempt every 3.1 s by `timeout connect 3s`, not every 2.1 s."""
    connection, balance, found = abandoned(others(SILENT), [])
    fate, failed, connected, over = found
    assert (fate.t, fate.outcome, fate.server) == (2.0, "timeout", "a")
    assert failed == Tried(3.0, "a", failed=True)
    # Redispatched: the server is given what the client has said, and its FIN.
    assert connected == Tried(3.0, "b", failed=False)
    assert over == Abandoned(3.0)
    assert (connection.server, connection.since) == ("b", 3.0)
    assert balance.served == {"a": 0, "b": 1, "c": 0}


def test_an_abandoned_connection_may_get_nowhere() -> None:
    """Its retries end as those of any other."""
    connection, _, found = abandoned(dict.fromkeys("abc", SILENT), [])
    assert [each.t for each in found] == [2.0, 3.0, 6.0, 9.0, 12.0, 12.0]
    assert found[-1] == Abandoned(12.0)
    assert connection.since is None
    _, _, found = abandoned(dict.fromkeys("abc", SILENT), [(4.5, TargetChanged("b", ANSWERS))])
    assert found[-1] == Abandoned(5.0)  # with the next SYN


def test_a_frozen_server_is_left_half_closed() -> None:
    """It was connected when the client gave up."""
    connection, _, found = abandoned(others(FROZEN), [])
    assert [type(each) for each in found] == [Tried, Fate]
    assert connection.over
    assert (connection.server, connection.since) == ("a", 0.0)


def test_a_client_may_hang_up_before_its_patience_is_over() -> None:
    """It is told nothing then."""
    connection, _, found = abandoned(others(FROZEN), [(1.0, GaveUp())])
    assert found[1:] == [Abandoned(1.0)]
    assert connection.since == 0.0
    connection, _, found = abandoned(others(SILENT), [(1.0, GaveUp())])
    assert [each.t for each in found] == [3.0, 3.0, 3.0]
    assert connection.over
    connection, _, found = abandoned(others(SILENT), [(1.0, GaveUp()), (2.0, REFUSED)])
    assert found == [Abandoned(2.0)]  # HAProxy itself has ended


def test_who_was_not_heard_did_not_stand_still() -> None:
    """A client that is cut off gives up: HAProxy has gone on meanwhile."""
    _, _, found = abandoned(others(SILENT), [(1.0, SILENT)])
    assert [(type(each), each.t) for each in found] == [(Fate, 2.0), (Tried, 3.0), (Tried, 3.0), (Abandoned, 3.0)]
    _, _, found = abandoned(others(SILENT), [(1.0, FROZEN), (8.0, ANSWERS)])
    assert [(type(each), each.t) for each in found] == [(Fate, 2.0), (Tried, 10.0), (Tried, 10.0), (Abandoned, 10.0)]
