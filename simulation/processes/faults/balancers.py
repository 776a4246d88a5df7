"""Faults of load balancers and of the owners of virtual addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rmqha_model.faults import (
    CheckScriptFail,
    CheckScriptHang,
    HaproxyCannotStart,
    HaproxyHang,
    HaproxyKill,
    HaproxyStop,
    KeepalivedHang,
    KeepalivedKill,
    KeepalivedStop,
)
from simulation.machines import keepalived
from simulation.processes.faults.act import H, OnHost

if TYPE_CHECKING:
    from simulation.processes.faults.units import Layer

__all__ = [
    "CheckScript",
    "HangHaproxy",
    "HangKeepalived",
    "KillHaproxy",
    "KillKeepalived",
    "SpoilHaproxy",
    "StopHaproxy",
    "StopKeepalived",
]


class _OfHaproxy(OnHost[H]):
    layer: ClassVar[Layer] = "haproxy"


class _OfKeepalived(OnHost[H]):
    layer: ClassVar[Layer] = "keepalived"


# -- HAProxy ------------------------------------------------------------------------------------------


class KillHaproxy(_OfHaproxy[HaproxyKill]):
    """SIGKILL to the master and its workers; what systemd leaves dead is started in the end."""

    def begin(self) -> None:
        """Kill all of it."""
        self.world.balancers.act(self.host, "kill")

    def end(self) -> None:
        """Start it if systemd will not."""
        self.units.start_if_left("haproxy", self.host, self.began)


class StopHaproxy(_OfHaproxy[HaproxyStop]):
    """``systemctl stop``, then ``start``."""

    def begin(self) -> None:
        """Stop the service."""
        self.units.stop("haproxy", self.host)

    def end(self) -> None:
        """Start it."""
        self.units.start("haproxy", self.host)


class HangHaproxy(_OfHaproxy[HaproxyHang]):
    """SIGSTOP to the master and its workers, then SIGCONT."""

    def begin(self) -> None:
        """Stop it where it is."""
        self.world.balancers.act(self.host, "hang")

    def end(self) -> None:
        """Let it go on; another process was not stopped, and does not care."""
        self.world.balancers.act(self.host, "resume")

    @property
    def settled(self) -> bool:
        """Nothing is waited for."""
        return True


class SpoilHaproxy(_OfHaproxy[HaproxyCannotStart]):
    """A configuration that is refused, then ``systemctl stop``; in the end the right one, and what does not run."""

    def begin(self) -> None:
        """Write the line, then stop the service."""
        self.world.balancers.act(self.host, "break_config")
        self.units.stop("haproxy", self.host)

    def undo(self) -> None:
        """Undo it, unless the host has no power: its disk cannot be written then."""
        _must_have_power(self)
        super().undo()

    def end(self) -> None:
        """Put the configuration back, and start HAProxy and keepalived, which a script may have stopped."""
        self.world.balancers.act(self.host, "mend_config")
        self.units.start("haproxy", self.host)
        if self.host in self.world.topology.vrrp_hosts:
            self.units.start("keepalived", self.host)

    @property
    def settled(self) -> bool:
        """Whether both run."""
        vrrp = self.host in self.world.topology.vrrp_hosts and self.world.hosts.has_power(self.host)
        return super().settled and (not vrrp or self.units.active("keepalived", self.host))


# -- keepalived ---------------------------------------------------------------------------------------


class StopKeepalived(_OfKeepalived[KeepalivedStop]):
    """``systemctl stop``, then ``start``."""

    def begin(self) -> None:
        """Stop the service."""
        self.units.stop("keepalived", self.host)

    def end(self) -> None:
        """Start it."""
        self.units.start("keepalived", self.host)


class KillKeepalived(_OfKeepalived[KeepalivedKill]):
    """SIGKILL to the parent, to the VRRP child, or to both; what systemd leaves dead is started in the end."""

    def begin(self) -> None:
        """Kill what is named."""
        self.world.routes.act(self.host, keepalived.Kill(self.fault.process))

    def end(self) -> None:
        """Start it if systemd will not."""
        self.units.start_if_left("keepalived", self.host, self.began)


class HangKeepalived(_OfKeepalived[KeepalivedHang]):
    """SIGSTOP to the parent and the VRRP child, then SIGCONT."""

    def begin(self) -> None:
        """Stop both where they are."""
        self.world.routes.act(self.host, keepalived.Hang("both"))

    def end(self) -> None:
        """Let them go on."""
        self.world.routes.act(self.host, keepalived.Continue("both"))

    @property
    def settled(self) -> bool:
        """Nothing is waited for."""
        return True


class CheckScript(_OfKeepalived[CheckScriptFail | CheckScriptHang]):
    """Another script in the place of the check script, then the right one; keepalived is started if it does not run."""

    def check(self) -> None:
        """Whether keepalived runs does not matter: it is a file that is replaced."""

    def begin(self) -> None:
        """Replace it."""
        fails = isinstance(self.fault, CheckScriptFail)
        self.world.routes.script(self.host, self.fault.script, "fails" if fails else "hangs")

    def undo(self) -> None:
        """Undo it, unless the host has no power: its disk cannot be written then."""
        _must_have_power(self)
        super().undo()

    def end(self) -> None:
        """Put it back."""
        self.world.routes.script(self.host, self.fault.script, "normal")
        self.units.start("keepalived", self.host)


def _must_have_power(act: SpoilHaproxy | CheckScript) -> None:
    if not act.world.hosts.has_power(act.host):
        raise act.refuse(f"{act.host}: a file cannot be put back: the host has no power")
