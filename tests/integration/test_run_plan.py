"""What clients and observers are told, by the design and the scenario."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from designs import design, secrets_of

from integration.running.plan import Plan
from integration.running.watching import not_seen, observers
from rmqha_model.scenario import Scenario

WORKLOAD = {
    "queues": [{"name": "flow", "type": "quorum"}, {"name": "plain", "type": "classic", "durable": False}],
    "probes": {"fresh": {"every": "50ms", "patience": "1s"}},
    "publishers": {"orders": {"queue": "flow", "rate": 5, "count": 2}, "direct": {"queue": "plain", "via": "brokers"}},
    "consumers": {"workers": {"queue": "flow", "work": "10ms", "client": "batch"}},
}
CLIENTS = {
    "app": {"heartbeat": "10s"},
    "batch": {"kind": "java", "prefetch": 7, "ack": "auto", "endpoints": "load_balancers"},
}


def plan_of(**changes: Any) -> Plan:
    """Give a plan for the small design."""
    topology = design(clients=CLIENTS, **changes)
    stack = SimpleNamespace(topology=topology, secrets=secrets_of(topology), hosts={})
    scenario = Scenario.model_validate({"name": "s", "workload": WORKLOAD})
    return Plan(cast("Any", stack), scenario, run="abc", seed=3)


def test_clients_go_where_the_design_sends_them() -> None:
    """Each goes where its client of the design does, or where the scenario says."""
    plan = plan_of()
    (probe,) = plan.probes()
    orders, direct = plan.publishers()
    (workers,) = plan.consumers()
    assert probe.target.endpoints == (("10.0.0.100", 5672),)
    assert (probe.every_s, probe.patience_s, probe.seed) == (0.05, 1.0, "3/fresh")
    assert direct.target.endpoints == (("10.0.0.11", 5672), ("10.0.0.12", 5672), ("10.0.0.13", 5672))
    assert workers.target.endpoints == (("10.0.0.14", 5672), ("10.0.0.15", 5672))
    assert (orders.names(), orders.login.heartbeat_s, orders.login.user) == (("orders-1", "orders-2"), 10, "app")
    assert (workers.prefetch, workers.auto_ack, workers.work_s) == (7, True, 0.01)


def test_queues_are_declared_by_who_may_and_drained_where_they_are() -> None:
    """An administrator declares, at a broker itself; what publishers fill is drained, each queue once."""
    plan = plan_of()
    (declared,) = plan.declarations("r2", declare=True)
    assert declared.login.user == "admin"
    assert declared.target.endpoints == (("10.0.0.12", 5672),)
    assert [(queue.name, queue.durable, queue.arguments) for queue in declared.queues] == [
        ("flow", True, {"x-queue-type": "quorum"}),
        ("plain", False, {"x-queue-type": "classic"}),
    ]
    assert [(drain.queue, drain.until_empty) for drain in plan.drains("r1")] == [("flow", True), ("plain", True)]
    assert plan.queues() == (("/", "flow"), ("/", "plain"))


def test_what_pika_plays_is_said() -> None:
    """A client that is no pika program is played by one, and the timeline says so."""
    assert plan_of().plays() == ("client batch uses java; pika plays it with its settings",)


def test_observers_watch_what_is_on_their_host() -> None:
    """Brokers, balancers and addresses are watched where the design has them."""
    topology = design()
    specs = observers(topology, secrets_of(topology), (("/", "q"),))
    balancer, broker = specs["lb1"], specs["r1"]
    assert (balancer.addresses, balancer.haproxy_port, balancer.broker_port) == (("10.0.0.100",), 5672, None)
    assert balancer.haproxy is not None
    assert (balancer.haproxy.proxies, balancer.haproxy.socket) == (("amqp",), "/run/haproxy/admin.sock")
    assert (broker.addresses, broker.broker_port, broker.haproxy) == ((), 5672, None)
    assert broker.api is not None
    assert (broker.api.address, broker.api.port, broker.api.queues) == ("10.0.0.11", 15672, (("/", "q"),))
    assert list(not_seen(topology)) == []


def test_a_design_that_tells_less_is_watched_as_far_as_it_goes() -> None:
    """Without a socket the page is read, with its login; what cannot be seen is said."""
    topology = design(haproxy={"hosts": ["lb1"], "global": {"stats_socket": None}}, keepalived=None)
    secrets = secrets_of(topology)
    source = observers(topology, secrets, ())["lb1"].haproxy
    assert source is not None
    assert (source.socket, source.address, source.port, source.uri) == ("", "127.0.0.1", 8404, "/stats")
    assert source.login.startswith("stats:")
    blind = design(
        haproxy={"hosts": ["lb1"], "global": {"stats_socket": None}, "listeners": {"amqp": {"kind": "amqp"}}},
        keepalived=None,
        rabbitmq={"nodes": ["r1", "r2", "r3"], "plugins": []},
    )
    assert [said.partition(":")[0] for said in not_seen(blind)] == [
        "servers as HAProxy sees them",
        "members, leaders and alarms",
    ]
