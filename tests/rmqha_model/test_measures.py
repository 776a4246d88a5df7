"""What is read from a timeline: outages, gaps, owners, detection, the ledger, and the judgement of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmqha_model.events import (
    Alarm,
    AnyEvent,
    Attempt,
    BrokerState,
    Confirmed,
    Connection,
    Delivered,
    FaultBegan,
    FaultUndone,
    HostState,
    Nacked,
    Outcome,
    Peers,
    Published,
    Returned,
    ServerState,
    VipHeld,
)
from rmqha_model.judge import judge, unhealthy
from rmqha_model.ledger import Ledger, ledger, ledgers
from rmqha_model.measures import (
    Detection,
    Gap,
    Outage,
    Ownership,
    confirm_gaps,
    consumer_gaps,
    detections,
    outages,
    ownership,
)
from rmqha_model.scenario import Scenario
from rmqha_model.timeline import Head, Timeline

VIP = "10.0.0.9"
FAULT = FaultBegan(10.0, 0, "broker_stop", ("r1",))


def timeline(
    events: Iterable[AnyEvent],
    *,
    duration_s: float = 60,
    flowed_s: float | None = None,
    faults: Sequence[dict[str, Any]] = (),
    **expect: Any,
) -> Timeline:
    """Give a timeline of a scenario of one minute."""
    workload = {
        "queues": [{"name": "q", "type": "quorum"}],
        "probes": {"fresh": {}},
        "publishers": {"p": {"queue": "q"}},
        "consumers": {"c": {"queue": "q"}},
    }
    scenario = Scenario.model_validate(
        {"name": "x", "duration": "60s", "workload": workload, "faults": faults, "expect": expect}
    )
    head = Head(world="lab", design="d", digest="", scenario=scenario, duration_s=duration_s, flowed_s=flowed_s)
    return Timeline.of(head, events)


def attempts(*outcomes: Outcome, begin_s: float = 10.0, took_s: float = 0.01) -> list[AnyEvent]:
    """Give attempts, one a second."""
    return [Attempt(begin_s + i, "fresh", "10.0.0.9:5672", outcome, took_s) for i, outcome in enumerate(outcomes)]


# -- fresh connections ----------------------------------------------------------------------------


def test_outage_is_from_the_first_failure_to_the_success_after_the_last() -> None:
    """An outage spans all failures, and says which share of the attempts within it failed."""
    seen = timeline([FAULT, *attempts("ok", "refused", "ok", "timeout", "ok", "ok")])
    assert outages(seen) == {"fresh": Outage(11.0, 14.0, failed=2, attempts=3, over=True)}
    (outage,) = outages(seen).values()
    assert outage is not None
    assert (outage.length_s, outage.share) == (3.0, 2 / 3)


def test_outage_that_does_not_end_lasts_to_the_end() -> None:
    """Where no attempt succeeds after the last failure, the outage is not over."""
    seen = timeline([FAULT, *attempts("ok", "refused", "refused")])
    assert outages(seen) == {"fresh": Outage(11.0, 60.0, failed=2, attempts=2, over=False)}


def test_outage_looks_at_the_time_from_the_first_fault() -> None:
    """What failed before the fault or after the end is another matter; what began before and hung into it is not."""
    early = attempts("refused", "ok", begin_s=1.0)
    late = attempts("ok", "refused", begin_s=59.5)
    assert outages(timeline([FAULT, *early, *attempts("ok", begin_s=30.0), *late])) == {"fresh": None}
    hung = [*attempts("timeout", begin_s=9.5, took_s=2.0), *attempts("ok", begin_s=12.0)]
    assert outages(timeline([FAULT, *hung])) == {"fresh": Outage(9.5, 12.0, 1, 1, over=True)}


def test_outage_lasts_as_long_as_clients_work() -> None:
    """Clients go on after the scenario's end until they have recovered, and that counts."""
    seen = [FAULT, *attempts("ok", "timeout", begin_s=59.0), *attempts("timeout", "ok", begin_s=80.0)]
    assert outages(timeline(seen, duration_s=95, flowed_s=90)) == {"fresh": Outage(60.0, 81.0, 2, 2, over=True)}
    assert outages(timeline(seen, duration_s=95, flowed_s=75)) == {"fresh": Outage(60.0, 75.0, 1, 1, over=False)}


# -- gaps -----------------------------------------------------------------------------------------


def test_gap_is_the_longest_time_without_a_confirm() -> None:
    """A gap begins with the last confirm before it, be it before the fault, and ends with the next one."""
    times = [8.0, 9.0, 21.5, 22.0, 59.9]
    seen = timeline([FAULT, *(Published(t - 0.1, "p", i) for i, t in enumerate(times)), *confirms(times)])
    assert confirm_gaps(seen)["p"] == Gap(22.0, 59.9, over=True)
    assert confirm_gaps(timeline([FAULT, *confirms([9.0, 21.5, 60.0])]))["p"] == Gap(21.5, 60.0, over=False)


