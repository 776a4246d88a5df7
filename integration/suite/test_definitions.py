"""The cluster holds what the design declares, and lets in whom it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration.diagnose import Finding, definitions
from integration.suite.clients import authority, do
from integration.suite.plugin import refuse

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []


def test_cluster_holds_what_the_design_declares(stack: Stack) -> None:
    """Vhosts, users with tags, permissions, policies, limits, exchanges, queues and bindings are as designed."""
    refuse(definitions.of_cluster(stack))


def test_user_may_log_in(stack: Stack, user: str) -> None:
    """A user of the design logs in with its password."""
    said = _login(stack, user, stack.secrets[stack.topology.password_of(user)])
    if "error" in said:
        todo = "/usr/local/sbin/rmqha-apply-users on a broker sets the design's passwords and permissions"
        refuse([Finding("definitions", f"user {user}", f"a login refused: {said['error']}", "a login", todo)])


def test_wrong_password_is_refused(stack: Stack, user: str) -> None:
    """A user of the design with another password is refused."""
    said = _login(stack, user, stack.secrets[stack.topology.password_of(user)] + "x")
    if "error" not in said:
        todo = "look at auth_backends in rabbitmq.conf: something lets everybody in"
        refuse([Finding("definitions", f"user {user}", "a login with a wrong password", "a refusal", todo)])
    assert "refused" in said["error"].lower() or "403" in said["error"], said


def test_guest_is_gone(stack: Stack) -> None:
    """The well-known account cannot log in, where the design deletes it."""
    if not stack.topology.rabbitmq.delete_guest:
        pytest.skip("the design keeps guest")
    if "error" not in _login(stack, "guest", "guest"):
        refuse([Finding("definitions", "user guest", "a login", "no such user", "rabbitmqctl delete_user guest")])


def _login(stack: Stack, user: str, password: str) -> dict[str, Any]:
    """Log in at the seed, from its own place: no load balancer and no packet filter is in the way."""
    topology = stack.topology
    ports, seed = topology.rabbitmq.ports, topology.rabbitmq.seed
    vhosts = topology.permissions_of(user) if user in topology.rabbitmq.users else {"/": None}
    if not vhosts:
        pytest.skip(f"{user} may use no vhost, so it cannot log in by AMQP")
    tls = ports.amqp is None
    words = {
        "do": "login",
        "endpoints": [[topology.ip(seed), ports.amqp or ports.amqps]],
        "user": user,
        "password": password,
        "vhost": next(iter(vhosts)),
        "tls": tls,
        "ca": authority(stack) if tls else "",
    }
    return do(stack, words, host=seed)[0]
