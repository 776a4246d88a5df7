"""Times that follow from a design: those of the measured tables, and a plain second count of each clock."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from designs import design
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.document import load
from rmqha_model.keepalived import ObserveScript, SelfHealingScript
from rmqha_model.timers import Span, balancer, broker, client, kernel, number, vrrp
from rmqha_model.topology import Topology
from rmqha_model.units import Duration


@pytest.fixture(scope="module")
def article() -> Topology:
    """The tutorial's design, whose times were measured."""
    return load(Path(__file__).resolve().parents[3] / "examples/article.yaml", Topology)


def listener(topology: Topology) -> balancer.Proxy:
    """The first AMQP listener."""
    return next(balancer.amqp_listeners(topology))[1]


def proxied(check: dict[str, Any], **changes: Any) -> Topology:
    """A design whose listener has this check, without timeouts of its own unless they are given."""
    defaults = {"timeouts": {"connect": "5s", "client": "60s", "server": "60s", **changes.pop("timeouts", {})}}
    amqp = {"kind": "amqp", "check": check, **changes.pop("amqp", {})}
    return design(
        versions={"haproxy": changes.pop("haproxy", "2.6")},
        haproxy={"defaults": defaults | changes.pop("defaults", {}), "listeners": {"amqp": amqp}},
        **changes,
    )


CERTIFICATE = {"certificate": "/tls/node.pem", "key": "/tls/node.key", "ca": "/tls/ca.pem"}
TUTORIAL = {"kind": "tcp", "inter": "5s", "fastinter": None, "downinter": None, "rise": 2, "fall": 3}


def bounds(span: Span) -> tuple[float, float]:
    """Shortest and longest time, to the tenth of a millisecond that the tables have."""
    return round(span.min_s, 4), round(span.max_s, 4)


# -- HAProxy ----------------------------------------------------------------------------------------


def test_detection_as_measured(article: Topology) -> None:
    """The tutorial's server is DOWN after 10 to 15 s when it refuses, 25 to 30 s when silent, never when frozen."""
    refused, silent = balancer.refused(article, listener(article)), balancer.silent(article, listener(article))
    assert (bounds(refused), refused.formula) == ((10, 15), "phase 0..5 + 2 x inter 5")
    assert (bounds(silent), silent.formula) == ((25, 30), "phase 0..5 + 3 x attempt 5 + 2 x inter 5")
    assert balancer.frozen(article, listener(article)).is_never


def test_detection_with_timeout_check() -> None:
    """With `timeout check` an attempt is no longer than `timeout connect`: 16 to 21 s, measured 16.61 to 17.72."""
    topology = proxied(TUTORIAL, timeouts={"connect": "2s", "check": "2s"})
    assert bounds(balancer.silent(topology, listener(topology))) == (16, 21)


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [({}, (10, 12)), ({"check": "2s"}, (10, 12)), ({"check": "1s"}, (10, 12)), ({"check": "4s"}, (16, 18))],
)
def test_detection_of_a_frozen_broker(timeouts: dict[str, str], expected: tuple[float, float]) -> None:
    """A check that waits for an answer finds a frozen broker, measured after 11.4 s; short limits are overrun."""
    check = {"kind": "amqp", "inter": "2s", "fastinter": None, "fall": 3}
    topology = proxied(check, haproxy="2.6.12", timeouts=timeouts)
    assert bounds(balancer.frozen(topology, listener(topology))) == expected


@pytest.mark.parametrize(
    ("check", "connect", "expected"),
    [
        (None, "1s", (7, 9)),
        ("3s", "5s", (7, 9)),
        ("1s", "5s", (7, 9)),
        ("3s", "1s", (4, 6)),
    ],
)
@pytest.mark.parametrize("kind", [{"kind": "amqp"}, {"kind": "http", "path": "/api/overview", "user": "admin"}])
def test_detection_of_a_frozen_broker_behind_tls(
    kind: dict[str, str], check: str | None, connect: str, expected: tuple[float, float]
) -> None:
    """A handshake without an answer ends as a connect does, whatever `timeout check` says: measured 7.1 and 8.2 s."""
    topology = proxied(
        kind | {"inter": "2s", "fastinter": "500ms", "fall": 3},
        amqp={"kind": "amqps"},
        timeouts={"connect": connect} | ({"check": check} if check else {}),
        rabbitmq={"tls": {"clients": CERTIFICATE, "management": CERTIFICATE}},
        clients={"app": {"tls": True}},
    )
    assert bounds(balancer.frozen(topology, listener(topology))) == expected


