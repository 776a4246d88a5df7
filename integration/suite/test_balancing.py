"""Each load balancer takes its configuration, has every broker UP, shows its page to the right, and leads through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from generators.haproxy import PATH
from integration.diagnose import Finding, balancers
from integration.diagnose.asking import ask
from integration.suite.clients import authority, do
from integration.suite.plugin import refuse
from rmqha_model.haproxy import AmqpListener, AmqpsListener, ManagementListener, PrometheusListener, StatsListener
from rmqha_model.usual import usual_client

if TYPE_CHECKING:
    from integration.host import Stack
    from rmqha_model.haproxy import Listener

__all__: list[str] = []


def test_haproxy_takes_its_configuration(stack: Stack, balancer: str) -> None:
    """``haproxy -c`` accepts the file that is on the host."""
    refuse(balancers.of_config(stack, balancer))


def test_every_server_is_up(stack: Stack, balancer: str) -> None:
    """HAProxy calls every broker of every listener UP."""
    if balancers.servers(stack, balancer) is None:
        pytest.skip("the design lets nobody ask HAProxy: it has neither a stats socket nor a stats page")
    refuse(balancers.of_servers(stack, balancer))


def test_stats_page_answers_whom_it_should(stack: Stack, balancer: str) -> None:
    """The page is there, with the design's login; without it, only where the design has none."""
    if balancers.stats_listener(stack) is None:
        pytest.skip("the design has no stats page")
    refuse(balancers.of_page(stack, balancer))


def test_stats_page_refuses_a_wrong_password(stack: Stack, balancer: str) -> None:
    """A wrong password is as good as none."""
    found = balancers.stats_listener(stack)
    if found is None or found[1].auth is None:
        pytest.skip("the design has no stats page with a login")
    said = balancers.page(stack, balancer, password="wrong")  # noqa: S106 - that it is wrong is the point
    if said.get("status") != 401:
        todo = f"put the design's {PATH} on {balancer}, and reload HAProxy"
        words = f"answer {said.get('status') or said.get('error')} to a wrong password"
        refuse([Finding("balancer", f"{balancer}: stats page", words, "HTTP status 401", todo)])


def test_listener_leads_through(stack: Stack, balancer: str, listener: str) -> None:
    """Whoever connects to a listener of this load balancer gets an answer from what is behind it."""
    assert stack.topology.haproxy is not None
    settings = stack.topology.haproxy.listeners[listener]
    said = _round_trip(stack, balancer, settings)
    if "error" in said or said.get("status", 200) >= 400:
        words = said.get("error") or f"HTTP status {said['status']}"
        todo = f"look at the listener in {PATH} and its servers on the stats page of {balancer}"
        where = f"{balancer}: listener {listener}, port {settings.port}"
        refuse([Finding("path", where, words, "an answer", todo)])


def _round_trip(stack: Stack, host: str, listener: Listener) -> dict[str, Any]:
    address = balancers.address_of(stack, host, listener)
    if isinstance(listener, StatsListener):
        return balancers.page(stack, host)
    if isinstance(listener, PrometheusListener):
        words = {"ask": "http", "host": address, "port": listener.port, "path": listener.path}
        return ask(stack, [words], host=host)[0]
    if isinstance(listener, ManagementListener):
        _, tls = stack.topology.server_port(listener)
        words = {"ask": "http", "host": address, "port": listener.port, "path": "/", "tls": tls}
        return ask(stack, [words], host=host)[0]
    assert isinstance(listener, AmqpListener | AmqpsListener)
    _, client = usual_client(stack.topology)
    user = stack.topology.user_of(client)
    tls = isinstance(listener, AmqpsListener)
    # A listener that ends TLS has a certificate of its own, whose authority is the user's affair.
    ca = authority(stack) if tls and listener.mode == "pass_through" else ""  # type: ignore[union-attr]
    words = {
        "do": "login",
        "endpoints": [[address, listener.port]],
        "user": user,
        "password": stack.secrets[stack.topology.password_of(user)],
        "vhost": stack.topology.vhost_of(client),
        "tls": tls,
        "ca": ca,
    }
    return do(stack, words)[0]