def test_gap_without_end_is_not_over() -> None:
    """Where no confirm comes any more, the gap lasts to the end."""
    assert confirm_gaps(timeline([FAULT, *confirms([8.0, 12.0])]))["p"] == Gap(12.0, 60.0, over=False)


def test_publisher_without_confirms_has_no_gap() -> None:
    """Who never hears anything has no gap in what it hears."""
    assert confirm_gaps(timeline([FAULT, Published(11.0, "p", 1)])) == {}


def test_gap_of_a_consumer() -> None:
    """A consumer's gap is the longest time without a delivery."""
    seen = timeline([FAULT, *(Delivered(float(t), "c", "p", t) for t in (5, 11, 12, 40, 59))])
    assert consumer_gaps(seen) == {"c": Gap(12.0, 40.0, over=True)}
    assert consumer_gaps(timeline([FAULT])) == {"c": Gap(10.0, 60.0, over=False)}


def confirms(times: Iterable[float]) -> list[AnyEvent]:
    """Give confirms at some times."""
    return [Confirmed(t, "p", number) for number, t in enumerate(times)]


@given(st.lists(st.floats(0, 60, exclude_max=True), min_size=1, max_size=30))
def test_gap_is_that_of_a_plain_search(times: list[float]) -> None:
    """No interval without a confirm that ends in the window is longer than the gap."""
    gap = confirm_gaps(timeline([FAULT, *confirms(sorted(times))]))["p"]
    edges = sorted({*times, 60.0} | ({10.0} if min(times) >= 10 else set()))
    assert gap.length_s == max(b - a for a, b in pairwise(edges) if b >= 10)


# -- addresses ------------------------------------------------------------------------------------


def held(t: float, host: str, *, on: bool) -> VipHeld:
    """Give a change of the address."""
    return VipHeld(t, host, VIP, held=on)


def test_address_that_moves_is_absent_meanwhile() -> None:
    """From the loss on one host to the gain on another nobody holds the address."""
    seen = timeline([FAULT, held(-1, "a", on=True), held(10.5, "a", on=False), held(13.0, "b", on=True)])
    assert ownership(seen) == {VIP: Ownership(absent_s=2.5, shared_s=0.0, owners_max=1, moves=1)}


def test_address_on_two_hosts_is_shared() -> None:
    """An address that stays behind is held twice from the takeover on."""
    seen = timeline([FAULT, held(-1, "a", on=True), held(13.0, "b", on=True), held(40.0, "a", on=False)])
    assert ownership(seen) == {VIP: Ownership(absent_s=0.0, shared_s=27.0, owners_max=2, moves=1)}


def test_host_without_power_holds_nothing() -> None:
    """What an interface had when the power went is held by nobody; after the boot it counts again if it is seen."""
    seen = timeline(
        [
            FAULT,
            held(-1, "a", on=True),
            HostState(10.0, "a", on=False),
            held(13.0, "b", on=True),
            held(30, "a", on=False),
            HostState(31.0, "a", on=True),
        ]
    )
    assert ownership(seen) == {VIP: Ownership(absent_s=3.0, shared_s=0.0, owners_max=1, moves=1)}


@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.sampled_from("abc"), st.booleans()),
        max_size=20,
        unique_by=lambda change: change[0],
    )
)
def test_ownership_is_that_of_a_fine_sweep(changes: list[tuple[float, str, bool]]) -> None:
    """Time without an owner and with several is what counting the holders of each interval gives."""
    seen = [held(-1.0, "a", on=True), *(held(t, host, on=on) for t, host, on in changes)]
    found = ownership(timeline([FAULT, *seen]))[VIP]
    edges = sorted({10.0, 60.0, *(t for t, _, _ in changes if 10 < t < 60)})
    absent = shared = 0.0
    for begin, end in pairwise(edges):
        now = dict.fromkeys("abc", False)
        for event in sorted(seen, key=lambda event: event.t):
            if event.t <= begin:
                now[event.host] = event.held
        absent += (end - begin) * (sum(now.values()) == 0)
        shared += (end - begin) * (sum(now.values()) > 1)
    assert found.absent_s == pytest.approx(absent)
    assert found.shared_s == pytest.approx(shared)


# -- detection ------------------------------------------------------------------------------------


def server(t: float, *, up: bool, health: int = 0, host: str = "lb1") -> ServerState:
    """Give a state of the server r1."""
    return ServerState(t, host, "amqp", "r1", up, health, rise=2, fall=3)