def test_a_plain_check_behind_a_listener_with_tls() -> None:
    """What counts is the port that is checked: in the clear an attempt ends with `timeout check`."""
    topology = proxied(
        {"kind": "amqp", "port": 5672, "inter": "2s", "fastinter": "500ms", "fall": 3},
        amqp={"kind": "amqps"},
        timeouts={"check": "3s", "connect": "5s"},
        rabbitmq={"tls": {"clients": CERTIFICATE}},
        clients={"app": {"tls": True}},
    )
    assert bounds(balancer.frozen(topology, listener(topology))) == (10, 12)


def test_a_mended_release_ends_the_wait_in_time() -> None:
    """The newest patch of 2.6 notices `timeout check` when it is over."""
    check = {"kind": "amqp", "inter": "2s", "fastinter": None, "fall": 3}
    topology = proxied(check, haproxy="2.6", timeouts={"check": "1s"})
    assert bounds(balancer.frozen(topology, listener(topology))) == (7, 9)


def test_a_neighbour_may_be_found_out_sooner(article: Topology) -> None:
    """On its own network the tutorial's third attempt ends by ARP at the earliest: 23.06 s, as in the one run."""
    assert bounds(balancer.silent(article, listener(article), neighbour=True)) == (23.06, 30)


def test_no_check_finds_no_frozen_broker() -> None:
    """Without a check nothing is found, whether or not there is a limit for checks."""
    for timeouts in ({}, {"check": "2s"}):
        topology = proxied({"kind": "none"}, timeouts=timeouts)
        assert balancer.frozen(topology, listener(topology)).is_never


def test_recovery_as_measured(article: Topology) -> None:
    """UP again after 5 to 10 s; after silence up to 12 s on kernels that send few SYNs."""
    assert bounds(balancer.back_up(article, listener(article))) == (5, 10)
    assert bounds(balancer.back_up(article, listener(article), was_silent=True)) == (5, 12)


@pytest.mark.parametrize(
    ("redispatch", "balance", "refused", "silent", "through"),
    [
        (False, "roundrobin", 3, 20, False),
        (True, "roundrobin", 0, 5, True),
        (True, "leastconn", 0, 5, True),
        (True, "source", 2, 20, False),
    ],
)
def test_a_connection_to_a_dead_server(
    redispatch: bool,  # noqa: FBT001 - a column
    balance: str,
    refused: float,
    silent: float,
    through: bool,  # noqa: FBT001 - a column
) -> None:
    """What a new connection meets before the server is DOWN, with timeout connect 5s and retries 3, as measured."""
    topology = proxied(TUTORIAL, amqp={"balance": balance}, defaults={"redispatch": redispatch})
    spans = [balancer.first_attempt(topology, listener(topology), is_silent=one) for one in (False, True)]
    assert [(span.min_s, span.max_s, got) for span, got in spans] == [
        (refused, refused, through),
        (silent, silent, through),
    ]


def test_old_releases_pause_before_another_server() -> None:
    """Before 2.6.7 a redispatched retry waits a second, except with the round-robin kinds."""
    topology = proxied(TUTORIAL, haproxy="2.4", amqp={"balance": "leastconn"}, defaults={"redispatch": True})
    span, through = balancer.first_attempt(topology, listener(topology), is_silent=False)
    assert (span.max_s, through) == (1, True)


def test_no_check_is_never() -> None:
    """Without a check nothing is ever DOWN."""
    topology = proxied({"kind": "none"})
    assert balancer.refused(topology, listener(topology)).is_never
    assert str(balancer.silent(topology, listener(topology))) == "never"
    assert bounds(balancer.back_up(topology, listener(topology))) == (0, 0)


