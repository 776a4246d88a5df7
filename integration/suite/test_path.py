"""Each client of the design can do its work where it connects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.diagnose import Finding
from integration.suite.clients import do, login, names_for
from integration.suite.plugin import refuse

if TYPE_CHECKING:
    from integration.host import Stack

__all__: list[str] = []

_MESSAGES = 20


def test_client_publishes_and_consumes(stack: Stack, client: str) -> None:
    """Messages are confirmed, come back each once, and what leads to no queue is returned."""
    topology = stack.topology
    settings = topology.clients[client]
    names = names_for(stack, settings)
    if names is None:
        user = topology.user_of(settings)
        pytest.skip(f"the permissions of {user} leave no name that a queue of this test could have")
    queue, exchange = names
    kind = topology.default_queue_type() if len(topology.brokers) > 1 else "classic"
    words = {"arguments": {"x-queue-type": kind}, "queue": queue, "exchange": exchange, "count": _MESSAGES}
    (said,) = do(stack, {"do": "path", **words, **login(stack, settings)})
    where = f"client {client} at {', '.join(f'{host}:{port}' for host, port in topology.endpoints_of(settings))}"
    todo = "rmqha lab status --diagnose says which layer is ill"
    numbers = list(range(1, _MESSAGES + 1))
    if "error" in said:
        refuse([Finding("path", where, said["error"], "messages published and consumed", todo)])
    found = []
    if said["confirmed"] != numbers:
        found.append(Finding("path", where, f"{len(said['confirmed'])} confirms", f"{_MESSAGES}", todo))
    if said["delivered"] != numbers:
        words_of = f"deliveries {said['delivered']}"
        found.append(Finding("path", where, words_of, "each message once, in order", todo))
    if not said["unroutable_returned"]:
        mend = "publish with mandatory, and look for an alternate exchange that swallows everything"
        found.append(Finding("path", where, "an unroutable message not returned", "it returned", mend))
    refuse(found)
