"""How long a broker's start and stop take, and what systemd does with one that died.

"Lab" are journals and RabbitMQ's own logs of hosts that share one machine of two cores. "Quiet": 3.10.8 while nothing
else ran there (``docs/evidence/bookworm/article-fixed/hosts``). "Busy": 3.8.9, 3.10.8, 4.0.5 and 4.3.6 under loads of 5
to 20 (the other folders, and the first campaign of that one). Lower ends are those of quiet minutes, upper ends those
of the busiest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmqha_model.versions import Version
from simulation.machines.busy import lasts

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["BrokerSettings", "Took"]

Took: TypeAlias = Literal[
    "vm", "boot", "again", "load", "listen", "order", "close", "quit", "halt", "unit", "slack", "host_stop",
    "host_boot",
]  # fmt: skip
"""What takes a while.

- a start: *vm*, until the Erlang VM is known to its peers; *boot*, until it asks for its database (*again*: the same of
  an application that is started in a VM that runs); *load*, until its peers take RabbitMQ for running; *listen*, until
  it accepts connections;
- a stop: *order*, from systemd's order until rabbitmqctl has told the broker; *close*, until its listeners and all
  connections are closed; *quit*, until its peers see that RabbitMQ ended; *halt*, until the VM ended; *unit*, until
  systemd calls it stopped;
- *slack*: what systemd adds to RestartSec;
- the host's shutdown after a stop, and its boot before a start.
"""

Range: TypeAlias = tuple[float, float]

QUIET_S: dict[Took, float] = {
    "vm": 2.0,  # 10 of 12 starts: 1.45 to 1.95 s; 3.10 and 3.87 s where all of a host started
    "boot": 5.2,  # 11 of 12 starts: 2.77 to 5.10 s
    "again": 0.6,  # 5 of rabbit:start: 0.34 to 0.59 s
    "load": 0.12,  # 18 starts: 0.04 to 0.11 s; 0.68 and 1.12 s where a whole site started
    "listen": 0.15,  # 20 starts: 0.03 to 0.15 s
    "order": 0.6,  # 6 of 7 stops: 0.49 to 0.59 s; 0.95 s
    "close": 0.025,  # 7 stops: 0.01 to 0.02 s
    "halt": 0.08,  # 8 stops: 0.02 to 0.08 s
    "unit": 1.1,  # 7 stops: 1.03 to 1.07 s
    "slack": 0.17,  # 2 restarts: 0.04 and 0.17 s
}
"""The longest that something took on the quiet machine; what is not here is no processor's work."""

STATS_S: Range = (5.0, 5.2)
"""How long the stop of rabbitmq_management_agent waits for others to stop telling it statistics: lab, 3.10.8, 32 stops
of 5.01 to 5.16 s. From 3.9.11 (rabbitmq-server#3800) to 3.13.1 (#11070, release notes of 3.13.2)."""
STATS_SINCE, STATS_UNTIL = Version(3, 9, 11), Version(3, 13, 2)
STATS_PLUGINS = {"rabbitmq_management_agent", "rabbitmq_management", "rabbitmq_prometheus"}
"""What brings that plugin."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """How long things take, as ranges, and what systemd does.

    A broker that systemd started listened after 4.5 to 6.7 s on the quiet machine, after 10.3 to 11 s where all brokers
    of a site started at once, and after 3.9 to 29.2 s on the busy one.
    """

    vm_s: Range = (1.4, 10.5)  # quiet: 1.45 s and more; busy, 21 starts: 1.75 (3.10.8) to 10.48 s (4.3.6)
    boot_s: Range = (1.9, 18.6)  # busy, 21 starts: 1.96 to 18.52 s, half of them below 5.4 s
    again_s: Range = (0.3, 2.8)  # quiet: 0.34 s and more; busy, 22 of rabbit:start: up to 2.74 s
    load_s: Range = (0.04, 1.1)  # quiet: 0.04 s and more; busy, 45 starts: up to 1.03 s, half of them below 0.2 s
    listen_s: Range = (0.03, 0.9)  # quiet: 0.03 s and more; busy, 40 starts of 3.10.8 and newer: up to 0.87 s
    order_s: Range = (0.4, 7.6)  # busy, 9 stops: 0.42 to 7.54 s, half of them below 2 s; a start of rabbitmqctl's VM
    close_s: Range = (0.005, 0.25)  # quiet: 0.009 s and more; busy, 35 stops: up to 0.21 s
    quit_s: Range = (0.01, 0.1)  # busy, 3.8.9, 4.0.5, 4.3.6, 9 stops: 0.02 to 0.08 s; else STATS_S
    halt_s: Range = (0.02, 0.2)  # quiet: 0.02 s and more; busy, 8 stops: up to 0.16 s
    unit_s: Range = (0.95, 1.3)  # busy, 7 stops: 0.98 to 1.25 s
    slack_s: Range = (0.03, 0.25)  # quiet and busy, 10 restarts: 10.04 to 10.21 s after the end, with RestartSec=10
    host_stop_s: Range = (0.5, 2.0)
    host_boot_s: Range = (2.0, 10.0)
    restart_s: float | None = 10.0  # RestartSec, after what is a failure to systemd; None: it is left dead
    wait_s: float = 300.0  # mnesia_table_loading_retry_* 10 x 30 s; khepri_leader_wait_retry_timeout
    start_limit_s: float = 600.0  # TimeoutStartSec of both units and of the drop-in
    stop_limit_s: float = 90.0  # TimeoutStopSec, systemd's own; the drop-in says 600
    busy: float = 0.0  # how much else its host does, 0 to 1; see simulation.machines.busy

    @classmethod
    def from_design(cls, topology: Topology, host: str, *, host_boot_s: Range = (2.0, 10.0)) -> BrokerSettings:
        """Give those of the broker on a host; the drop-in's Restart and RestartSec are those of the packages."""
        release = Version.parse(topology.versions.rabbitmq)
        waits = STATS_SINCE <= release < STATS_UNTIL and not STATS_PLUGINS.isdisjoint(topology.rabbitmq.plugins)
        return cls(
            # The listeners of 3.8 come after its plugins: lab, 3.8.9, 7 starts: 1.35 to 2.43 s.
            listen_s=(1.3, 2.5) if release < Version(3, 9, 0) else cls().listen_s,
            quit_s=STATS_S if waits else cls().quit_s,
            host_boot_s=host_boot_s,
            stop_limit_s=600.0 if topology.os_of(host).supervise else 90.0,
        )

    def range_of(self, what: Took) -> Range:
        """Give the shortest and the longest time of something."""
        found: Range = getattr(self, f"{what}_s")
        return found

    def took(self, what: Took, luck: float) -> float:
        """Give how long something takes this time; *luck* is between 0 and 1."""
        within = self.range_of(what)
        return lasts(within, QUIET_S.get(what, within[1]), luck, self.busy)