def test_observe_may_be_sooner() -> None:
    """Where clients' own connections count, the bound below is gone, and the formula says so."""
    topology = proxied(TUTORIAL, amqp={"server": {"observe": "layer4", "on_error": "mark-down"}})
    span = balancer.refused(topology, listener(topology))
    assert bounds(span) == (0, 15)
    assert "observe" in span.formula


def test_spread_checks_widen_the_bounds() -> None:
    """Each pause may be so many percent shorter or longer."""
    topology = proxied(TUTORIAL, haproxy="2.6")
    spread = design(
        haproxy={
            "global": {"spread_checks": 10},
            "listeners": topology.haproxy.model_dump(by_alias=True)["listeners"],  # type: ignore[union-attr]
            "defaults": {"timeouts": {"connect": "5s", "client": "60s", "server": "60s"}},
        }
    )
    assert bounds(balancer.refused(spread, listener(spread))) == (9, 16.5)


def down_after(phase: float, attempt: float, pauses: tuple[float, float], limits: tuple[int, int]) -> float:
    """Count a server down, check by check: the rules of the health counter, written down a second time."""
    (inter, fast), (rise, fall) = pauses, limits
    health, now = rise + fall - 1, phase
    while True:
        now += attempt
        health -= 1
        if health < rise:
            return now
        now += inter if health == rise + fall - 1 else fast


@given(
    inter=st.integers(100, 10_000),
    fast=st.none() | st.integers(100, 10_000),
    rise=st.integers(1, 5),
    fall=st.integers(1, 6),
)
def test_detection_equals_a_second_count(inter: int, fast: int | None, rise: int, fall: int) -> None:
    """Formula and step-by-step count agree for the earliest and the latest phase."""
    check = {
        "kind": "tcp",
        "inter": f"{inter}ms",
        "fastinter": f"{fast}ms" if fast else None,
        "rise": rise,
        "fall": fall,
    }
    topology = proxied(check)
    pauses, limits = (inter / 1000, (fast or inter) / 1000), (rise, fall)
    for span, attempt in (
        (balancer.refused(topology, listener(topology)), 0.0),
        (balancer.silent(topology, listener(topology)), inter / 1000),
    ):
        assert span.min_s == pytest.approx(down_after(0, attempt, pauses, limits))
        assert span.max_s == pytest.approx(down_after(inter / 1000, attempt, pauses, limits))


# -- VRRP -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("priority", "skew", "down"),
    [(50, 0.8047, 3.8047), (60, 0.7656, 3.7656), (100, 0.6094, 3.6094), (110, 0.5703, 3.5703)],
)
def test_skew_and_master_down(priority: int, skew: float, down: float) -> None:
    """VRRP 2 with adverts each second: the table of RFC 3768's timers."""
    members = {"lb1": 200, "lb2": priority}
    topology = design(keepalived={"scripts": {}, "instances": {"VI": {"members": members}}})
    assert round(vrrp.skew_s(topology, "VI", priority), 4) == skew
    assert bounds(vrrp.master_down(topology, "VI", "lb2")) == (down, down)


def test_version_3_scales_the_skew() -> None:
    """In VRRP 3 the skew is a share of the advert interval."""
    instance = {"version": 3, "advert_int": "500ms", "members": {"lb1": 200, "lb2": 100}}
    topology = design(keepalived={"scripts": {}, "instances": {"VI": instance}})
    assert vrrp.skew_s(topology, "VI", 100) == pytest.approx(156 / 256 * 0.5)
    assert vrrp.master_down(topology, "VI", "lb2").max_s == pytest.approx(1.5 + 156 / 256 * 0.5)


def test_takeover_as_measured(article: Topology) -> None:
    """The tutorial's priorities are 110 and 60: 2.77 to 3.77 s after silence, 0.77 s after a stop, 3.57 s back."""
    assert vrrp.preferred(article, "VI_1") == "rabbit1"
    assert vrrp.effective_priority(article, "VI_1", "rabbit1") == 110
    assert vrrp.effective_priority(article, "VI_1", "rabbit1", failed=["chk_haproxy"]) == 100
    silent = vrrp.takeover_silent(article, "VI_1", "rabbit1")
    assert bounds(silent) == (2.7656, 3.7656)
    assert silent.formula == "3 x advert 1 + skew 0.77 (priority 60) - since the last advert 0..1"
    assert bounds(vrrp.takeover_graceful(article, "VI_1", "rabbit1")) == (0.7656, 0.7656)
    assert bounds(vrrp.failback(article, "VI_1", "rabbit1")) == (3.5703, 3.5703)


