"""A classic queue without mirrors: what channels on each broker meet while its home is there, silent or gone.

Sources: see :mod:`simulation.machines.classic`; measured on 3.10.8 and 4.3.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmqha_model.queues import ClassicQueue
from simulation.machines.classic import Classic, ClassicInput, ClassicSettings, ClassicView, HomeGone
from simulation.machines.link_parts import Process
from simulation.machines.mirrored import CREDIT
from simulation.processes.queue_cluster import GONE
from simulation.processes.queue_kinds import Shown
from simulation.processes.views import Copies, Deliveries, Service

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.processes.queue_cluster import Cluster
    from simulation.processes.queue_kinds import Listener
    from simulation.processes.queue_places import Place
    from simulation.processes.views import LinkChanged, Served
    from simulation.processes.world import World

__all__ = ["Plain", "silent", "without"]


def silent(words: str) -> Service:
    """Give what is met at a process that says nothing: after its credit is used up, nothing more is read."""
    return Service("waits", "waits", holds=CREDIT, reason=((words, 0.0),))


def without(view: ClassicView, now: float) -> Service:
    """Give what is met at a queue whose home is gone.

    Who consumed is cancelled in the instant in which it goes, or after what the view says; who comes later is refused.
    """
    if view.publish == "waits":
        return silent("its home says nothing")
    cancels = view.consumers == "cancelled" and now <= view.t
    return Service(
        view.publish,
        "cancelled" if cancels else "served" if view.declare == "ok" and not view.gone else "not_found",
        view.publish_s,
        view.cancel_s if cancels else view.declare_s,
        reason=view.reason,
    )


class Plain:
    """One queue, as the brokers other than its home see it: each of them by its own clocks."""

    def __init__(self, world: World, place: Place, cluster: Cluster, listener: Listener) -> None:
        self.place = place
        self._world, self._cluster, self._listener = world, cluster, listener
        queue = place.queue
        durable = queue.durable if isinstance(queue, ClassicQueue) else True
        self._settings = ClassicSettings.from_design(world.topology, durable=durable)  # clients' messages persist
        self._home = place.leader
        self._machines: dict[str, Classic] = {}
        self._views: dict[str, ClassicView] = {}
        self._gone_at: dict[str, float] = {}
        self._served_at = 0.0
        self._deleted = False
        self._lost = False

    @property
    def leader(self) -> str | None:
        """Its home."""
        return self._home

    def service(self, broker: str) -> Service:
        """What a channel on a broker meets."""
        if not self._cluster.runs(broker):
            return silent(f"{broker} says nothing")
        if broker == self._home:
            return Service("unroutable", "not_found") if self._deleted else Service()
        view = self._views.get(broker)
        if view is None or (view.publish == "confirmed" and not view.gone):
            return Service()
        return without(view, self._world.now)

    def copies(self) -> Copies:
        """It has none."""
        return Copies()

    def shown(self, broker: str) -> Shown | None:
        """What the broker says of it: its home, which never changes."""
        return Shown(self._home, (self._home,)) if broker not in self._gone_at else None

    def holds(self, messages: int, size: int) -> None:
        """Take no notice."""

    # -- what happens -----------------------------------------------------------------------------

    def served(self, event: Served, was: Process) -> None:
        """Hear of listeners and VMs."""
        host, home = event.host, self._home
        if host == home:
            self._home_served(event, was)
        elif event.process in GONE or not event.listens:
            self._forget(host)
        elif event.process is Process.RUNS and was is not Process.HANGS:
            self._forget(host)
            if not self._is_there(host):
                self._feed(host, HomeGone(clean=self._cluster.clean[home], reason=((f"{home} is not there", 0.0),)))
        self.look()

    def _home_served(self, event: Served, was: Process) -> None:
        if event.process not in GONE and event.listens:
            if was is not Process.HANGS and event.process is not Process.HANGS:
                self._served_at = event.t
                self._lost = False
                self._back()
        elif event.process is Process.RUNS:
            for other in self._others():
                if self._cluster.exchange(other, self._home):
                    self._feed(other, "stopped")

    def _back(self) -> None:
        self._deleted = self._deleted or any(view.gone for view in self._views.values())
        for other in self._others():
            if self._is_there(other):
                self._feed(other, "back")
        if not self._deleted:
            reason = ((f"{self._home} is back", 0.0),)
            self._listener.delivers(Deliveries(self._world.now, self.place.name, "requeued", None, frozenset(), reason))

    def linked(self, event: LinkChanged) -> None:
        """Hear of a link between a broker and the home."""
        if event.up:
            if self._home in {event.here, event.there}:
                self._linked_again(event.there if event.here == self._home else event.here)
        elif event.here == self._home:
            self._give_back(event.there, event.reason)
        elif event.there == self._home and self._cluster.is_there(event.here):
            self._lose(event.here, event.reason)
        self.look()

    def _linked_again(self, other: str) -> None:
        """Find it again; where its record was taken away, only if RabbitMQ on its home has started since."""
        restarted = self._served_at >= self._gone_at.get(other, 0.0)
        if self._is_there(other) and (self._settings.keeps_record or restarted):
            self._feed(other, "back")

    def look(self) -> None:
        """Look who reaches the home, and who no longer takes it for running."""
        cluster, home = self._cluster, self._home
        stopped = cluster.process(home) is Process.RUNS and not cluster.has_raft(home)
        for other in self._others():
            if home not in self._world.brokers.sees(other):
                continue
            if stopped:
                self._lose(other, ((f"RabbitMQ stopped on {home}", 0.0),))
            elif cluster.exchange(other, home):
                if other in self._machines:
                    self._feed(other, "heard")
            elif cluster.process(home) is not Process.ENDED or not self._world.network.meet(other, home):
                self._feed(other, "silent")  # else its FIN arrives in this instant

    # -- within -----------------------------------------------------------------------------------

    def _others(self) -> list[str]:
        return [host for host in self._cluster.hosts if host != self._home and self._cluster.is_there(host)]

    def _is_there(self, other: str) -> bool:
        return self._cluster.is_there(self._home) and self._cluster.linked(other, self._home)

    def _forget(self, host: str) -> None:
        for known in (self._machines, self._views, self._gone_at):
            known.pop(host, None)

    def _lose(self, other: str, reason: Reason) -> None:
        if other not in self._gone_at:
            answers = self._world.network.meet(other, self._home)
            self._feed(other, HomeGone(self._cluster.clean[self._home], answers, reason))

    def _feed(self, other: str, input_: ClassicInput) -> None:
        if other not in self._machines:
            self._machines[other] = Classic(self._settings)
        if isinstance(input_, HomeGone):
            self._gone_at[other] = self._world.now
        elif input_ == "back":
            self._gone_at.pop(other, None)
        for view in self._machines[other].feed(self._world.now, input_):
            self._sees(other, view)

    def _sees(self, other: str, view: ClassicView) -> None:
        self._views[other] = view
        self._listener.changed(self.place, view.reason)
        if view.outstanding:
            side = frozenset({other})
            self._listener.delivers(Deliveries(view.t, self.place.name, "nacked", None, side, view.reason))
        if view.lost and not self._lost:
            self._lost = True
            self._listener.delivers(Deliveries(view.t, self.place.name, "lost", None, frozenset(), view.reason))

    def _give_back(self, host: str, reason: Reason) -> None:
        side = frozenset({host})
        self._listener.delivers(Deliveries(self._world.now, self.place.name, "requeued", None, side, reason))
