"""HAProxys in a world: their servers' states as the lab measured them, connections and sessions through them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from balancer_fakes import BalancerWorld, balancer_world
from designs import design

from rmqha_model.events import HaproxyState, ServerState
from rmqha_model.faults import CLIENTS
from simulation.machines.connecting import Caller, Fate
from simulation.processes.views import Through

if TYPE_CHECKING:
    from simulation.machines.session import SessionEnded

VIP, PROXY = "172.16.2.200", "rabbitmq_cluster"


def states(world: BalancerWorld, server: str, host: str = "rabbit1") -> list[tuple[bool, int, str]]:
    """Give what was told of a server after the start."""
    told = world.events(ServerState, host=host, server=server)
    return [(event.up, event.health, event.check) for event in told if event.t > 0]


def dialled(world: BalancerWorld, address: str = VIP, proxy: str = PROXY, **caller: Any) -> list[Any]:
    """Dial, and give what comes of it once it is known, and what hangs up."""
    found: list[Any] = []

    def done(fate: Fate, through: Through | None) -> None:
        found[:] = [fate, through, found[0] if found else None]

    found.append(world.balancers.dial(CLIENTS, address, proxy, Caller(**caller), done))
    return found


def established(world: BalancerWorld, server: str, address: str = VIP, **how: Any) -> list[SessionEnded]:
    """Have a session to a server, and give its end once there is one."""
    found: list[SessionEnded] = []
    host = "rabbit1" if address == VIP else address
    world.balancers.establish(Through(host, PROXY, server), CLIENTS, address, heartbeat_s=15, done=found.append, **how)
    return found


# -- servers ------------------------------------------------------------------------------------------


def test_all_is_well_at_first() -> None:
    """Both HAProxys listen, and have judged all servers UP long ago."""
    world = balancer_world("article-fixed")
    assert [event.host for event in world.events(HaproxyState, t=0.0, up=True)] == ["rabbit1", "rabbit2"]
    for event in world.events(ServerState):
        assert (event.t, event.up, event.health, event.rise, event.fall, event.check) == (0.0, True, 4, 2, 3, "L7OK")
    world.clock.run(1e6)
    assert len(world.told) == 8


@pytest.mark.parametrize("seed", range(10))
def test_a_frozen_broker_goes_down_as_measured(seed: int) -> None:
    """Measured: three times L7TOUT, DOWN 7.7 and 8.6 s after; UP again 1 and 1.8 s after it went on."""
    world = balancer_world("article-fixed", seed=seed)
    world.clock.run(6.0)
    world.brokers.turn("rabbit2", "frozen")
    world.clock.run(19.0)
    down = [(True, 3, "L7TOUT"), (True, 2, "L7TOUT"), (False, 0, "L7TOUT")]
    assert states(world, "rabbit2") == down
    told = world.events(ServerState, server="rabbit2", up=False)
    assert all(6.0 + 3 * 2 + 2 * 0.5 <= event.t <= 6.0 + 2 + 3 * 2 + 2 * 0.5 + 0.01 for event in told)
    world.brokers.turn("rabbit2", "serving")
    world.clock.run(30.0)
    assert states(world, "rabbit2") == [*down, (False, 1, "L7OK"), (True, 4, "L7OK")]
    event = world.events(ServerState, host="rabbit1", server="rabbit2", up=True, health=4)[-1]
    assert 19.5 <= event.t <= 21.6


def test_every_state_says_what_its_time_is_made_of() -> None:
    """The parts add up to the time since the server changed."""
    world = balancer_world("article-fixed")
    world.clock.run(6.0)
    world.brokers.turn("rabbit3", "refused")
    world.clock.run(20.0)
    told = [(event, reason) for event, reason in world.told if isinstance(event, ServerState) and event.t > 0]
    assert len(told) == 6
    for event, reason in told:
        assert sum(part for _, part in reason) == pytest.approx(event.t - 6.0)


def test_phases_of_checks_are_of_all_sizes() -> None:
    """Which of the 2 s a fault falls into is luck, and each HAProxy's own."""
    waits = []
    for seed in range(60):
        world = balancer_world("article-fixed", seed=seed)
        world.brokers.turn("rabbit3", "refused")
        world.clock.run(4.0)
        waits += [event.t for event in world.events(ServerState, server="rabbit3", health=3)]
    assert len(waits) == 120
    assert min(waits) < 0.1
    assert max(waits) > 1.9


