"""Runs a scenario on real hosts, and gives the timeline of what was seen."""

from __future__ import annotations

import contextlib
import datetime as dt
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.errors import LabError, Unhealthy
from integration.faults import Faults
from integration.observe import RESOLUTION_S, View, Watch
from integration.observe.pace import resolution
from integration.running import ghosts
from integration.running.collect import shifted, versions_of, vrrp_states
from integration.running.flow import Flow
from integration.running.plan import DRAIN_S, SETTLE_S, Plan
from integration.running.programs import Program, to_the_end
from integration.running.punctual import unpunctual
from integration.running.schedule import Schedule
from integration.running.watching import not_seen, observers
from rmqha_model.timeline import Head, Timeline

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.scenario import Scenario

__all__ = ["RECOVER_S", "run"]

_DECLARE_S = 60.0
_WELL_S = 120.0
"""For the stack to be well before anything begins."""
_FLOW_S = 90.0
"""For every client to have its connection, and messages to flow."""
RECOVER_S = 240.0
"""For the stack to be well again after the last fault was undone: a cold start of a site takes under a minute."""
_PARTED_S = 60.0
"""The same where partitions are left to people: nobody comes."""
_STEADY_S = 1.0
"""Of messages flowing before the scenario begins."""
_LOOK_S = 0.1
_LATE_S = 0.25
"""A look that is later is told: measures of times below a second are blurred by it."""


def run(  # noqa: PLR0913 - what a run is told
    stack: Stack,
    scenario: Scenario,
    *,
    seed: int = 0,
    on_step: Callable[[str], None] = lambda _: None,
    folder: Path | None = None,
    recover_s: float = RECOVER_S,
) -> Timeline:
    """Run *scenario* on *stack*; everything it did is undone when it returns, also by an error or an interrupt.

    What the programs wrote is kept in *folder*, if one is given. The stack has *recover_s* after the last fault to be
    well again; that it was not is noted.

    Raises:
        DocumentError: the scenario cannot happen to this design.
        Unhealthy: the stack was not well before it, or its clients got no connection.
        FaultError: a fault could not be done or undone.
        LabError: a program that was needed failed.
    """
    scenario.check(stack.topology)
    with contextlib.ExitStack() as kept:
        if folder is None:
            folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=stack.journal.parent)))
        return _Run(stack, scenario, seed, on_step, folder, recover_s).play()


