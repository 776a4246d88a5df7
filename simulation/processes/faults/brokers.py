"""Faults of brokers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rmqha_model.faults import (
    BrokerHang,
    BrokerKill,
    BrokerRestart,
    BrokerStop,
    BrokerStopApp,
    DiskAlarm,
    MemoryAlarm,
    OneHost,
)
from simulation.machines.link_parts import Process
from simulation.processes.faults.act import H, OnHost

if TYPE_CHECKING:
    from simulation.processes.faults.units import Layer

__all__ = ["Alarm", "Hang", "Kill", "Restart", "Stop", "StopApp"]


class _OfBroker(OnHost[H]):
    layer: ClassVar[Layer] = "brokers"


class Kill(_OfBroker[BrokerKill]):
    """SIGKILL; what systemd leaves dead is started in the end."""

    def begin(self) -> None:
        """Kill the VM."""
        self.world.brokers.act(self.host, "kill")

    def end(self) -> None:
        """Start it if systemd will not."""
        self.units.start_if_left("brokers", self.host, self.began)


class Stop(_OfBroker[BrokerStop]):
    """``systemctl stop``, then ``start``."""

    def begin(self) -> None:
        """Stop the service."""
        self.units.stop("brokers", self.host)

    def end(self) -> None:
        """Start it."""
        self.units.start("brokers", self.host)


class Restart(_OfBroker[BrokerRestart]):
    """``systemctl restart``: over when the broker has booted."""

    def begin(self) -> None:
        """Restart the service."""
        self.units.restart("brokers", self.host, self.over)

    def end(self) -> None:
        """Leave it alone: to start a service that is being restarted is to do nothing."""


class _OfVm(_OfBroker[H]):
    """A fault that a VM forgets when it ends: another one is not told that it is undone."""

    run = 0

    def begin(self) -> None:
        """Do it to the VM that is there."""
        self.run = self.units.run[self.host]
        self.inflict()

    def end(self) -> None:
        """Undo it, if it is the same VM still."""
        if self.same:
            self.relieve()

    @property
    def same(self) -> bool:
        """Whether the VM is the one that it happened to."""
        return self.world.hosts.booted(self.host) and self.units.run[self.host] == self.run

    def inflict(self) -> None:
        """Do it."""
        raise NotImplementedError

    def relieve(self) -> None:
        """Undo it."""
        raise NotImplementedError

    @property
    def settled(self) -> bool:
        """Nothing is waited for: the VM goes on with whatever it was at."""
        return True


class Hang(_OfVm[BrokerHang]):
    """SIGSTOP, then SIGCONT."""

    def inflict(self) -> None:
        """Stop the VM where it is."""
        self.world.brokers.act(self.host, "hang")

    def relieve(self) -> None:
        """Let it go on."""
        self.world.brokers.act(self.host, "resume")


class _OfApplication(_OfVm[H]):
    """A fault that rabbitmqctl does."""

    def check(self) -> None:
        """Raise :class:`FaultImpossible` if the VM does not run, or does not answer."""
        super().check()
        if self.world.brokers.process(self.host) is Process.HANGS:
            raise self.refuse(f"{self.host}: rabbitmqctl has no answer: the broker is frozen; allowed: one that runs")


class StopApp(_OfApplication[BrokerStopApp]):
    """``rabbitmqctl stop_app``, then ``start_app``."""

    def inflict(self) -> None:
        """Stop the application."""
        self.world.brokers.act(self.host, "stop_app")

    def relieve(self) -> None:
        """Start it."""
        self.units.start_app(self.host)

    @property
    def settled(self) -> bool:
        """Whether the broker serves again; of another VM nobody waits until it does."""
        return not self.same or self.world.brokers.serves(self.host)


class Alarm(_OfApplication[OneHost]):
    """A memory watermark below what is used, or a disk limit above what is free."""

    def check(self) -> None:
        """Raise :class:`FaultImpossible` if there is no application that has a limit."""
        super().check()
        if not self.world.brokers.serves(self.host):
            raise self.refuse(f"{self.host}: found a broker without its application; allowed: one that serves")

    @property
    def _resource(self) -> Literal["memory", "disk"]:
        if isinstance(self.fault, MemoryAlarm):
            return "memory"
        assert isinstance(self.fault, DiskAlarm)
        return "disk"

    def inflict(self) -> None:
        """Set the limit."""
        self.world.brokers.alarm(self.host, self._resource, on=True)

    def relieve(self) -> None:
        """Set it back."""
        self.world.brokers.alarm(self.host, self._resource, on=False)