def test_a_killed_haproxy_comes_back_and_knows_nothing() -> None:
    """Measured: back after RestartSec and its start; all servers INI, and checked one after the other at once."""
    world = balancer_world("article-fixed")
    world.clock.run(6.0)
    world.brokers.turn("rabbit2", "refused")
    world.clock.run(12.0)
    world.balancers.act("rabbit1", "kill")
    assert world.balancers.listening("rabbit1") == "refused"
    assert world.balancers.haproxy("rabbit1") == "dead"
    world.clock.run(20.0)
    gone, back = world.events(HaproxyState, host="rabbit1")[1:]
    assert (gone.t, gone.up, back.up) == (12.0, False, True)
    assert 12.55 <= back.t <= 13.0
    later = [event for event in world.events(ServerState, host="rabbit1") if event.t >= back.t]
    assert [(event.t - back.t, event.health, event.check) for event in later[:3]] == [(0.0, 2, "INI")] * 3
    first = {event.server: event.t - back.t for event in reversed(later) if event.check != "INI"}
    assert first == pytest.approx({"rabbit1": 0.0037, "rabbit2": 0.167, "rabbit3": 0.3367}, abs=1e-3)
    assert [event.up for event in later if event.server == "rabbit2"] == [True, False]


def test_a_reload_refuses_nobody_and_judges_anew() -> None:
    """The new worker's servers are INI; the listener never closed."""
    world = balancer_world("article-fixed")
    world.clock.run(5.0)
    world.balancers.act("rabbit1", "reload")
    assert world.balancers.listening("rabbit1") == "serving"
    world.clock.run(6.0)
    assert len(world.events(HaproxyState, host="rabbit1")) == 1
    assert [check for _, _, check in states(world, "rabbit3")] == ["INI", "L7OK"]


def test_a_frozen_haproxy_judges_nobody() -> None:
    """It finds out what has happened meanwhile when it goes on."""
    world = balancer_world("article-fixed")
    world.clock.run(5.0)
    world.balancers.act("rabbit1", "hang")
    assert world.balancers.haproxy("rabbit1") == "frozen"
    world.brokers.turn("rabbit3", "refused")
    world.clock.run(40.0)
    assert states(world, "rabbit3") == []
    world.balancers.act("rabbit1", "resume")
    world.clock.run(50.0)
    assert states(world, "rabbit3")[-1] == (False, 0, "L4CON")


def test_a_host_without_power_is_told_of_by_others() -> None:
    """Measured: L4TOUT three times, then refused by its kernel until its broker is back."""
    world = balancer_world("article-fixed")
    world.clock.run(6.0)
    world.lose_power("rabbit1")
    world.clock.run(15.0)
    assert states(world, "rabbit1", "rabbit2") == [(True, 3, "L4TOUT"), (True, 2, "L4TOUT"), (False, 0, "L4TOUT")]
    assert not world.events(HaproxyState, host="rabbit1")[-1].up
    assert states(world, "rabbit2", "rabbit1") == []
    world.get_power("rabbit1")
    world.clock.run(18.0)
    assert states(world, "rabbit1", "rabbit2")[-1] == (False, 0, "L4CON")
    assert world.events(HaproxyState, host="rabbit1")[-1].up


def test_what_is_left_out_is_said() -> None:
    """A listener for the management API is not simulated."""
    listeners = {"amqp": {"kind": "amqp", "port": 5670}, "api": {"kind": "management", "port": 15670}}
    world = balancer_world(design(haproxy={"listeners": listeners}))
    assert [each for each in world.not_modelled if "api" in each]
    assert {event.proxy for event in world.events(ServerState)} == {"amqp"}
    assert balancer_world("article-fixed").not_modelled == []


# -- connections --------------------------------------------------------------------------------------


def test_a_connection_goes_to_a_server_and_gives_its_place_back() -> None:
    """It takes a place as long as somebody has it."""
    world = balancer_world("article-fixed")
    found = dialled(world)
    world.clock.run(1.0)
    fate, through, hang_up = found
    assert (fate.outcome, through.balancer, fate.t) == ("ok", "rabbit1", pytest.approx(0.004))
    balance = world.balancers.worker_of(CLIENTS, VIP).proxies[PROXY].balance
    assert sum(balance.served.values()) == 1
    hang_up()
    assert sum(balance.served.values()) == 0
    hang_up()
    assert sum(balance.served.values()) == 0