def test_detection_is_apart_for_each_load_balancer() -> None:
    """Each HAProxy notices by itself, counts its own checks, and one may never notice."""
    seen = timeline(
        [
            FAULT,
            FaultUndone(40.0, 0, "broker_stop", ("r1",)),
            *(server(-1, up=True, health=4, host=host) for host in ("lb1", "lb2")),
            *(server(14, up=True, health=3), server(22.5, up=False), server(41, up=False, health=1)),
            server(43, up=True, health=4),
        ]
    )
    assert detections(seen) == (
        Detection(0, "lb1", "amqp", "r1", down_after_s=12.5, up_after_s=3.0),
        Detection(0, "lb2", "amqp", "r1", down_after_s=None, up_after_s=None),
    )


def test_server_of_another_host_is_not_detected() -> None:
    """A fault of a host that is no server is detected by nobody."""
    assert detections(timeline([FaultBegan(10.0, 0, "host_reboot", ("lb9",)), server(-1, up=True)])) == ()


def detected(fault: dict[str, Any], hosts: tuple[str, ...], *pairs: tuple[str, str]) -> list[tuple[str, str]]:
    """Give which HAProxy could detect which server, of *pairs*, when *fault* hit *hosts*."""
    seen: list[AnyEvent] = [
        ServerState(-1, host, "amqp", name, up=True, health=4, rise=2, fall=3) for host, name in pairs
    ]
    began = FaultBegan(10.0, 0, str(fault["fault"]), hosts)
    return [(found.host, found.server) for found in detections(timeline([*seen, began], faults=[fault]))]


def test_only_who_could_notice_is_asked() -> None:
    """An HAProxy without power notices nothing, one beside a server still reaches it, and a partition has two sides."""
    every = [(host, name) for host in ("r1", "r2") for name in ("r1", "r2", "r3")]
    power = {"fault": "host_power_loss", "at": "10s", "host": "r1"}
    assert detected(power, ("r1",), *every) == [("r2", "r1")]
    cut = {"fault": "partition", "at": "10s", "between": [["@leader"], ["r2", "r3", "@clients"]]}
    assert detected(cut, ("r1", "r2", "r3"), *every) == [("r1", "r2"), ("r1", "r3"), ("r2", "r1")]
    stopped = {"fault": "haproxy_stop", "at": "10s", "host": "r1"}
    assert detected(stopped, ("r1",), *every) == []
    killed = {"fault": "broker_kill", "at": "10s", "host": "r1"}
    assert detected(killed, ("r1",), *every) == [("r1", "r1"), ("r2", "r1")]


# -- the ledger -----------------------------------------------------------------------------------


def test_ledger_counts_each_message_once() -> None:
    """A message is what the best news of it says, however often it was published or delivered."""
    seen: list[AnyEvent] = [Published(float(n), "p", n) for n in range(7)]
    seen += [Published(8.0, "p", 1), Confirmed(1.0, "p", 0), Nacked(2.0, "p", 1), Confirmed(9.0, "p", 1)]
    seen += [Nacked(2.0, "p", 2), Returned(3.0, "p", 3), Confirmed(3.1, "p", 3), Confirmed(4.0, "p", 4)]
    seen += [Delivered(5.0, "c", "p", 0), Delivered(6.0, "c", "p", 1), Delivered(6.5, "c", "p", 1, redelivered=True)]
    seen += [Delivered(7.0, "c", "p", 5)]
    expected = Ledger(
        attempted=7,
        confirmed=3,  # 0, 1, 4
        nacked=1,  # 2
        returned=1,  # 3
        unknown=2,  # 5, 6
        delivered=3,  # 0, 1, 5
        lost=1,  # 4
        vanished=1,  # 6
        duplicated=1,  # 1
        redelivered=1,
        deliveries=4,
    )
    assert ledgers(timeline(seen)) == {"p": expected}
    assert ledger(timeline(seen), ["q"]) == Ledger()


def test_a_return_belongs_to_its_sending() -> None:
    """A message that was returned, published again, confirmed and never delivered is lost."""
    again = [Published(1.0, "p", 1), Returned(1.1, "p", 1), Published(2.0, "p", 1), Confirmed(2.1, "p", 1)]
    assert ledger(timeline(again)) == Ledger(attempted=1, confirmed=1, lost=1)
    once = [Published(1.0, "p", 1), Returned(1.1, "p", 1), Confirmed(1.1, "p", 1)]
    assert ledger(timeline(once)) == Ledger(attempted=1, returned=1)