def test_clamped_priorities() -> None:
    """Weights never lead out of 1 to 254, and 255 ignores them."""
    scripts = {"chk": {"kind": "observe", "weight": 200}}
    topology = design(
        keepalived={"scripts": scripts, "instances": {"VI": {"members": {"lb1": 255, "lb2": 100}, "preempt": True}}}
    )
    assert vrrp.effective_priority(topology, "VI", "lb1") == 255
    assert vrrp.effective_priority(topology, "VI", "lb2") == 254


@pytest.mark.parametrize(
    ("weight", "preempt", "expected"),
    [
        (10, True, None),  # the tutorial's mistake: 100 stays above 60
        (60, True, (2 + 2.5703, 4 + 3.5703)),  # 100 falls below 110: detection, then the successor's timer
        (60, False, None),
        (-60, True, (2 + 2.8047, 4 + 3.8047)),
        (None, False, (2 + 0.8047, 4 + 0.8047)),  # FAULT says goodbye: the skew alone
    ],
)
def test_failover_by_script(weight: int | None, preempt: bool, expected: tuple[float, float] | None) -> None:  # noqa: FBT001
    """A script moves the address only when it turns the order of priorities, or has no weight."""
    scripts = {"chk": {"kind": "observe", "interval": "2s", "fall": 2, "weight": weight}}
    instance = {"members": {"lb1": 100, "lb2": 50}, "preempt": preempt}
    topology = design(keepalived={"scripts": scripts, "instances": {"VI": instance}})
    span = vrrp.haproxy_failover(topology, "VI", "lb1")
    if expected is None:
        assert span.is_never
    else:
        assert bounds(span) == tuple(round(value, 4) for value in expected)


def test_preempt_delay_is_waited_for() -> None:
    """Failback waits preempt_delay and then between a master-down interval less an advert and the whole of it."""
    instance = {"members": {"lb1": 110, "lb2": 60}, "preempt": True, "preempt_delay": "5s"}
    topology = design(keepalived={"scripts": {}, "instances": {"VI": instance}})
    assert bounds(vrrp.failback(topology, "VI", "lb1")) == (7.5703, 8.5703)


def test_processes_are_seen_at_once() -> None:
    """A tracked process is missed without polling, after its delay."""
    keepalived = {
        "scripts": {},
        "processes": {"hap": {"process": "haproxy", "delay": 1}},
        "instances": {"VI": {"members": {"lb1": 100, "lb2": 50}}},
    }
    topology = design(keepalived=keepalived)
    assert bounds(vrrp.haproxy_failover(topology, "VI", "lb1")) == (1.8047, 1.8047)
    assert vrrp.haproxy_failover(topology, "VI", "lb1", frozen=True).is_never


def test_alone_nobody_takes_over() -> None:
    """An instance with one member has no successor."""
    topology = design(keepalived={"hosts": ["lb1"], "instances": {"VI": {"members": {"lb1": 100}, "unicast": False}}})
    assert vrrp.successor(topology, "VI", "lb1") is None
    assert vrrp.takeover_silent(topology, "VI", "lb1").is_never
    assert vrrp.takeover_graceful(topology, "VI", "lb1").is_never


def test_detection_by_an_observing_script() -> None:
    """Dead, HAProxy is missed by two runs in a row; frozen, each run takes half of its limit as well."""
    script = ObserveScript(interval=Duration(2_000), timeout=Duration(2_000), fall=2)
    assert bounds(vrrp.script_detection(script)) == (2, 4)
    assert bounds(vrrp.script_detection(script, frozen=True)) == (3, 5)