def test_a_dead_haproxy_refuses_and_a_frozen_one_says_nothing() -> None:
    """Its host's kernel answers for it."""
    world = balancer_world("article-fixed")
    world.balancers.act("rabbit1", "stop")
    refused = dialled(world, patience_s=2.0)
    world.clock.run(1.0)
    assert refused[0].outcome == "refused"
    world.balancers.act("rabbit1", "start")
    world.clock.run(2.0)
    world.balancers.act("rabbit1", "hang")
    frozen = dialled(world, patience_s=2.0)
    world.clock.run(10.0)
    assert (frozen[0].outcome, frozen[0].t) == ("timeout", 4.0)


def test_a_syn_that_was_lost_finds_the_new_holder() -> None:
    """Measured: 1.0 s, where the address moved meanwhile; the other HAProxy's servers take it."""
    world = balancer_world("article-fixed")
    world.routes.move(VIP, None)
    found = dialled(world, patience_s=2.0)
    world.clock.run(0.5)
    world.routes.move(VIP, "rabbit2")
    world.clock.run(3.0)
    assert (found[0].outcome, found[1].balancer) == ("ok", "rabbit2")
    assert found[0].t == pytest.approx(1.004)


def test_connections_end_with_their_haproxy() -> None:
    """Who has been accepted and waits is reset."""
    world = balancer_world("article-fixed")
    for server in ("rabbit1", "rabbit2", "rabbit3"):
        world.brokers.turn(server, "frozen")
    found = dialled(world, patience_s=5.0)
    world.clock.run(1.0)
    world.balancers.act("rabbit1", "kill")
    world.clock.run(2.0)
    assert (found[0].outcome, found[0].t) == ("reset", 1.0)


def test_a_bad_cable_costs_a_connection_time() -> None:
    """What is lost is sent again: SYNs after a second, data after 0.21 s and its doubles."""
    took = []
    for seed in range(60):
        world = balancer_world("article-fixed", seed=seed)
        world.network.spoil("rabbit1", 0.2)
        found = dialled(world, patience_s=10.0)
        world.clock.run(10.0)
        took.append(round(found[0].t, 2))
    assert took.count(0.0) in range(10, 40)
    assert {1.0, 0.21} <= set(took)


# -- sessions -----------------------------------------------------------------------------------------


def test_a_session_ends_with_its_broker() -> None:
    """A crash is heard at once, and not where its host has no power."""
    world = balancer_world("article-fixed")
    world.clock.run(1.0)
    ended, other = established(world, "rabbit2"), established(world, "rabbit3")
    world.clock.run(5.0)
    world.brokers.turn("rabbit2", "refused")
    assert [(each.t, each.client) for each in ended] == [(5.0, 5.0)]
    world.lose_power("rabbit3")
    world.clock.run(11.9)
    assert not other
    world.clock.run(15.0)
    down = world.events(ServerState, host="rabbit1", server="rabbit3", up=False)[0]
    assert [(each.cause, each.client) for each in other] == [("its server was marked DOWN", down.t)]
    assert other[0].server > 30.0


def test_a_session_ends_with_haproxy_and_its_place_too() -> None:
    """A stop closes it; what a reload left lives on, unwatched."""
    world = balancer_world("article-fixed")
    world.clock.run(1.0)
    ended = established(world, "rabbit2")
    world.balancers.act("rabbit1", "reload")
    world.clock.run(2.0)
    world.brokers.turn("rabbit2", "frozen")
    world.clock.run(15.0)
    assert not ended  # marked DOWN by a worker that does not have it
    world.balancers.act("rabbit1", "stop")
    assert [(each.t, each.cause) for each in ended] == [(15.0, "HAProxy ended")]


def test_a_client_of_a_vanished_balancer_hears_of_the_next_one() -> None:
    """Measured: publishers 3.15 s after the fault, where the address had moved 2.7 s after it."""
    world = balancer_world("article-fixed")
    world.clock.run(1.0)
    busy, idle = established(world, "rabbit2", client_every_s=0.05), established(world, "rabbit2")
    world.clock.run(6.0)
    world.lose_power("rabbit1")
    world.routes.move(VIP, None)
    world.clock.run(8.7)
    world.routes.move(VIP, "rabbit2")
    world.clock.run(30.0)
    assert [each.client for each in busy] == [pytest.approx(6.0 + 15 * 0.21, abs=0.06)]
    assert 8.7 <= idle[0].client <= 22.0
    assert 24.0 <= busy[0].server <= 46.0


