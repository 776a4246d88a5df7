"""Members of a VRRP instance as they are when they have run for long: who owns the addresses, and since when."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from simulation.machines.vrrp import Vrrp
from simulation.machines.vrrp_words import Hear, Speaks, Start, seconds

if TYPE_CHECKING:
    from simulation.machines.vrrp_settings import VrrpSettings

__all__ = ["best", "long_running"]


def best(members: Mapping[str, VrrpSettings]) -> str:
    """Give the host that owns the addresses where all is well and everybody began together."""

    def rank(host: str) -> tuple[bool, int, int]:
        settings = members[host]
        return settings.owner, settings.effective(dict.fromkeys(settings.weights, True)), settings.source

    return max(members, key=rank)


def long_running(
    members: Mapping[str, VrrpSettings], owner: str, draw: Callable[[], float]
) -> tuple[dict[str, Vrrp], Speaks]:
    """Give all members as they are at 0, and what the owner says; its adverts and refreshes are in any phase."""
    settings = members[owner]
    listening = {host: _listens_from(each) for host, each in members.items() if host != owner}
    takes = seconds(settings.startup_delay_us + settings.master_down(1, settings.advert_us)[0])
    quiet = takes + settings.garp_delay_s + 1.0 - min(listening.values(), default=0.0)
    machine = Vrrp(settings)
    since = -quiet - draw() * seconds(_common_period(settings))
    said = machine.feed(since, Start(dict.fromkeys(settings.weights, True)))
    while machine.due < 0:
        said += machine.fire()
    speaks = [word for word in said if isinstance(word, Speaks)][-1]
    machines = {owner: machine}
    for host, start in listening.items():
        machines[host] = listener = Vrrp(members[host])
        listener.feed(start, Start(dict.fromkeys(members[host].weights, True)))
        listener.feed(start, Hear(settings.source, speaks.stream))
        while listener.due < 0:
            listener.fire()
    return machines, speaks


def _common_period(settings: VrrpSettings) -> int:
    """After how many microseconds its adverts and its refreshes of GARPs are together again."""
    refresh = round(settings.garp_refresh_s * 1_000_000)
    if not settings.refreshes_by_thread:
        refresh = -(-refresh // settings.advert_us) * settings.advert_us
    return math.lcm(settings.advert_us, refresh) if refresh else settings.advert_us


def _listens_from(settings: VrrpSettings) -> float:
    """When a backup begins, so that it has heard an advert before 0, and not yet waited for a whole master-down."""
    return -seconds(settings.startup_delay_us) - 1.5 * seconds(settings.advert_us)
