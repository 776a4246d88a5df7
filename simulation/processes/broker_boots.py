"""Whether a broker that boots has to wait for others: for Mnesia's tables, or for Khepri's majority.

Sources: OTP ``mnesia_controller.erl`` (``last_consistent_replica``, ``orphan_tables``); RabbitMQ ``rabbit_table.erl``,
``rabbit_khepri.erl``; the guide "Clustering", "Restarting Cluster Nodes".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.machines.node import BrokerInput
    from simulation.processes.broker_members import Members

__all__ = ["Boots"]


class Boots:
    """Remembers who ran when each broker stopped, and tells the units of those that boot."""

    def __init__(
        self,
        brokers: tuple[str, ...],
        members: Members,
        apart: Callable[[str, str], bool] | None,
        tell: Callable[[str, BrokerInput], None],
    ) -> None:
        """Ask *apart* whether two databases of Mnesia are split (``None``: it is Khepri's), and *tell* the units."""
        self._brokers, self._members, self._apart, self._tell = brokers, members, apart, tell
        self._needs: dict[str, frozenset[str]] = {}  # of one that stopped: who ran then, as it believed
        self._ready = dict.fromkeys(brokers, True)

    def stops(self, host: str) -> None:
        """The database on a broker that was running ends: whom it takes for running holds what it may miss."""
        self._needs[host] = self._joined(host)

    def _joined(self, host: str) -> frozenset[str]:
        """Give the others whose database a broker's own is one with."""
        joined = self._members.joined(host)
        return frozenset(other for other in joined if not (self._apart and self._apart(host, other)))

    def update(self) -> None:
        """Look anew, after anybody has come, gone, or stopped."""
        for host in self._needs:
            if self._members.known(host, host) == "runs":
                continue
            ready = self._tables(host) if self._apart else self._majority(host)
            if ready != self._ready[host]:
                self._ready[host] = ready
                self._tell(host, "peers_ready" if ready else "peers_missing")

    def _majority(self, host: str) -> bool:
        return 2 * (1 + len(self._members.joined(host))) > len(self._brokers)

    def _tables(self, host: str) -> bool:
        """Whether its tables can be loaded: from itself, from one that has them, or, with all there, from the disk."""
        joined = self._joined(host)
        if not self._needs[host] or any(self._members.known(host, other) == "runs" for other in joined):
            return True
        return len(joined) + 1 == len(self._brokers)
