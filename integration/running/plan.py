"""Who does what in a run: what each client program and each observer is told, by the design and the scenario."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from integration.clients.spec import (
    ConsumeSpec,
    DeclareSpec,
    Login,
    ProbeSpec,
    PublishSpec,
    QueueSpec,
    Target,
)
from integration.errors import LabError
from rmqha_model.haproxy import AmqpsListener
from rmqha_model.queues import ClassicQueue

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.clients import Client
    from rmqha_model.scenario import Scenario
    from rmqha_model.workload import Consumer, Probe, Publisher

__all__ = ["SETTLE_S", "Plan"]

SETTLE_S = 150.0
"""How long publishers wait, at the end, for what is open: a mirror that is silently gone holds a confirm for 75 s."""
DRAIN_S = 120.0
"""How long consuming what is left may take."""
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Plan:
    """A scenario on a stack."""

    def __init__(self, stack: Stack, scenario: Scenario, *, run: str, seed: int) -> None:
        self.stack, self.scenario = stack, scenario
        self._topology = stack.topology
        self.run, self._seed = run, seed
        self._ca: str | None = None

    # -- clients ----------------------------------------------------------------------------------

    def probes(self) -> Iterator[ProbeSpec]:
        """Give what each prober is told."""
        for label, probe in self.scenario.workload.probes.items():
            yield ProbeSpec(
                label,
                self._target(probe),
                self._seed_of(label),
                every_s=probe.every.s,
                patience_s=probe.patience.s,
            )

    def publishers(self) -> Iterator[PublishSpec]:
        """Give what each publisher is told."""
        for label, publisher in self.scenario.workload.publishers.items():
            client = self._client(publisher)
            vhost = self.vhost_of(publisher.queue, client)
            yield PublishSpec(
                label,
                self._target(publisher),
                self._seed_of(label),
                login=self._login(client, vhost),
                queue=publisher.queue,
                run=self.run,
                count=publisher.count,
                rate=publisher.rate,
                payload=publisher.payload.bytes,
                window=publisher.window,
                confirms=client.confirms,
                confirm_timeout_s=client.confirm_timeout.s,
                mandatory=client.mandatory,
                retry=publisher.retry,
                settle_s=SETTLE_S,
            )

    def consumers(self) -> Iterator[ConsumeSpec]:
        """Give what each consumer is told."""
        for label, consumer in self.scenario.workload.consumers.items():
            client = self._client(consumer)
            yield ConsumeSpec(
                label,
                self._target(consumer),
                self._seed_of(label),
                login=self._login(client, self.vhost_of(consumer.queue, client)),
                queue=consumer.queue,
                run=self.run,
                count=consumer.count,
                prefetch=client.prefetch,
                auto_ack=client.ack == "auto",
                work_s=consumer.work.s,
            )

    def drains(self, broker: str) -> Iterator[ConsumeSpec]:
        """Give what those are told who consume at *broker* what is left in the publishers' queues."""
        for number, (vhost, queue) in enumerate(self._published_to(), 1):
            client = self._topology.clients[next(iter(self._topology.clients))]
            yield ConsumeSpec(
                f"drain-{broker}-{number}",
                self._at(broker, client),
                login=self._login(client, vhost),
                queue=queue,
                run=self.run,
                prefetch=200,
                until_empty=True,
                give_up_s=DRAIN_S,
            )

    def declarations(self, broker: str, *, declare: bool) -> Iterator[DeclareSpec]:
        """Give what is told to those who declare the workload's queues at *broker*, or delete them; one for a vhost."""
        queues = self.scenario.workload.queues
        for vhost in dict.fromkeys(queue.vhost for queue in queues):
            client = self._topology.clients[next(iter(self._topology.clients))]
            yield DeclareSpec(
                "declare",
                self._at(broker, client),
                login=self._login(client, vhost, self._who_configures(vhost, client)),
                queues=tuple(
                    QueueSpec(
                        queue.name,
                        queue.durable if isinstance(queue, ClassicQueue) else True,
                        queue.auto_delete if isinstance(queue, ClassicQueue) else False,
                        {"x-queue-type": queue.type, **queue.typed_arguments()},
                    )
                    for queue in queues
                    if queue.vhost == vhost
                ),
                declare=declare,
            )

    def queues(self) -> tuple[tuple[str, str], ...]:
        """Give vhost and name of every queue there is, the one first that the workload uses first."""
        used = list(self._published_to())
        workload, design = self.scenario.workload, self._topology.rabbitmq
        used += [(queue.vhost, queue.name) for queue in (*workload.queues, *design.queues)]
        return tuple(dict.fromkeys(used))

    def vhost_of(self, queue: str, client: Client) -> str:
        """Give the vhost of *queue*: the client's, where it has such a queue."""
        declared = (*self.scenario.workload.queues, *self._topology.rabbitmq.queues)
        vhosts = [known.vhost for known in declared if known.name == queue]
        own = self._topology.vhost_of(client)
        return own if own in vhosts or not vhosts else vhosts[0]

    def plays(self) -> tuple[str, ...]:
        """Say for which clients of the design that do not use pika the programs stand in."""
        workload = self.scenario.workload
        parts: tuple[Probe | Publisher | Consumer, ...] = (
            *workload.probes.values(),
            *workload.publishers.values(),
            *workload.consumers.values(),
        )
        clients = {self._name(part): self._client(part) for part in parts}
        return tuple(
            f"client {name} uses {client.kind}; pika plays it with its settings"
            for name, client in clients.items()
            if client.kind != "pika"
        )

    # -- their parts ------------------------------------------------------------------------------

    def _published_to(self) -> Iterator[tuple[str, str]]:
        for publisher in self.scenario.workload.publishers.values():
            yield self.vhost_of(publisher.queue, self._client(publisher)), publisher.queue

    def _seed_of(self, label: str) -> str:
        return f"{self._seed}/{label}"

    def _name(self, part: Probe | Publisher | Consumer) -> str:
        return part.client or next(iter(self._topology.clients))

    def _client(self, part: Probe | Publisher | Consumer) -> Client:
        return self._topology.clients[self._name(part)]

    def _target(self, part: Probe | Publisher | Consumer) -> Target:
        client = self._client(part)
        if part.via is not None:
            client = client.model_copy(update={"endpoints": part.via})
        return self._target_of(client)

    def _at(self, broker: str, client: Client) -> Target:
        ports = self._topology.rabbitmq.ports
        tls = ports.amqp is None
        return Target(
            ((self._topology.ip(broker), ports.amqp or ports.amqps),),
            client.reconnect.connect_timeout.s,
            tls,
            self._certificates() if tls else "",
        )

    def _target_of(self, client: Client) -> Target:
        return Target(
            self._topology.endpoints_of(client),
            client.reconnect.connect_timeout.s,
            client.tls,
            self._certificates() if client.tls else "",
        )

    def _login(self, client: Client, vhost: str, user: str | None = None) -> Login:
        user = user or self._topology.user_of(client)
        return Login(
            user,
            self.stack.secrets[self._topology.password_of(user)],
            vhost,
            client.heartbeat.whole_s,
            client.reconnect.delay.s,
            client.reconnect.jitter.s,
        )

    def _who_configures(self, vhost: str, client: Client) -> str:
        """Give a user who may declare any queue: an administrator with rights in *vhost*, else the client's own."""
        for name, user in self._topology.rabbitmq.users.items():
            if "administrator" in user.tags and vhost in self._topology.permissions_of(name):
                return name
        return self._topology.user_of(client)

    def _certificates(self) -> str:
        """Give the certificates that servers' must lead to: what the design's hosts hold; empty where none is found."""
        if self._ca is None:
            tls = self._topology.rabbitmq.tls.clients
            files = {host: tls.ca for host in self._topology.brokers[:1] if tls and tls.ca}
            haproxy = self._topology.haproxy
            found = [self._read(host, path) for host, path in files.items()]
            for listener in haproxy.listeners.values() if haproxy else ():
                if isinstance(listener, AmqpsListener) and listener.certificate:
                    found += [self._read(host, listener.certificate) for host in self._topology.load_balancers]
            self._ca = "\n".join(dict.fromkeys(match for text in found for match in _CERTIFICATE.findall(text)))
        return self._ca

    def _read(self, host: str, path: str) -> str:
        try:
            return self.stack.hosts[host].check("cat", path)
        except LabError:
            return ""