@pytest.mark.parametrize(
    ("release", "timeout", "expected"),
    [
        ("2.2.7", "2s", (4, 6)),  # a second copy takes the place of each run that is ended
        ("2.3.3", "2s", (6, 8)),  # the run that is due in the instant of the first one's end is left out
        ("2.3.3", "1s", (3, 5)),
        ("2.2.7", "5s", (7, 9)),
        ("2.3.3", "5s", (11, 13)),
    ],
)
def test_a_script_that_hangs(release: str, timeout: str, expected: tuple[float, float]) -> None:
    """What keepalived makes of overdue runs differs by release."""
    scripts = {"chk": {"kind": "observe", "interval": "2s", "fall": 2, "timeout": timeout}}
    topology = design(versions={"keepalived": release}, keepalived={"scripts": scripts})
    assert topology.keepalived
    copies = vrrp.begins_second_copy(topology)
    assert bounds(vrrp.script_hangs(topology.keepalived.scripts["chk"], second_copy=copies)) == expected


def stopped_after(death: float, *, interval: float, wait: float) -> float:
    """Run the self-healing script again and again, as keepalived does, until it stops keepalived."""
    start = 0.0
    while True:
        if start + wait > death:  # the look after the pause; one before it would have found nothing to start
            return start + wait - death
        start += interval


@given(st.floats(0, 5, exclude_max=True))
def test_detection_by_the_self_healing_script(death: float) -> None:
    """Every instant of death lies within the bounds; measured: 2.0 s for a death 1 s into a run, 4.0 s for 4 s."""
    script = SelfHealingScript(kind="self_healing", wait=Duration(3_000))
    span = vrrp.script_detection(script)
    assert bounds(span) == (0, 5)
    assert span.min_s <= stopped_after(death, interval=5, wait=3) <= span.max_s
    assert stopped_after(1, interval=5, wait=3) == 2
    assert stopped_after(4, interval=5, wait=3) == 4


def test_self_healing_can_come_too_late() -> None:
    """Killed before its second look, the script stops nothing; frozen processes it takes for well."""
    slow = SelfHealingScript(kind="self_healing", wait=Duration(5_000))
    assert vrrp.script_detection(slow).is_never
    assert vrrp.script_detection(SelfHealingScript(kind="self_healing"), frozen=True).is_never


# -- RabbitMQ ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "detector", "expected"),
    [
        ("3.10", {}, (5.055, 11.2)),
        ("3.8.8", {}, (1.055, 3.2)),
        ("3.8.9", {}, (5.055, 11.2)),
        ("3.8", {}, (5.055, 11.2)),
        ("4.1", {"poll_interval": "10s"}, (10.055, 21.2)),
        ("4.2", {"poll_interval": "1s", "heartbeat_interval": "200ms", "scaling_factor": 2}, (1.205, 3.45)),
    ],
)
def test_election_after_silence(release: str, detector: dict[str, Any], expected: tuple[float, float]) -> None:
    """One to two polls, the suspicion before and the random timer after."""
    topology = design(versions={"rabbitmq": release}, rabbitmq={"raft_detector": detector})
    assert bounds(broker.election_after_silence(topology)) == expected


def test_other_times_of_the_broker(article: Topology) -> None:
    """Ticks, elections after a crash, waiting for peers, redelivery."""
    assert bounds(broker.net_tick(article)) == (59.9, 75)
    assert bounds(broker.net_tick(design(rabbitmq={"net_ticktime": "10s"}))) == (9.9, 12.5)
    assert bounds(broker.election_after_crash(article)) == (0.105, 0.65)
    assert bounds(broker.election_after_stop(article)) == (0.005, 0.15)
    assert broker.boot_wait(article).max_s == 300
    assert broker.redelivery(article).max_s == 0
    assert broker.redelivery(design(versions={"rabbitmq": "4.3"})).max_s == 60


def test_kernels_give_up_before_erlang_ticks() -> None:
    """With tcp_retries2 6 a silent link ends after 26 to 51 s, one to a frozen VM, whose kernel answers, by ticks."""
    topology = design(os={"tcp_retries2": 6})
    assert bounds(broker.net_tick(topology)) == (25.654, 51.355)
    assert bounds(broker.hung(topology)) == (59.9, 75)
    assert bounds(kernel.gives_up(design(os={"tcp_retries2": None}), "r1")) == (925.623, 1044.6)