def test_without_another_holder_patience_decides() -> None:
    """The client looks every 20 s whether anything came, as pika does."""
    world = balancer_world("article-fixed")
    world.clock.run(1.0)
    ended = established(world, "rabbit2")
    world.clock.run(6.0)
    world.lose_power("rabbit1")
    world.clock.run(100.0)
    assert [each.cause for each in ended] == ["the client heard nothing"]
    assert 21.0 <= ended[0].client <= 46.0


def test_a_client_that_closes_is_told_nothing() -> None:
    """Its place is free again."""
    world = balancer_world("article-fixed")
    ended: list[SessionEnded] = []
    stays = world.balancers.establish(
        Through("rabbit1", PROXY, "rabbit2"), CLIENTS, VIP, heartbeat_s=0, done=ended.append
    )
    balance = world.balancers.worker_of(CLIENTS, VIP).proxies[PROXY].balance
    assert balance.served["rabbit2"] == 1
    world.clock.run(3.0)
    stays.close()
    world.balancers.act("rabbit1", "kill")
    assert balance.served["rabbit2"] == 0
    assert ended == []


def test_a_client_that_leaves_a_frozen_broker_keeps_its_place() -> None:
    """HAProxy waits for the broker's FIN: until it goes on, or is marked DOWN."""
    for until, goes_on in ((7.0, True), (16.0, False)):
        world = balancer_world("article-fixed")
        stays = world.balancers.establish(
            Through("rabbit1", PROXY, "rabbit2"), CLIENTS, VIP, heartbeat_s=0, done=lambda _: None
        )
        balance = world.balancers.worker_of(CLIENTS, VIP).proxies[PROXY].balance
        world.clock.run(3.0)
        world.brokers.turn("rabbit2", "frozen")
        stays.close()
        world.clock.run(6.0)
        assert balance.served["rabbit2"] == 1
        if goes_on:
            world.brokers.turn("rabbit2", "serving")
        world.clock.run(until)
        assert balance.served["rabbit2"] == 0


def test_a_client_that_gives_up_keeps_its_place_while_haproxy_connects() -> None:
    """Fresh or offered, at a silent broker and at a frozen one."""
    world = balancer_world("article-fixed")
    balance = world.balancers.worker_of(CLIENTS, VIP).proxies[PROXY].balance
    world.clock.run(1.0)
    heal = world.network.cut([("rabbit1", each) for each in ("rabbit2", "rabbit3")])
    fates = [dialled(world, patience_s=1.0) for _ in range(3)]
    world.clock.run(2.5)
    assert sorted(fate[0].outcome for fate in fates) == ["ok", "timeout", "timeout"]
    assert set(balance.served.values()) == {1}
    world.clock.run(4.5)  # timeout connect is over, and each was given another one
    heal()
    world.clock.run(8.0)
    assert sum(balance.served.values()) == 1
    (hang_up, through) = next((fate[2], fate[1]) for fate in fates if fate[1] is not None)
    world.brokers.turn(through.server, "frozen")
    hang_up()
    assert balance.served[through.server] == 1
    world.balancers.act("rabbit1", "kill")
    assert balance.served[through.server] == 0


def test_a_client_that_hears_nothing_leaves_its_place_too() -> None:
    """A session with a frozen broker ends for its client when its patience is over; the article shuts none down."""
    world = balancer_world("article")
    ended = established(world, "rabbit2")
    balance = world.balancers.worker_of(CLIENTS, VIP).proxies[PROXY].balance
    world.clock.run(3.0)
    world.brokers.turn("rabbit2", "frozen")
    world.clock.run(60.0)
    assert [each.cause for each in ended] == ["the client heard nothing"]
    assert balance.served["rabbit2"] == 1
    world.brokers.turn("rabbit2", "refused")
    assert balance.served["rabbit2"] == 0


def test_a_rebooted_host_resets_who_is_left() -> None:
    """A kernel that knows nothing of a connection says so at the client's next word."""
    world = balancer_world("article-fixed")
    world.clock.run(1.0)
    ended = established(world, "rabbit2", "rabbit1")
    world.clock.run(6.0)
    world.lose_power("rabbit1")
    world.clock.run(12.0)
    world.get_power("rabbit1")
    world.clock.run(40.0)
    assert len(ended) == 1
    assert 12.0 <= ended[0].client <= 22.0
    assert math.isfinite(ended[0].server)
