"""What happens to a design: a workload, a schedule of faults, and what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from rmqha_model.consistency.words import unknown
from rmqha_model.errors import DocumentError, InconsistentDesign, Path, Problem
from rmqha_model.expect import Expect
from rmqha_model.faults import ROLES, AnyFault, CheckScriptFail, CheckScriptHang, Fault, RollingRestart, TargetKind
from rmqha_model.faults.able import able
from rmqha_model.names import Label, Text
from rmqha_model.part import Part
from rmqha_model.units import Duration
from rmqha_model.workload import Consumer, Probe, Publisher, Workload

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["Scenario"]

_NEEDS = {
    "outage_below": "probes",
    "failed_share_below": "probes",
    "confirm_gap_below": "publishers",
    "consumer_gap_below": "consumers",
    "lost_max": "publishers",
    "duplicated_max": "publishers",
    "unknown_max": "publishers",
}
"""Which clients a bound is about."""

LONGEST = Duration.parse("6h")
"""A longer one is a mistake of units; real hosts are kept busy for as long."""


class Scenario(Part):
    """What happens to a design, in the simulated world and in the real one alike.

    Times count from the scenario's start, when the workload has its connections and messages flow.

    Raises:
        pydantic.ValidationError: a part is malformed.
        InconsistentDesign: the parts contradict each other; all contradictions at once.
    """

    document_kind = "scenario"

    format: Literal[1] = Field(1, description="Version of this document's format.")
    name: Label = Field(description="Short name of the scenario.")
    description: Text = Field("", description="A word about it, for people.")
    workload: Workload = Field(Workload(), description="What the clients do meanwhile.")
    faults: tuple[AnyFault, ...] = Field((), description="What happens, and when.")
    duration: Duration = Field(
        Duration(60_000), description="How long it is watched; faults that still last are undone at its end."
    )
    expect: Expect = Field(Expect(), description="Bounds on what is measured.")

    @model_validator(mode="after")
    def _parts_fit(self) -> Scenario:
        problems = list(self._contradictions())
        if problems:
            raise InconsistentDesign(problems)
        return self

    def problems(self, topology: Topology) -> tuple[Problem, ...]:
        """Give what keeps this scenario from happening to *topology*: hosts, clients, queues it does not have."""
        return (*self._of_faults(topology), *self._of_workload(topology), *self._of_bounds(topology))

    def check(self, topology: Topology) -> None:
        """Raise :class:`DocumentError` with every reason why this scenario cannot happen to *topology*."""
        problems = self.problems(topology)
        if problems:
            raise DocumentError(problems)

    # -- alone ------------------------------------------------------------------------------------

    def _contradictions(self) -> Iterator[Problem]:
        if not 0 < self.duration.ms <= LONGEST.ms:
            yield Problem(("duration",), f"found {self.duration}", f"more than 0s, at most {LONGEST}")
        for index, fault in enumerate(self.faults):
            at: Path = ("faults", index)
            if fault.at >= self.duration:
                yield Problem((*at, "at"), f"found {fault.at}, when the scenario has ended", f"before {self.duration}")
            elif fault.lasts is not None and fault.at.ms + fault.lasts.ms > self.duration.ms:
                end = Duration(fault.at.ms + fault.lasts.ms)
                yield Problem((*at, "for"), f"found an end at {end}", f"at most the scenario's {self.duration}")
        for bound, kind in _NEEDS.items():
            if getattr(self.expect, bound) is not None and not getattr(self.workload, kind):
                yield Problem(("expect", bound), f"found a bound on {kind}, of which the workload has none", f"{kind}")
        seen: dict[str, str] = {}
        for kind, labels in self._labels():
            for label in labels:
                if label in seen:
                    found = f"found a label that {seen[label]} has too"
                    yield Problem(("workload", kind, label), found, "each label once among all clients")
                seen[label] = f"one of the {kind}"

    def _labels(self) -> Iterator[tuple[str, Iterable[str]]]:
        yield "probes", self.workload.probes
        yield "publishers", self.workload.publishers
        yield "consumers", self.workload.consumers

    # -- with a design ----------------------------------------------------------------------------

    def _of_faults(self, topology: Topology) -> Iterator[Problem]:
        for index, fault in enumerate(self.faults):
            known = able(fault, topology)
            for field, where, name in _named(fault):
                path: Path = ("faults", index, field, *where)
                if name in ROLES:
                    yield from _of_role(topology, path, name, fault)
                elif name not in known:
                    yield unknown(path, _WORDS[fault.target], name, known)
            if isinstance(fault, RollingRestart) and not known:
                path = ("faults", index, "layer")
                yield Problem(path, f"found {fault.layer}, which the design does not have", "a layer that it has")
            if isinstance(fault, CheckScriptFail | CheckScriptHang):
                scripts = topology.keepalived.scripts if topology.keepalived else {}
                if fault.script is not None and fault.script not in scripts:
                    yield unknown(("faults", index, "script"), "check script", fault.script, scripts)
                elif not scripts:
                    yield Problem(("faults", index), "found a fault of a check script", "a design that has one")

    def _of_workload(self, topology: Topology) -> Iterator[Problem]:
        queues = [queue.name for queue in (*topology.rabbitmq.queues, *self.workload.queues)]
        clients: list[tuple[str, str, Probe | Publisher | Consumer]] = [
            *(("probes", label, probe) for label, probe in self.workload.probes.items()),
            *(("publishers", label, publisher) for label, publisher in self.workload.publishers.items()),
            *(("consumers", label, consumer) for label, consumer in self.workload.consumers.items()),
        ]
        for kind, label, client in clients:
            at: Path = ("workload", kind, label)
            if client.client is not None and client.client not in topology.clients:
                yield unknown((*at, "client"), "client", client.client, topology.clients)
            if isinstance(client, Publisher | Consumer) and client.queue not in queues:
                yield unknown((*at, "queue"), "queue", client.queue, queues)
            if client.via == "vip" and topology.keepalived is None:
                yield Problem((*at, "via"), "found vip, which the design does not have", "load_balancers or brokers")
            if client.via in {"vip", "load_balancers"} and topology.haproxy is None:
                yield Problem((*at, "via"), f"found {client.via} without load balancers", "brokers")
            if isinstance(client.via, tuple):
                for index, endpoint in enumerate(client.via):
                    if endpoint.host not in topology.hosts:
                        yield unknown((*at, "via", index, "host"), "host", endpoint.host, topology.hosts)

    def _of_bounds(self, topology: Topology) -> Iterator[Problem]:
        for bound in ("vip_absent_below", "vip_owners_max"):
            if getattr(self.expect, bound) is not None and topology.keepalived is None:
                yield Problem(("expect", bound), "found a bound on virtual addresses without any", "no such bound")
        if self.expect.detection_below is not None and topology.haproxy is None:
            found = "found a bound on load balancers, of which the design has none"
            yield Problem(("expect", "detection_below"), found, "no such bound")


_WORDS: dict[TargetKind, str] = {
    "broker": "broker",
    "load_balancer": "load balancer",
    "vrrp": "host with keepalived",
    "host": "host",
}


def _named(fault: Fault) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Give each host or role a fault names, with its field and where in it."""
    host, hosts, between = (getattr(fault, field, None) for field in ("host", "hosts", "between"))
    if host:
        yield "host", (), host
    yield from (("hosts", (index,), name) for index, name in enumerate(hosts or ()))
    for side, names in enumerate(between or ()):
        yield from (("between", (side, i), name) for i, name in enumerate(names) if name in fault.targets)


def _of_role(topology: Topology, path: Path, role: str, fault: Fault) -> Iterator[Problem]:
    holders = topology.vrrp_hosts if role.startswith("@vip") else topology.brokers
    if not holders:
        yield Problem(path, f"found {role}, and the design has no virtual address", "a host")
    elif not set(holders) <= set(able(fault, topology)):
        allowed = f"a {_WORDS[fault.target]}"
        yield Problem(path, f"found {role}, which may be a host that is none", allowed)