def test_mean_of_the_first_election() -> None:
    """Of two followers the first decides: 7.3 s in the mean after silence, 0.27 s and the votes after a crash."""
    topology = design()
    assert broker.election_after_silence(topology).mean_s == pytest.approx(7.28, abs=0.02)
    assert broker.election_after_crash(topology).mean_s == pytest.approx(0.267 + 0.0275, abs=0.001)
    assert broker.election_after_silence(topology, 5).mean_s < broker.election_after_silence(topology).mean_s


@given(st.floats(0.01, 8), st.floats(0, 8), st.floats(0.01, 8), st.sampled_from(kernel.LAN_RTO_S))
def test_retransmissions_after_a_silence(until: float, sent: float, phase: float, rto: float) -> None:
    """Whenever within the phase something is first sent, its first retransmission after the silence is in bounds."""
    sent = min(sent, phase)
    span = kernel.resent(Span(until, until, "", "", ""), phase)
    at, pause = sent, rto
    while at < until:
        at, pause = at + pause, pause * 2
    assert span.min_s - 1e-9 <= at <= span.max_s + 1e-9


# -- clients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"), [("pika", (35, 130)), ("java", (105, 135)), ("dotnet", (150, 240)), ("go", (60, 90))]
)
def test_heartbeats_of_60_s(kind: str, expected: tuple[float, float]) -> None:
    """How soon each library gives a silent peer up, counted from the fault."""
    topology = design(rabbitmq={"heartbeat": "60s"}, clients={"app": {"kind": kind, "heartbeat": "60s"}})
    assert bounds(client.client_notices(topology, topology.clients["app"])) == expected
    assert bounds(client.broker_notices(topology, topology.clients["app"])) == (90, 180)
    assert bounds(client.next_segment(topology, topology.clients["app"])) == (0, 30)


@pytest.mark.parametrize(("ours", "theirs", "agreed"), [("10s", "60s", 10), ("60s", "10s", 10), ("0s", "60s", 60)])
def test_negotiated_heartbeat(ours: str, theirs: str, agreed: int) -> None:
    """The smaller of the two; a side that says 0 leaves it to the other."""
    topology = design(rabbitmq={"heartbeat": theirs}, clients={"app": {"heartbeat": ours}})
    assert client.heartbeat_s(topology, topology.clients["app"]) == agreed


def test_without_heartbeats_nobody_notices() -> None:
    """Both sides say 0: neither ever notices, and an idle client sends nothing."""
    topology = design(rabbitmq={"heartbeat": "0s"}, clients={"app": {"heartbeat": "0s"}})
    app = topology.clients["app"]
    assert client.client_notices(topology, app).is_never
    assert client.broker_notices(topology, app).is_never
    assert math.isinf(client.next_segment(topology, app).max_s)


def test_reconnect() -> None:
    """A client waits its delay, and up to its jitter."""
    assert bounds(client.reconnect(design().clients["app"])) == (2, 5)


# -- spans ------------------------------------------------------------------------------------------


def test_spans_add_up_and_read_well() -> None:
    """Times, formulas and sources of what comes one after the other are joined."""
    one, two = Span(1, 2.5, "a", "s", "v"), Span(0.456, 0.456, "b", "s; t", "v")
    assert one + two == Span(1.456, 2.956, "a + b", "s; t", "v")
    assert [str(span) for span in (one, two, Span(0, math.inf, "", "", ""))] == ["1 to 2.5 s", "0.46 s", "0 s or never"]
    assert number(0) == "0"
    assert str(two.later(5, "delay")) == "5.46 s"


def test_every_time_has_its_reasons(article: Topology) -> None:
    """Each says how it comes about, where that is known from, and for which releases."""
    proxy = listener(article)
    spans = [f(article, proxy) for f in (balancer.refused, balancer.silent, balancer.frozen, balancer.back_up)]
    spans += [f(article, "VI_1", "rabbit1") for f in (vrrp.takeover_silent, vrrp.takeover_graceful, vrrp.failback)]
    spans += [f(article) for f in (broker.net_tick, broker.election_after_silence, broker.boot_wait)]
    spans += [f(article, article.clients["worker"]) for f in (client.client_notices, client.broker_notices)]
    assert all(span.formula and span.source and span.versions for span in spans)
