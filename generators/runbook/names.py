"""The design's own names in commands: sockets, addresses, nodes, interfaces."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from generators.logs import LOG_FILE, log_files
from generators.quoting import shell
from generators.runbook.text import Command
from rmqha_model.haproxy import StatsListener
from rmqha_model.queues import QuorumQueue
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.topology import Topology

__all__ = ["Names", "shortened"]

COLUMNS = "1,2,5,18,19,24,37"
"""Of HAProxy's statistics: proxy, server, sessions, status, weight, seconds since the last change, last check
(management.txt 9.1, 2.2 to 3.2)."""

LEADER_CHECK = Version(4, 0, 8)
"""From here rabbitmq-diagnostics has check_for_quorum_queues_without_an_elected_leader."""

MOST_SHOWN = 4
"""So many names are enough to show how a command goes."""


class Names:
    """Commands of one design, each with its names in place."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.any_broker = "On any broker that runs"
        self.that_host = "On that host"
        self.each_broker = f"On each broker ({shortened(topology.brokers)})"
        self.each_balancer = f"On each load balancer ({shortened(topology.load_balancers)})"
        self.each_owner = f"On each host that can own it ({shortened(topology.vrrp_hosts)})"
        self.version = Version.parse(topology.versions.rabbitmq)

    def cluster(self) -> Command:
        """Who is in the cluster and runs."""
        why = "Disk Nodes are members, Running Nodes run; Alarms and Network Partitions should be (none)"
        return Command("rabbitmqctl cluster_status", self.any_broker, why)

    def broker_log(self) -> list[Command]:
        """What the broker of a host says."""
        return [
            Command("systemctl status --no-pager rabbitmq-server", self.that_host),
            Command("journalctl --no-pager -u rabbitmq-server -n 50", self.that_host),
            Command(f"tail -n 100 /var/log/rabbitmq/{self.topology.rabbitmq.node_prefix}@*.log", self.that_host),
        ]

    def socket(self, words: str) -> str | None:
        """Give a question to HAProxy's runtime API; ``None`` where it has none."""
        assert self.topology.haproxy is not None
        path = self.topology.haproxy.global_.stats_socket
        return f"echo {shell(words)} | socat -t 2 - UNIX-CONNECT:{shell(path)}" if path else None

    def haproxy_state(self) -> list[Command]:
        """What HAProxy thinks of the brokers."""
        topology = self.topology
        assert topology.haproxy is not None
        why = "proxy, server, sessions, status, weight, seconds since the last change, last check"
        if asked := self.socket("show stat"):
            return [Command(f"{asked} | cut -d, -f{COLUMNS}", self.each_balancer, why)]
        pages = [listener for listener in topology.haproxy.listeners.values() if isinstance(listener, StatsListener)]
        if not pages:
            why = "this design has neither a runtime API nor a statistics page"
            return [Command("journalctl --no-pager -u haproxy -n 50", self.each_balancer, why)]
        page = pages[0]
        found = []
        for host in topology.load_balancers[:MOST_SHOWN]:
            login = f" --user {page.auth.user}" if page.auth else ""
            url = shell(f"http://{_url_host(topology.ip(host))}:{page.port}{page.uri};csv")
            found.append(Command(f"curl -s{login} {url} | cut -d, -f{COLUMNS}", "", why))
        return found

    def haproxy_log(self) -> list[Command]:
        """What HAProxy of a host says."""
        found = [
            Command("systemctl status --no-pager haproxy", self.that_host),
            Command("haproxy -c -f /etc/haproxy/haproxy.cfg", self.that_host, "says why it would not start"),
        ]
        host = self.topology.load_balancers[0]
        if any(log_files(self.topology, self.topology.os_of(host))):
            found.append(Command(f"tail -n 100 {LOG_FILE}", self.that_host))
        return found

    def owners(self) -> list[Command]:
        """Who has the virtual addresses."""
        addresses = self.topology.virtual_ips
        found = [Command(f"ip -brief address show to {ip}", self.each_owner) for ip in addresses[:MOST_SHOWN]]
        return found if len(addresses) <= MOST_SHOWN else [Command("ip -brief address", self.each_owner)]

    def keepalived_log(self) -> list[Command]:
        """What keepalived of a host says."""
        why = "Entering MASTER, BACKUP or FAULT STATE, and what its scripts found"
        return [
            Command("systemctl status --no-pager keepalived", self.each_owner),
            Command("journalctl --no-pager -u keepalived -n 50", self.each_owner, why),
        ]

    def adverts(self) -> list[Command]:
        """Whether adverts arrive."""
        keepalived = self.topology.keepalived
        assert keepalived is not None
        devices: dict[str, None] = {}
        for name in keepalived.instances:
            for host, member in keepalived.members(name).items():
                devices[member.interface or self.topology.hosts[host].interface] = None
        why = "VRRP as it arrives here: one owner for each vrid, and no other source"
        words = shell("ip proto 112 or ip6 proto 112")
        return [Command(f"timeout 10 tcpdump -nni {shell(device)} {words}", self.each_owner, why) for device in devices]

    def quorum_queue(self) -> list[Command]:
        """Where the members of quorum queues are."""
        found = []
        if self.version >= LEADER_CHECK:
            line = "rabbitmq-diagnostics check_for_quorum_queues_without_an_elected_leader --across-all-vhosts '.*'"
            found.append(Command(line, self.any_broker))
        queues = [queue for queue in self.topology.rabbitmq.queues if isinstance(queue, QuorumQueue)]
        for queue in queues[:MOST_SHOWN]:
            words = f"--vhost {shell(queue.vhost)} {shell(queue.name)}"
            found.append(Command(f"rabbitmq-queues quorum_status {words}", self.any_broker))
        if not queues:
            found.append(Command("rabbitmq-queues quorum_status --vhost VHOST QUEUE", self.any_broker))
        return found

    def queues(self, *columns: str) -> list[Command]:
        """What the queues hold."""
        found = []
        for vhost in [*self.topology.rabbitmq.vhosts][:MOST_SHOWN]:
            words = " ".join(columns)
            found.append(Command(f"rabbitmqctl list_queues --vhost {shell(vhost)} name {words}", self.any_broker))
        return found


def shortened(hosts: tuple[str, ...]) -> str:
    """Give the names of hosts, the first few of many."""
    if len(hosts) <= 2 * MOST_SHOWN:
        return ", ".join(hosts)
    return f"{', '.join(hosts[:MOST_SHOWN])} and {len(hosts) - MOST_SHOWN} more"


def _url_host(ip: str) -> str:
    return f"[{ip}]" if ipaddress.ip_address(ip).version == 6 else ip
