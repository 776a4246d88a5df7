"""How ports look from other places: silent hosts that become unreachable, addresses that move."""

from __future__ import annotations

import pytest
from balancer_fakes import BalancerWorld, balancer_world

from rmqha_model.faults import CLIENTS

VIP = "172.16.2.200"


def world_of(seed: int = 0) -> BalancerWorld:
    """Give the world of the sound design."""
    return balancer_world("article-fixed", seed=seed)


def test_all_answer_at_first() -> None:
    """Brokers and HAProxys, by name and by the virtual address."""
    world = world_of()
    assert world.paths.broker("rabbit1", "rabbit1").kind == "answering"
    assert world.paths.broker(CLIENTS, "rabbit3").kind == "answering"
    for address in ("rabbit2", VIP):
        assert world.paths.balancer(CLIENTS, address).kind == "answering"
        assert world.paths.talks(CLIENTS, address) == "alive"


@pytest.mark.parametrize(("port", "kind"), [("frozen", "frozen"), ("refused", "refused")])
def test_a_program_decides_on_a_host_that_is_there(port: str, kind: str) -> None:
    """Its kernel answers for it, or says that nobody listens."""
    world = world_of()
    world.brokers.turn("rabbit2", port)
    assert world.paths.broker("rabbit1", "rabbit2").kind == kind
    world.balancers.act("rabbit1", {"frozen": "hang", "refused": "stop"}[port])
    assert world.paths.balancer(CLIENTS, VIP).kind == kind


def test_a_host_without_power_is_silent_and_then_unreachable() -> None:
    """15 to 45 s after its last word its entry is probed, at the next packet, and fails 8 s later."""
    instants = []
    for seed in range(40):
        world = world_of(seed)
        heard: list[float] = []

        def note(world: BalancerWorld = world, heard: list[float] = heard) -> None:
            if world.paths.broker("rabbit1", "rabbit3").kind == "unroutable" and not heard:
                heard.append(world.now)

        world.paths.on_change(note)
        world.clock.run(10.0)
        world.lose_power("rabbit3")
        assert world.paths.broker("rabbit1", "rabbit3").kind == "silent"
        world.clock.run(70.0)
        instants += heard
    assert len(instants) == 40
    assert 33.0 <= min(instants) < 36.0
    assert 60.0 < max(instants) <= 63.0


def test_an_entry_comes_back_with_its_host() -> None:
    """A host that is there again answers again, and its next loss begins anew."""
    world = world_of()
    world.lose_power("rabbit3")
    world.clock.run(60.0)
    assert world.paths.broker("rabbit1", "rabbit3").kind == "unroutable"
    world.get_power("rabbit3")
    assert world.paths.broker("rabbit1", "rabbit3").kind == "refused"
    world.brokers.turn("rabbit3", "serving")
    assert world.paths.broker("rabbit1", "rabbit3").kind == "answering"
    world.lose_power("rabbit3")
    assert world.paths.broker("rabbit1", "rabbit3").kind == "silent"


def test_a_kernel_forgets_all_of_a_dead_link() -> None:
    """Who has lost the own carrier knows at once that there is no way; the others do not."""
    world = world_of()
    world.network.plug("rabbit1", in_=False)
    assert world.paths.broker("rabbit1", "rabbit3").kind == "unroutable"
    assert world.paths.broker("rabbit1", "rabbit1").kind == "answering"
    assert world.paths.broker("rabbit2", "rabbit1").kind == "silent"
    assert world.paths.balancer(CLIENTS, "rabbit1").kind == "silent"


def test_who_still_hears_a_host_keeps_its_entry() -> None:
    """A cut of one direction is silent for ever to the side that hears; the other side's entry fails."""
    world = world_of()
    world.network.cut([("rabbit1", "rabbit3")])
    world.clock.run(90.0)
    assert world.paths.broker("rabbit1", "rabbit3").kind == "silent"
    other = world_of()
    other.network.cut([("rabbit3", "rabbit1")])
    other.clock.run(90.0)
    assert other.paths.broker("rabbit1", "rabbit3").kind == "unroutable"


def test_a_lost_address_is_silent_and_a_moved_one_resets() -> None:
    """Packets go to the old holder until the new one has told where it is."""
    world = world_of()
    world.routes.move(VIP, None)
    assert world.paths.balancer(CLIENTS, VIP).kind == "silent"
    assert world.paths.talks(CLIENTS, VIP) == "silent"
    world.routes.move(VIP, "rabbit2")
    assert world.paths.balancer(CLIENTS, VIP).kind == "answering"
    assert world.paths.talks(CLIENTS, VIP, "rabbit1") == "moved"
    assert world.paths.talks(CLIENTS, VIP, "rabbit2") == "alive"
    world.routes.ways[VIP] = None
    assert world.paths.balancer(CLIENTS, VIP).kind == "unroutable"


def test_all_packets_lost_is_as_good_as_cut() -> None:
    """A cable that loses everything lets nobody through."""
    world = world_of()
    world.network.spoil("rabbit3", 1.0)
    assert world.paths.broker("rabbit1", "rabbit3").kind == "silent"
    assert world.paths.talks(CLIENTS, "rabbit3") == "silent"