class _Run:
    def __init__(  # noqa: PLR0913, PLR0917 - what a run is told
        self,
        stack: Stack,
        scenario: Scenario,
        seed: int,
        on_step: Callable[[str], None],
        folder: Path,
        recover_s: float,
    ) -> None:
        self._recover_s = recover_s
        self._stack, self._scenario, self._seed, self._on_step, self._folder = stack, scenario, seed, on_step, folder
        self._plan = Plan(stack, scenario, run=uuid.uuid4().hex[:12], seed=seed)
        self._view = View(stack.topology, self._plan.queues())
        self._rows: list[dict[str, Any]] = []
        self._notes: list[str] = []
        self._resolution_s = RESOLUTION_S
        self._not_seen = list(not_seen(stack.topology))

    def play(self) -> Timeline:
        """Do all of it."""
        stack = self._stack
        specs = observers(stack.topology, stack.secrets, self._plan.queues())
        # Whatever happens, faults are undone first, then clients end, queues are deleted, and observers see all of it.
        with Watch(stack, specs, self._folder, self._hear) as watch, contextlib.ExitStack() as kept:
            if not watch.sees:
                self._not_seen = ["anything but what clients see: the hosts are not on this machine"]
            with Faults(stack) as faults:
                self._notes += [f"undone before it began: {each}" for each in faults.swept]
                self._until_well(watch, _WELL_S)
                kept.enter_context(self._queues())
                flow = kept.enter_context(Flow(stack, self._plan, self._folder))
                flow.begin()
                self._until(flow.flowing, _FLOW_S, watch, flow, "waiting for clients: ")
                time.sleep(_STEADY_S)
                start, began = time.monotonic(), dt.datetime.now(dt.UTC)
                with Schedule(stack, self._scenario, faults, self._view, start) as schedule:
                    self._through(start, watch, flow, schedule)
                    self._on_step("undoing faults")
                    schedule.end()
                schedule.check()
            # Clients go on until they have recovered: how long that takes is what a fault did to them, too.
            self._until_well(watch, self._recover_s, flow)
            flowed = time.monotonic()
            flow.stop_sending()
            self._settle(flow)
            end = time.monotonic()
        self._rows += [event.row() for event in schedule.events] + flow.rows()
        self._notes += unpunctual(self._scenario, schedule.events, start)
        self._resolution_s, longest_s = resolution(watch.gaps, RESOLUTION_S)
        if longest_s > _LATE_S:
            self._notes.append(f"the machine was busy: observers looked up to {longest_s:.2f} s late")
        return self._timeline(start, flowed, end, began)

    # -- its steps --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _queues(self) -> Iterator[None]:
        """Have the workload's queues while entered."""
        self._on_step("declaring queues")
        self._declare(declare=True)
        try:
            yield
        finally:
            with contextlib.suppress(LabError):
                self._declare(declare=False)

    def _declare(self, *, declare: bool) -> None:
        broker = self._view.sides()[0]
        for spec in self._plan.declarations(broker, declare=declare):
            to_the_end(Program(self._stack, "declare", spec, self._folder, host=broker), _DECLARE_S)

    def _until_well(self, watch: Watch, limit_s: float, flow: Flow | None = None) -> None:
        """Wait until nothing is wrong; before *flow* begins that must come, afterwards it is noted that it did not."""
        since = time.monotonic()
        while True:
            complaints = self._view.complaints() if watch.sees else []
            troubles = flow.troubles() if flow else []
            if not complaints and not troubles:
                return
            told = [*complaints, *troubles]
            self._on_step(f"waiting: {'; '.join(told)}")
            if watch.failure:
                raise watch.failure
            waited_s = time.monotonic() - since
            if flow is None and waited_s > limit_s:
                raise Unhealthy(f"not well after {limit_s:.0f} s: {'; '.join(told)}")
            if flow and waited_s > (min(_PARTED_S, limit_s) if self._is_left_to_people(complaints) else limit_s):
                self._notes += [f"not well {waited_s:.0f} s after the last fault: {each}" for each in told]
                return
            time.sleep(_LOOK_S)

    def _is_left_to_people(self, complaints: list[str]) -> bool:
        """Whether what is wrong will not mend itself: a partition that the design has brokers ignore."""
        handling = self._stack.topology.partition_handling()
        ignored = handling is not None and handling.strategy == "ignore"
        return ignored and bool(complaints) and all("partitioned" in each or "misses" in each for each in complaints)

    def _until(self, ready: Callable[[], list[str]], limit_s: float, watch: Watch, flow: Flow, words: str) -> None:
        began = time.monotonic()
        while missing := ready():
            self._on_step(f"{words}{', '.join(missing)}")
            flow.check()
            if watch.failure:
                raise watch.failure
            if time.monotonic() - began > limit_s:
                raise Unhealthy(f"not flowing after {limit_s:.0f} s: {', '.join(missing)}{flow.said()}")
            time.sleep(_LOOK_S)

    def _through(self, start: float, watch: Watch, flow: Flow, schedule: Schedule) -> None:
        """Let the scenario's time pass."""
        duration_s = self._scenario.duration.s
        faults = sorted((fault.at.s, fault.name) for fault in self._scenario.faults)
        while (passed_s := time.monotonic() - start) < duration_s:
            coming = next((f", {name} in {at - passed_s:.0f} s" for at, name in faults if at > passed_s), "")
            self._on_step(f"{passed_s:.0f} of {duration_s:g} s{coming}")
            schedule.check()
            flow.check()
            if watch.failure:
                raise watch.failure
            time.sleep(min(_LOOK_S, max(0.0, start + duration_s - time.monotonic())))

    def _settle(self, flow: Flow) -> None:
        """Let every message come to its end: confirmed, consumed, and what is left drained."""
        self._on_step("waiting for open confirms")
        self._notes += flow.settle(SETTLE_S + 10)
        if self._scenario.workload.drain:
            self._drain(flow)
        elif self._scenario.workload.publishers:
            self._notes.append("not drained: what was left in the queues counts as lost")

    def _drain(self, flow: Flow) -> None:
        """Consume what is left, on every side of a partition."""
        sides = self._view.sides()
        if len(sides) > 1:
            told = ", ".join(sides)
            self._notes.append(
                f"drained on each side of a partition, at {told}: when it is mended, one side loses its own"
            )
        for broker in sides:
            self._notes += ghosts.close(self._stack.hosts[broker], self._plan.run)
            for spec in self._plan.drains(broker):
                self._on_step(f"draining {spec.queue} at {broker}")
                self._notes += flow.drain(spec, broker, DRAIN_S + 10)

    def _hear(self, host: str, row: dict[str, Any]) -> None:
        self._rows += self._view.hear(host, row)

    def _timeline(self, start: float, flowed: float, end: float, began: dt.datetime) -> Timeline:
        self._on_step("reading journals")
        topology = self._stack.topology
        states, failed = vrrp_states(self._stack)
        head = Head(
            world="lab",
            design=topology.name,
            digest=topology.digest,
            versions=versions_of(self._stack),
            scenario=self._scenario,
            seed=self._seed,
            resolution_s=self._resolution_s,
            duration_s=round(end - start, 3),
            flowed_s=round(flowed - start, 3),
            began=began.isoformat(timespec="milliseconds"),
            notes=tuple(self._notes),
            not_seen=(*self._not_seen, *self._plan.plays(), *failed),
        )
        return Timeline.of(head, shifted([*self._rows, *states], start, end))
