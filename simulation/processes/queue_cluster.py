"""What queues see of the brokers: who runs RabbitMQ, who exchanges bytes with whom, what was stopped in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulation.machines.link_parts import Process

if TYPE_CHECKING:
    from simulation.processes.views import Heard, LinkChanged, Served
    from simulation.processes.world import World

__all__ = ["GONE", "Cluster"]

GONE = frozenset({Process.ENDED, Process.GONE})


class Cluster:
    """The brokers as their queues depend on them.

    When a broker is stopped in order, its listeners close first, and the processes of classic queues end within 0.2 s
    of it (measured on 3.10.8: consumers elsewhere are cancelled 0.07 to 0.15 s later). Raft members run on until
    RabbitMQ has stopped, which takes some seconds more.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.hosts = world.topology.brokers
        self.up = set(self.hosts)
        """Brokers on which queue processes run; also on one that hangs."""
        self.clean = dict.fromkeys(self.hosts, False)
        """Whether a broker that is not up was stopped in order."""
        self._told = dict.fromkeys(self.hosts, Process.RUNS)
        self._silent: set[tuple[str, str]] = set()
        self._exchange: dict[tuple[str, str], bool] = {}

    # -- what it looks like -----------------------------------------------------------------------

    def process(self, host: str) -> Process:
        """Give what became of a broker's VM."""
        return self.world.brokers.process(host)

    def runs(self, host: str) -> bool:
        """Whether RabbitMQ runs on it and does not hang."""
        return host in self.up and self.process(host) is Process.RUNS

    def is_there(self, host: str) -> bool:
        """Whether RabbitMQ has not ended on it, though it may hang."""
        return host in self.up and self.process(host) not in GONE

    def has_raft(self, host: str) -> bool:
        """Whether Raft members have a process on it."""
        return host in self.world.brokers.running(host)

    def linked(self, one: str, other: str) -> bool:
        """Whether both see each other's Erlang node."""
        sees = self.world.brokers.sees
        return one == other or (other in sees(one) and one in sees(other))

    def exchange(self, one: str, other: str) -> bool:
        """Whether the VMs of both run and bytes pass between them, on a link that is up at both ends."""
        pair = one, other
        if pair not in self._exchange:
            both = self.process(one) is Process.RUNS and self.process(other) is Process.RUNS
            silent = pair in self._silent or (other, one) in self._silent
            self._exchange[pair] = both and not silent and self.linked(one, other)
        return self._exchange[pair]

    def answers(self, host: str) -> bool:
        """Whether its management API answers: while it sees a node that is silent, questions to that one time out."""
        sees = self.world.brokers.sees(host) if self.runs(host) else frozenset[str]()
        return host in sees and all(self.exchange(host, peer) for peer in sees)

    # -- what happens -----------------------------------------------------------------------------

    def look(self) -> None:
        """See anew who runs and who is linked."""
        self._exchange.clear()

    def served(self, event: Served) -> Process:
        """Take in listeners or a VM that changed; give what had become of its VM before."""
        self.look()
        host, was = event.host, self._told[event.host]
        self._told[host] = event.process
        if event.listens and event.process not in GONE:
            self.up.add(host)
            self.clean[host] = False
        elif host in self.up:
            self.up.discard(host)
            self.clean[host] = event.clean
        return was

    def linked_anew(self, event: LinkChanged) -> None:
        """Take in a link that came or went: no silence is known of it."""
        self.look()
        self._silent.discard((event.here, event.there))

    def heard(self, event: Heard) -> None:
        """Take in silence or its end."""
        self.look()
        (self._silent.discard if event.hears else self._silent.add)((event.here, event.there))