@given(st.lists(st.tuples(st.sampled_from("PCNRD"), st.sampled_from("pq"), st.integers(0, 8)), max_size=60))
def test_ledger_adds_up(story: list[tuple[str, str, int]]) -> None:
    """Every published message is confirmed, nacked, returned or unknown, and what is lost was confirmed."""
    published = {(client, number) for _, client, number in story}
    seen: list[AnyEvent] = [Published(0.0, client, number) for client, number in sorted(published)]
    kinds: dict[str, Any] = {"P": Published, "C": Confirmed, "N": Nacked, "R": Returned}
    for kind, client, number in story:
        seen.append(Delivered(1.0, "c", client, number) if kind == "D" else kinds[kind](1.0, client, number))
    total = ledger(timeline(seen))
    assert total.attempted == len(published) == total.confirmed + total.nacked + total.returned + total.unknown
    assert total.lost <= total.confirmed
    assert total.vanished <= total.unknown
    assert total.deliveries == sum(kind == "D" for kind, _, _ in story) >= total.delivered >= total.duplicated
    assert total == sum(ledgers(timeline(seen)).values(), Ledger())


# -- judgement ------------------------------------------------------------------------------------


def test_all_bounds_are_judged() -> None:
    """Each bound that is given is judged for each client, address or load balancer, and says what was found."""
    seen = [
        *(FAULT, FaultUndone(40.0, 0, "broker_stop", ("r1",))),
        *(held(-1, "a", on=True), held(11.0, "a", on=False), held(12.0, "b", on=True)),
        *attempts("ok", "refused", "ok"),
        *(Published(11.0, "p", 1), Confirmed(11.5, "p", 1), Published(30.0, "p", 2), Confirmed(30.5, "p", 2)),
        *(Delivered(12.0, "c", "p", 1), server(-1, up=True, health=4), server(22.5, up=False)),
        BrokerState(-1, "r1", up=True),
    ]
    strict = judge(
        timeline(
            seen,
            outage_below="1s",
            failed_share_below=0.5,
            confirm_gap_below="5s",
            consumer_gap_below="5s",
            vip_absent_below="1s",
            vip_owners_max=1,
            detection_below="12s",
            lost_max=0,
            duplicated_max=0,
            unknown_max=0,
            healthy_at_end=True,
        )
    )
    assert [f"{'ok ' if found.ok else 'NO '}{found}" for found in strict] == [
        "NO outage_below of fresh: found 1.000 s; allowed: below 1 s",
        "NO failed_share_below of fresh: found 100%; allowed: below 50%",
        "NO vip_absent_below of 10.0.0.9: found 1.000 s; allowed: below 1 s",
        "ok vip_owners_max of 10.0.0.9: found 1; allowed: at most 1",
        "NO confirm_gap_below of p: found 29.500 s, and not over at the end; allowed: below 5 s",
        "NO consumer_gap_below of c: found 48.000 s, and not over at the end; allowed: below 5 s",
        "NO detection_below of r1 by lb1: found 12.500 s; allowed: below 12 s",
        "NO lost_max: found 1 of 2; allowed: at most 0",
        "ok duplicated_max: found 0 of 2; allowed: at most 0",
        "ok unknown_max: found 0 of 2; allowed: at most 0",
        "ok healthy_at_end: found healthy; allowed: healthy",
    ]


def test_what_was_not_seen_is_not_kept() -> None:
    """A bound on something nobody observed is not kept, and says why."""
    (judged,) = judge(timeline([FAULT], vip_owners_max=1))
    assert str(judged) == "vip_owners_max: found nothing of it; allowed: to be seen"
    for bound in ({"lost_max": 0}, {"healthy_at_end": True}, {"outage_below": "1s"}, {"vip_owners_max": 1}):
        assert not any(found.ok for found in judge(timeline([FAULT], **bound)))


def test_nothing_expected_nothing_judged() -> None:
    """A scenario without bounds is measured, not judged."""
    assert judge(timeline([FAULT, *attempts("refused")])) == ()


def test_what_is_not_well_at_the_end_is_named() -> None:
    """Every fault, host, broker, alarm and address that is not as it was is told."""
    seen = [
        FAULT,
        *(HostState(1.0, "r3", on=True), HostState(50.0, "r3", on=False)),
        *(BrokerState(-1, "r1", up=True), BrokerState(-1, "r2", up=True), BrokerState(11.0, "r1", up=False)),
        *(Peers(-1, "r2", ("r1", "r2")), Peers(15.0, "r2", ("r2",), ("r1",)), Alarm(20.0, "r2", "disk", on=True)),
        *(held(-1, "a", on=True), held(12.0, "b", on=True)),
        *(*attempts("ok", "timeout", begin_s=40.0), Connection(20.0, "c", "lost", "10.0.0.9:5672")),
    ]
    assert unhealthy(timeline(seen)) == (
        "broker_stop of r1 was not undone",
        "r3 has no power",
        "the broker on r1 does not listen",
        "r2 misses r1",
        "r2 is partitioned from r1",
        "disk alarm on r2",
        f"{VIP} is on a, b",
        "fresh gets no fresh connection: timeout at 10.0.0.9:5672",
        "c has no connection",
    )
    (judged,) = judge(timeline(seen, healthy_at_end=False))
    assert judged.ok
