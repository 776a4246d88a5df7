"""Faults of hosts and of the network between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from rmqha_model.faults import HostPowerLoss, HostReboot, LinkDown, LinkFlap, PacketLoss, Partition, SitePowerLoss
from simulation.processes.faults.act import Act, Lasting

__all__ = ["Cut", "Flap", "Loss", "PowerLoss", "Pull", "Reboot"]


class PowerLoss(Lasting[HostPowerLoss | SitePowerLoss]):
    """No power, on all hosts in one instant; in the end it returns, to all at once or to one after the other."""

    _left = 0

    def begin(self) -> None:
        """Take it."""
        for host in self.hosts:
            self.world.hosts.power_off(host)

    def end(self) -> None:
        """Give it back to those that are off."""
        stagger_s = self.fault.stagger.s if isinstance(self.fault, SitePowerLoss) else 0.0
        off = [host for host in self.hosts if not self.world.hosts.has_power(host)]
        self._left = len(off)
        for place, host in enumerate(off):
            if place and stagger_s:
                self.world.clock.after(place * stagger_s, lambda host=host: self._return(host))  # type: ignore[misc]
            else:
                self._return(host)

    def _return(self, host: str) -> None:
        self._left -= 1
        self.world.hosts.power_on(host)

    @property
    def settled(self) -> bool:
        """Whether all have power."""
        return not self._left


class Reboot(Act[HostReboot]):
    """``systemctl reboot``: over when all that starts at boot has started."""

    def begin(self) -> None:
        """Give the order."""
        self.world.hosts.reboot(self.hosts[0], self.over)

    def undo(self) -> None:
        """It is waited for: a host that reboots cannot be kept from it."""


# -- links --------------------------------------------------------------------------------------------


class Pull(Lasting[LinkDown]):
    """A cable that is pulled, then put back."""

    def begin(self) -> None:
        """Pull it."""
        self.world.network.plug(self.hosts[0], in_=False)

    def end(self) -> None:
        """Put it back."""
        self.world.network.plug(self.hosts[0], in_=True)


class Flap(Act[LinkFlap]):
    """A cable that is pulled and put back, several times: over when it is in for the last time."""

    _out = 0
    _in = False
    _stopped = False

    def begin(self) -> None:
        """Pull it for the first time."""
        if not self._stopped:
            self._out += 1
            self.world.network.plug(self.hosts[0], in_=False)
            self.world.clock.after(self.fault.down.s, self._put_back)

    def _put_back(self) -> None:
        if self._stopped:
            return
        last = self._out == self.fault.times
        if last:
            self._stopped = True
            self.over()
        self.world.network.plug(self.hosts[0], in_=True)
        if not last:
            self._in = True
            self.world.clock.after(self.fault.up.s, self._again)

    def _again(self) -> None:
        self._in = False
        self.begin()

    def undo(self) -> None:
        """Leave the cable in."""
        self._stopped = True
        self.over()
        if not self._in:
            self.world.network.plug(self.hosts[0], in_=True)


# -- packets ------------------------------------------------------------------------------------------


class Cut(Lasting[Partition]):
    """No packets between two sets of hosts, or from one to the other."""

    _heal: Callable[[], None]

    def begin(self) -> None:
        """Drop them."""
        first, second = self.fault.between
        pairs = list(itertools.product(first, second))
        if not self.fault.one_way:
            pairs += itertools.product(second, first)
        self._heal = self.world.network.cut(pairs)

    def end(self) -> None:
        """Let them pass."""
        self._heal()


class Loss(Lasting[PacketLoss]):
    """Some packets lost; of two bad cables at one host each loses its share of what the other leaves."""

    def begin(self) -> None:
        """Lose them."""
        self._shares.append(self.fault.share)
        self._spoil()

    def end(self) -> None:
        """Let them pass."""
        self._shares.remove(self.fault.share)
        self._spoil()

    @property
    def _shares(self) -> list[float]:
        return self.means.shares.setdefault(self.hosts[0], [])

    def _spoil(self) -> None:
        self.world.network.spoil(self.hosts[0], 1.0 - math.prod(1.0 - share for share in self._shares))
